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
	maxVars  = 8 << 20 // bytes of all values
	maxValue = 100     // lists and maps in each other
)

// variables copies what a template may see, as plain data, so that nothing in it can be called. hyphened are the names
// with a hyphen; they are given as names with an underscore.
func variables(vars map[string]any) (public pongo2.Context, hyphened []string, err error) {
	public = pongo2.Context{}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		as := strings.ReplaceAll(name, "-", "_")
		if n := nameLen(as); n == 0 || n != len(as) {
			continue
		}
		v, n, err := plain(vars[name])
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		if size += n; size > maxVars {
			return nil, nil, fmt.Errorf("its values are longer than %d MiB", maxVars>>20)
		}
		if as != name {
			hyphened = append(hyphened, name)
		}
		public[as] = v
	}
	slices.SortFunc(hyphened, func(a, b string) int { return len(b) - len(a) }) // a-b-c before a-b
	return public, hyphened, nil
}

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
	c.size += 8
	switch v := v.(type) {
	case nil, bool, int64:
		return v, nil
	case string:
		c.size += len(v)
		return strings.ToValidUTF8(v, "\uFFFD"), nil
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
	case []string:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = e
		}
		return c.copy(list, depth)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			var err error
			if list[i], err = c.copy(e, depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
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
	return nil, fmt.Errorf("a value of type %T has no place in a document", v)
}

// textOf is how a plain value reads.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
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

func writeText(spans []span) (string, error) {
	var b strings.Builder
	for _, s := range spans {
		if s.isText() {
			b.WriteString(s.piece.text)
			continue
		}
		b.WriteString(textOf(s.value))
	}
	return b.String(), nil
}
