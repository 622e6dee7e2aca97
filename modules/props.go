package modules

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A Problem is one thing that is wrong with the props of a task.
type Problem struct {
	Path string   // of the prop as the author spelt it: "config.width", "args[2]"; empty when it is about all of them
	Msg  string   // one sentence naming the prop and the remedy
	Also []string // paths of other props without which it might not be one
}

// A PropError is everything that is wrong with the props of a task.
type PropError struct{ Problems []Problem }

func (e *PropError) Error() string {
	msgs := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		msgs[i] = p.Msg
	}
	return strings.Join(msgs, "; ")
}

// CheckProps returns what is wrong with props before anything runs: unknown, missing, empty and wrongly typed ones.
// Values for which dynamic is true are known only later (strings that hold templates) and pass any type check;
// a nil dynamic is always false. What a module's own Validate would say is not in it: CheckKnown has that too.
//
// Values are taken as templates yield them: text that reads as a number or as true and false is good where one of
// those is wanted, and a number is good where text is. An optional prop that is null, or empty and not free-form,
// counts as not given, unless its field is Filled.
func CheckProps(s Spec, props map[string]any, dynamic func(v any) bool) []Problem {
	c := checker{dynamic: dynamic}
	c.object("", s.Props, props)
	return c.problems
}

// decode checks props and stores them in the struct that into points to. It returns them, clean.
func decode(c *checker, s Spec, props map[string]any, into any) (map[string]any, *PropError) {
	clean := c.object("", s.Props, props)
	if len(c.problems) > 0 {
		return nil, &PropError{Problems: c.problems}
	}
	if p := fill(reflect.ValueOf(into).Elem(), clean, ""); p != nil {
		return nil, &PropError{Problems: []Problem{*p}}
	}
	v, ok := into.(Validator)
	if !ok {
		return clean, nil
	}
	err := v.Validate()
	if err == nil {
		return clean, nil
	}
	if pe, ok := errors.AsType[*PropError](err); ok {
		return nil, pe
	}
	return nil, &PropError{Problems: []Problem{{Msg: err.Error()}}}
}

// A checker turns written values into clean ones and gathers what it can't.
type checker struct {
	dynamic  func(v any) bool
	partial  bool // what is missing may come yet
	problems []Problem
}

// object returns the fields that were given or have a default, by their real names.
func (c *checker) object(path string, fields []Field, props map[string]any) map[string]any {
	given := c.names(path, fields, props)
	clean := make(map[string]any, len(fields))
	for _, f := range fields {
		key, ok := given[f.Name]
		if !ok {
			key = f.Name
		}
		at := join(path, key)
		v := props[key]
		switch {
		case ok && f.Filled && (v == nil || v == ""):
			c.report(at, "prop %q is empty; give it a value, or leave the prop out", at)
		case v == nil && f.Required && c.partial:
		case v == nil && f.Required:
			c.report(at, "prop %q is missing", at)
		case v == "" && f.Required:
			c.report(at, "prop %q is empty", at)
		case v == nil, v == "" && f.Type != Any:
			if d := c.fallback(at, f); d != nil {
				clean[f.Name] = d
			}
		default:
			if v, ok := c.value(at, f, v); ok {
				clean[f.Name] = v
			}
		}
	}
	return clean
}

// names maps the real name of each given prop to the spelling that was used.
func (c *checker) names(path string, fields []Field, props map[string]any) map[string]string {
	given := make(map[string]string, len(props))
	for _, key := range slices.Sorted(maps.Keys(props)) {
		at := join(path, key)
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == key || slices.Contains(f.Aliases, key) })
		if i < 0 {
			c.report(at, "prop %q is unknown%s", at, instead(key, fields))
			continue
		}
		if other, dup := given[fields[i].Name]; dup {
			c.report(at, "prop %q is given twice, also as %q; keep one", at, join(path, other))
			continue
		}
		given[fields[i].Name] = key
	}
	return given
}

// fallback returns a field's default as a clean value, nil where it has none. That of a map with fixed keys is theirs.
func (c *checker) fallback(at string, f Field) any {
	if f.Default == "" {
		return c.fallbacks(at, f.Fields)
	}
	var v any = f.Default
	if f.Type == List || f.Type == Map || f.Type == Any {
		parsed, err := FromJSON([]byte(f.Default))
		if err != nil {
			c.report(at, "prop %q has a default that is not JSON: %v", at, err)
			return nil
		}
		v = parsed
	}
	v, _ = c.value(at, f, v)
	return v
}

func (c *checker) fallbacks(at string, fields []Field) any {
	clean := map[string]any{}
	for _, f := range fields {
		if d := c.fallback(join(at, f.Name), f); d != nil {
			clean[f.Name] = d
		}
	}
	if len(clean) == 0 {
		return nil
	}
	return clean
}

func (c *checker) report(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Msg: fmt.Sprintf(format, args...)})
}

// instead ends the sentence about an unknown prop with what to write.
func instead(key string, fields []Field) string {
	var names, spellings []string
	for _, f := range fields {
		names = append(names, f.Name)
		spellings = append(append(spellings, f.Name), f.Aliases...)
	}
	if near := Closest(key, spellings); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	if len(names) == 0 {
		return "; there are none here"
	}
	return "; known are " + strings.Join(names, ", ")
}

// tellSecrets hands every text of a secret prop to tell, before anything can quote it.
func tellSecrets(fields []Field, props map[string]any, tell func(string)) {
	for _, f := range fields {
		for _, key := range append([]string{f.Name}, f.Aliases...) {
			if f.Secret {
				tellTexts(props[key], tell)
			} else if nested, ok := props[key].(map[string]any); ok {
				tellSecrets(f.Fields, nested, tell)
			}
		}
	}
}

func tellTexts(v any, tell func(string)) {
	switch v := v.(type) {
	case nil, bool:
	case string:
		if v != "" {
			tell(v)
		}
	case []any:
		for _, e := range v {
			tellTexts(e, tell)
		}
	case map[string]any:
		for _, e := range v {
			tellTexts(e, tell)
		}
	default:
		if text, err := json.Marshal(v); err == nil {
			tell(string(text))
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
