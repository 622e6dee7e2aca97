package trial

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
)

// A decoder collects what is wrong with a test file.
type decoder struct {
	at       pipelines.Positions
	start    pipelines.Pos
	problems []pipelines.Problem
}

// maxProblems is how many problems of one file are kept.
const maxProblems = 200

func (d *decoder) errorf(at pipelines.Pos, format string, args ...any) {
	if len(d.problems) < maxProblems {
		d.problems = append(d.problems, pipelines.Problem{Pos: at, Severity: pipelines.SeverityError, Msg: fmt.Sprintf(format, args...)})
	}
}

func (d *decoder) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b pipelines.Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return fault.As(fault.Permanent, &pipelines.ParseError{Problems: d.problems})
}

// A value is one value of a test file. The zero any is one that is not there.
type value struct {
	d    *decoder
	path string
	name string // the last part of path
	any  any
}

// pos is where the value's key stands, or what it is in.
func (v value) pos() pipelines.Pos {
	return v.d.at.Key(v.path, v.d.start)
}

func (v value) key(name string) value {
	m, _ := v.any.(map[string]any)
	path := name
	if v.path != "" {
		path = v.path + "." + name
	}
	return value{v.d, path, name, m[name]}
}

// mapping returns v as a map, nil where it is not there. known are the keys it may have; none is any.
func (v value) mapping(known ...string) map[string]any {
	m, ok := v.any.(map[string]any)
	if !ok && v.any != nil {
		v.wrong("a map")
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if len(known) == 0 || slices.Contains(known, key) {
			continue
		}
		at := v.key(key).pos()
		if near := modules.Closest(key, known); near != "" {
			v.d.errorf(at, "%s has no key %q, did you mean %q?", v.what(), clip(key, 64), near)
			continue
		}
		v.d.errorf(at, "%s has no key %q; it has %s", v.what(), clip(key, 64), strings.Join(known, ", "))
	}
	return m
}

// list returns the entries of a list, nil where it is not there, and not nil where it is empty.
func (v value) list() []value {
	l, ok := v.any.([]any)
	if !ok {
		if v.any != nil {
			v.wrong("a list")
		}
		return nil
	}
	out := make([]value, len(l))
	for i, e := range l {
		at := "[" + strconv.Itoa(i) + "]"
		out[i] = value{v.d, v.path + at, v.name + at, e}
	}
	return out
}

// entries returns the entries of a list, or v as the only one.
func (v value) entries() []value {
	if _, ok := v.any.([]any); ok {
		return v.list()
	}
	return []value{v}
}

// text returns a scalar as text, "" where it is not there.
func (v value) text() string {
	switch x := v.any.(type) {
	case nil:
	case string:
		return x
	case bool, int64, float64:
		return fmt.Sprint(x)
	default:
		v.wrong("text")
	}
	return ""
}

// texts returns a list of texts, or one text as a list; nil where it is not there.
func (v value) texts() []string {
	if s, ok := v.any.(string); ok {
		return []string{s}
	}
	entries := v.list()
	if entries == nil {
		return nil
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.text()
	}
	return out
}

// boolean returns a truth value; otherwise where it is not there.
func (v value) boolean(otherwise bool) bool {
	if v.any == nil {
		return otherwise
	}
	b, ok := v.any.(bool)
	if !ok {
		v.wrong("true or false")
	}
	return b
}

// oneOf returns a text that is one of known, or "".
func (v value) oneOf(known ...string) string {
	s := v.text()
	if s == "" || slices.Contains(known, s) {
		return s
	}
	if near := modules.Closest(s, known); near != "" {
		v.d.errorf(v.pos(), "%s can't be %q, did you mean %q?", v.name, clip(s, 64), near)
		return ""
	}
	v.d.errorf(v.pos(), "%s must be one of %s, got %q", v.name, strings.Join(known, ", "), clip(s, 64))
	return ""
}

func (v value) wrong(want string) {
	v.d.errorf(v.pos(), "%s must be %s, got %s", v.what(), want, show(v.any))
}

func (v value) what() string {
	if v.name == "" {
		return "the file"
	}
	return v.name
}
