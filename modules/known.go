package modules

import (
	"slices"
	"strings"
)

// CheckKnown returns what is wrong with props whatever the values will be for which dynamic is true: what CheckProps
// says and, where that is nothing, what the module's own rules (Validator) say of the rest.
func CheckKnown(m Module, props map[string]any, dynamic func(v any) bool) []Problem {
	s := m.Spec()
	problems := CheckProps(s, props, dynamic)
	d, ok := m.(interface {
		judge(map[string]any) []Problem
	})
	if len(problems) > 0 || !ok {
		return problems
	}
	for _, p := range d.judge(known(props, dynamic)) {
		paths := append([]string{p.Path}, p.Also...)
		if p.Path == "" {
			paths = []string{""}
		}
		open := slices.ContainsFunc(paths, func(path string) bool {
			_, v := spelt(s.Props, props, path)
			return holds(v, dynamic)
		})
		if !open {
			p.Path, _ = spelt(s.Props, props, p.Path)
			problems = append(problems, p)
		}
	}
	return problems
}

// judge returns what P's own rules say of props that are right by themselves, some of which may be missing.
func (d *defined[P, O]) judge(props map[string]any) []Problem {
	var p P
	if _, ok := any(&p).(Validator); !ok {
		return nil
	}
	_, err := decode(&checker{partial: true}, d.spec(), props, &p)
	if err == nil {
		return nil
	}
	return err.Problems
}

// known leaves out what is dynamic: entries of maps, and lists that hold any of it.
func known(props map[string]any, dynamic func(v any) bool) map[string]any {
	rest := make(map[string]any, len(props))
	for key, v := range props {
		if nested, ok := v.(map[string]any); ok {
			rest[key] = known(nested, dynamic)
		} else if !holds(v, dynamic) {
			rest[key] = v
		}
	}
	return rest
}

// holds says whether v is dynamic, or anything in it.
func holds(v any, dynamic func(v any) bool) bool {
	if dynamic == nil {
		return false
	}
	switch x := v.(type) {
	case map[string]any:
		for _, e := range x {
			if holds(e, dynamic) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(x, func(e any) bool { return holds(e, dynamic) })
	}
	return dynamic(v)
}

// spelt returns a path by the names that its author used, and the value there; nil where there is none. An index
// stands for all of its list.
func spelt(fields []Field, props map[string]any, path string) (at string, v any) {
	v = props
	if path == "" {
		return "", v
	}
	for key := range strings.SplitSeq(path, ".") {
		in, _ := v.(map[string]any)
		key, index, indexed := strings.Cut(key, "[")
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == key })
		fields, key = within(fields, i, in, key)
		v = in[key]
		if indexed {
			key += "[" + index
		}
		at = join(at, key)
	}
	return at, v
}

// within returns the fields of field i and how it is written in a map.
func within(fields []Field, i int, in map[string]any, key string) ([]Field, string) {
	if i < 0 {
		return nil, key
	}
	for _, alias := range fields[i].Aliases {
		if _, given := in[alias]; given {
			return fields[i].Fields, alias
		}
	}
	return fields[i].Fields, key
}
