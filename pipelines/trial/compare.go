package trial

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// A difference is one place where what came is not what was expected.
type difference struct {
	path      string // below what was compared: ".args[1]"
	want, got any
	missing   bool // there is nothing at path
}

func (d difference) String() string {
	if d.missing {
		return fmt.Sprintf("want %s, and there is nothing", show(d.want))
	}
	return fmt.Sprintf("want %s, got %s", show(d.want), show(d.got))
}

// compare returns where got is not want. A map may have more keys than want names; a list may not have more entries.
// Numbers are compared by value, and a number is not its text.
func compare(path string, want, got any) []difference {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []difference{{path: path, want: want, got: got}}
		}
		var out []difference
		for _, key := range slices.Sorted(maps.Keys(w)) {
			e, there := g[key]
			if !there && w[key] != nil {
				out = append(out, difference{path: path + "." + key, want: w[key], missing: true})
				continue
			}
			out = append(out, compare(path+"."+key, w[key], e)...)
		}
		return out
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return []difference{{path: path, want: want, got: got}}
		}
		var out []difference
		for i := range w {
			out = append(out, compare(path+"["+strconv.Itoa(i)+"]", w[i], g[i])...)
		}
		return out
	}
	if same(want, got) {
		return nil
	}
	return []difference{{path: path, want: want, got: got}}
}

func same(want, got any) bool {
	w, wok := number(want)
	g, gok := number(got)
	if wok && gok {
		return w == g
	}
	return reflect.DeepEqual(want, got)
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// show writes a value for people: as JSON, on one line, cut where it is long.
func show(v any) string {
	const most = 400
	text, err := json.Marshal(v)
	if err != nil {
		return clip(fmt.Sprint(v), most)
	}
	return clip(string(text), most)
}

// clip cuts text to so many characters.
func clip(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "…"
}
