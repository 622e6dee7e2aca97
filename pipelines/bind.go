package pipelines

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

// Bind holds what a job gives against the params of p, and returns the state to run with: given, with text turned into
// the declared types, a whole number into text where text is declared, and null left out, so that the default counts. given
// is not written to. The error is a *ParseError, permanent, and names every param that is wrong or missing.
func (p *Pipeline) Bind(given map[string]any) (map[string]any, error) {
	if len(p.Params) == 0 {
		return given, nil
	}
	bound := maps.Clone(given)
	var wrong Problems
	for _, param := range p.Params {
		v := given[param.Name]
		if v == nil {
			delete(bound, param.Name)
			if param.Required && !slices.ContainsFunc(param.Unless, func(name string) bool { return given[name] != nil }) {
				wrong.Add(Problem{param.Pos, SeverityError, p.missing(param, given)})
			}
			continue
		}
		v, err := param.bind(v)
		if err != nil {
			wrong.Add(Problem{param.Pos, SeverityError, err.Error()})
			continue
		}
		bound[param.Name] = v
	}
	if len(wrong) > 0 {
		return nil, fault.As(fault.Permanent, &ParseError{wrong.Sorted()})
	}
	return bound, nil
}

// HoldDefaults holds what defaults came to against the params that the job did not give: a template's is known when the
// state is, of which get returns a key's value. The error is Bind's.
func (p *Pipeline) HoldDefaults(given map[string]any, get func(key string) (any, bool)) error {
	var wrong Problems
	for _, param := range p.Params {
		if given[param.Name] != nil || p.State[param.Name] == nil {
			continue
		}
		v, _ := get(param.Name)
		fit, ok := param.Type.take(v)
		switch {
		case v == nil:
		case !ok:
			wrong.Add(Problem{param.Pos, SeverityError, fmt.Sprintf("param %q must be %s, and its default comes to %s", Shorten(param.Name), param.Type.article(), param.show(v))})
		case !param.allows(fit):
			wrong.Add(Problem{param.Pos, SeverityError, fmt.Sprintf("param %q must be one of %s, and its default comes to %s", Shorten(param.Name), param.choices(), param.show(v))})
		}
	}
	if len(wrong) > 0 {
		return fault.As(fault.Permanent, &ParseError{wrong.Sorted()})
	}
	return nil
}

// bind returns the value of the param that v stands for. v is not nil.
func (p Param) bind(v any) (any, error) {
	fit, ok := p.Type.take(v)
	if !ok {
		fit, ok = p.Type.convert(v)
	}
	_, fraction := v.(float64)
	switch {
	case !ok && p.Type == ParamString && fraction:
		return nil, fmt.Errorf("param %q must be text, and the job gives %s as a number, of which 1.50 and 1.5 are the same; put it in double quotes", Shorten(p.Name), p.show(v))
	case !ok:
		return nil, fmt.Errorf("param %q must be %s, and the job gives %s", Shorten(p.Name), p.Type.article(), p.show(v))
	case !p.allows(fit):
		return nil, fmt.Errorf("param %q must be one of %s, and the job gives %s", Shorten(p.Name), p.choices(), p.show(v))
	}
	return fit, nil
}

// missing says that the job must give a param, and whether it gave something of nearly that name.
func (p *Pipeline) missing(param Param, given map[string]any) string {
	msg := fmt.Sprintf("param %q (%s) is required, and the job gives none", Shorten(param.Name), param.Type)
	if len(param.Unless) > 0 {
		msg = fmt.Sprintf("param %q (%s) is required, or in its place %s, and the job gives none", Shorten(param.Name), param.Type, param.standIns())
	}
	if param.Description != "" {
		msg += ": " + oneLine(param.Description)
	}
	var undeclared []string
	for _, key := range slices.Sorted(maps.Keys(given)) {
		_, inState := p.State[key]
		if !inState && !slices.ContainsFunc(p.Params, func(p Param) bool { return p.Name == key }) {
			undeclared = append(undeclared, key)
		}
	}
	const most = 50 // a message has thousands, and comparing costs
	if near := modules.Closest(param.Name, undeclared[:min(len(undeclared), most)]); near != "" {
		return fmt.Sprintf("%s (it gives %q; is that what is meant?)", msg, near)
	}
	return msg
}

// standIns lists the params that the job may give in place of this one.
func (p Param) standIns() string {
	const shown = 5
	var out []string
	for _, name := range p.Unless[:min(len(p.Unless), shown)] {
		out = append(out, strconv.Quote(Shorten(name)))
	}
	return strings.Join(out, " or ")
}

// oneLine is the beginning of a text, on one line.
func oneLine(s string) string {
	const most = 200 // characters
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	if r := []rune(line); len(r) > most {
		return string(r[:most]) + "…"
	}
	return line
}

// allows says whether enum has v, which is of the param's type.
func (p Param) allows(v any) bool {
	return len(p.Enum) == 0 || slices.ContainsFunc(p.Enum, func(e any) bool { return same(e, v) })
}

// same compares scalars; 1 and 1.0 are the same number.
func same(a, b any) bool {
	x, xok := float(a)
	y, yok := float(b)
	switch {
	case xok && yok:
		return x == y
	case isList(a) || isList(b):
		return false
	}
	return a == b
}

func isList(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// choices lists enum.
func (p Param) choices() string {
	const shown = 20
	var out []string
	for _, e := range p.Enum[:min(len(p.Enum), shown)] {
		n := node{kind: scalarNode, value: e}
		out = append(out, n.what())
	}
	if more := len(p.Enum) - shown; more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, ", ")
}

// take returns a value that is of the type as it stands: 2.0 is an integer.
func (t ParamType) take(v any) (any, bool) {
	ok := false
	switch x := v.(type) {
	case string:
		ok = t == ParamString
	case bool:
		ok = t == ParamBoolean
	case int64:
		ok = t == ParamNumber || t == ParamInteger
	case float64:
		if t == ParamInteger && x == math.Trunc(x) && math.Abs(x) < 1<<63 {
			return int64(x), true
		}
		ok = t == ParamNumber
	case []any:
		ok = t == ParamList
	case map[string]any:
		ok = t == ParamMap
	}
	return v, ok || t == ParamAny
}

// convert turns text into the value that it is written as, and a whole number, true or false into its text: command
// lines and attributes of messages don't tell them apart. The text of other numbers is lost.
func (t ParamType) convert(v any) (any, bool) {
	switch x := v.(type) {
	case string:
		return t.read(strings.TrimSpace(x))
	case int64:
		return strconv.FormatInt(x, 10), t == ParamString
	case bool:
		return strconv.FormatBool(x), t == ParamString
	}
	return nil, false
}

func (t ParamType) read(text string) (any, bool) {
	switch {
	case t == ParamBoolean && (text == "true" || text == "false"):
		return text == "true", true
	case t != ParamNumber && t != ParamInteger || !json.Valid([]byte(text)):
		return nil, false
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, false
	}
	return t.take(f)
}

// article is the type in a sentence.
func (t ParamType) article() string {
	switch t {
	case ParamAny:
		return "any value"
	case ParamString:
		return "text"
	case ParamInteger:
		return "a whole number"
	case ParamBoolean:
		return "true or false"
	}
	return "a " + string(t)
}
