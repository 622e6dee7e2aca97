package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/flosch/pongo2/v6"
)

const (
	maxVars  = 8 << 20 // bytes of all values that a template names
	maxValue = 100     // lists and maps in each other
	perValue = 16      // bytes that a value has besides its text
)

// variables copies what the template names, as plain data, so that nothing in it can be called. hyphened are the names
// with a hyphen; they are given as names with an underscore.
func (t *Template) variables(vars map[string]any) (public pongo2.Context, hyphened []string, err error) {
	words := map[string]place{}
	for _, p := range t.pieces {
		if p.kind != isText {
			eachHyphened(p.text, func(word string) { words[word] = p.at })
		}
	}
	for _, word := range slices.Sorted(maps.Keys(words)) {
		if _, ok := vars[word]; !ok {
			continue
		}
		for _, other := range append(strings.Split(word, "-"), strings.ReplaceAll(word, "-", "_")) {
			if _, both := vars[other]; both {
				return nil, nil, words[word].errorf("{{ %s }} may be the value %q, or what %q has a part in; rename one, or write blanks around a minus", word, word, other)
			}
		}
		hyphened = append(hyphened, word)
	}
	public = pongo2.Context{}
	size := 0
	for _, p := range t.pieces {
		if p.kind == isText {
			continue
		}
		for _, name := range namesIn(joinHyphens(p.text, hyphened)) {
			given := name
			if i := slices.IndexFunc(hyphened, func(h string) bool { return strings.ReplaceAll(h, "-", "_") == name }); i >= 0 {
				given = hyphened[i]
			}
			v, ok := vars[given]
			if _, done := public[name]; !ok || done {
				continue
			}
			v, n, err := plain(v)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", given, err)
			}
			if size += n; size > maxVars {
				return nil, nil, fmt.Errorf("its values are longer than %d MiB", maxVars>>20)
			}
			public[name] = v
		}
	}
	return public, hyphened, nil
}

// eachHyphened calls f with each word of code that has a hyphen in it and may be a name.
func eachHyphened(code string, f func(word string)) {
	for i := 0; i < len(code); {
		n := hyphenedLen(code[i:])
		if word := code[i : i+n]; strings.Contains(word, "-") && nameLen(word) > 0 {
			f(word)
		}
		if code[i] == '"' || code[i] == '\'' {
			n = quoted(code[i:])
		}
		i += max(n, 1)
	}
}

// A decimal is a number with decimals of its own.
type decimal string

// MarshalJSON writes d as the number that it is.
func (d decimal) MarshalJSON() ([]byte, error) { return []byte(d), nil }

// plain returns v as text, bool, int64, float64, nil, []any or map[string]any, and its size in bytes, about.
func plain(v any) (any, int, error) {
	c := copier{}
	v, err := c.copy(v, 0)
	return v, c.size, err
}

type copier struct{ size int }

func (c *copier) copy(v any, depth int) (any, error) {
	if depth > maxValue {
		return nil, fmt.Errorf("values stand in each other more than %d deep", maxValue)
	}
	c.size += perValue
	switch v := v.(type) {
	case nil, bool, int64, decimal:
		return v, nil
	case string:
		if len(v) > maxText {
			return nil, fmt.Errorf("a text has at most %d MiB here", maxText>>20)
		}
		c.size += len(v)
		return strings.ToValidUTF8(v, "\uFFFD"), nil
	case []string:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = e
		}
		return c.copyList(list, depth)
	case []any:
		return c.copyList(v, depth)
	case map[string]any:
		return c.copyMap(v, depth)
	}
	return number(v)
}

func (c *copier) copyList(v []any, depth int) (any, error) {
	list := make([]any, len(v))
	for i, e := range v {
		var err error
		if list[i], err = c.copy(e, depth+1); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (c *copier) copyMap(v map[string]any, depth int) (any, error) {
	m := make(map[string]any, len(v))
	for k, e := range v {
		c.size += len(k)
		e, err := c.copy(e, depth+1)
		if err != nil {
			return nil, err
		}
		m[strings.ToValidUTF8(k, "\uFFFD")] = e
	}
	return m, nil
}

// number is v as int64, or as float64 where it is none.
func number(v any) (any, error) {
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case uint64:
		return float64(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("a number is not finite")
		}
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), nil
		}
		return v, nil
	case json.Number:
		f, err := v.Float64()
		if i, ierr := v.Int64(); ierr == nil {
			return i, nil
		}
		return f, err
	}
	return nil, fmt.Errorf("a value of type %T has no place in a document", v)
}

// textOf is how a plain value reads.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case decimal:
		return string(v)
	}
	return jsonOf(v)
}

// jsonOf is a plain value as JSON, on one line.
func jsonOf(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // plain values all have a JSON form
		return "null"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func writeText(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		if s.isText() {
			b.WriteString(s.piece.text)
			continue
		}
		b.WriteString(textOf(s.value))
	}
	return b.String()
}
