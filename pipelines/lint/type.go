package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// output checks that a registered value has what a template reads of it.
func (l *linter) output(name string, path []string, makers []maker, pos pipelines.Pos, what string) {
	if len(path) == 0 {
		return
	}
	var names []string
	var wrong string
	for _, m := range makers {
		if len(m.spec.Outputs) == 0 {
			return
		}
		w := missing(name, modules.Field{Type: modules.Map, Fields: m.spec.Outputs}, path)
		if w == "" {
			return
		}
		if wrong == "" {
			wrong = w
		}
		if !slices.Contains(names, m.spec.Name) {
			names = append(names, m.spec.Name)
		}
	}
	if len(names) > 1 && !has(makers, path[0]) {
		wrong = noOutput(path[0], makers)
	}
	l.errorf(pos, "%s%s.%s: %s %s", what, name, strings.Join(path, "."), strings.Join(names, " or "), wrong)
}

// has says whether the output of any of makers has a field.
func has(makers []maker, field string) bool {
	return slices.ContainsFunc(makers, func(m maker) bool { return find(m.spec.Outputs, field) != nil })
}

// noOutput ends the sentence about a field that no maker's output has.
func noOutput(field string, makers []maker) string {
	var known []string
	for _, m := range makers {
		for _, name := range fieldNames(m.spec.Outputs) {
			if !slices.Contains(known, name) {
				known = append(known, name)
			}
		}
	}
	return "has no output " + strconv.Quote(pipelines.Shorten(field)) + instead(field, known)
}

// instead ends a sentence about a name that is not known with what to write.
func instead(name string, known []string) string {
	if s := modules.Closest(name, known); s != "" {
		return fmt.Sprintf(", did you mean %q?", s)
	}
	return "; it has " + strings.Join(known, ", ")
}

func find(fields []modules.Field, name string) *modules.Field {
	for i, f := range fields {
		if f.Name == name || slices.Contains(f.Aliases, name) {
			return &fields[i]
		}
	}
	return nil
}

func fieldNames(fields []modules.Field) []string {
	var names []string
	for _, f := range fields {
		if !f.Secret {
			names = append(append(names, f.Name), f.Aliases...)
		}
	}
	return names
}

// missing follows a path into a value of f's type. It returns how the sentence ends about what is not there; empty
// where all is, or where the type does not say.
func missing(name string, f modules.Field, path []string) string {
	for i, key := range path {
		next, known := step(f, key)
		switch {
		case !known:
			return ""
		case next != nil:
			name, f = name+"."+key, *next
		case f.Type == modules.Map && i == 0:
			return "has no output " + strconv.Quote(pipelines.Shorten(key)) + instead(key, fieldNames(f.Fields))
		case f.Type == modules.Map:
			return fmt.Sprintf("has no %q in %s%s", pipelines.Shorten(key), name, instead(key, fieldNames(f.Fields)))
		default:
			return fmt.Sprintf("makes %s %s, which has no %q", name, kindOf(f), pipelines.Shorten(key))
		}
	}
	return ""
}

// step is the type of one entry of a value: nil where it has none of that name, and known is false where the type does
// not say.
func step(f modules.Field, key string) (next *modules.Field, known bool) {
	_, err := strconv.Atoi(key)
	index := err == nil
	switch f.Type {
	case modules.Map:
		if f.Fields != nil {
			return find(f.Fields, key), true
		}
		return f.Elem, f.Elem != nil
	case modules.List:
		switch {
		case index:
			return f.Elem, f.Elem != nil
		case key == "length":
			return &modules.Field{Type: modules.Integer}, true
		}
		return nil, true
	case modules.String:
		switch {
		case index:
			return &modules.Field{Type: modules.String}, true
		case key == "length":
			return &modules.Field{Type: modules.Integer}, true
		}
		return nil, true
	case modules.Bool, modules.Integer, modules.Number:
		return nil, true
	}
	return nil, false
}

// kindOf names a type for people.
func kindOf(f modules.Field) string {
	switch f.Type {
	case modules.String:
		return "text"
	case modules.Bool:
		return "true or false"
	case modules.Integer, modules.Number:
		return "a number"
	case modules.List:
		return "a list"
	}
	return "a map"
}

// A typed value is what is known of a variable before the pipeline runs.
type typed struct {
	field modules.Field
	text  string // of a text in the document
	known bool   // text is it
	from  string // who says so: "state", "param", or a module
	open  bool   // a message may bring another type
}

// typeOf is what a reference reads; ok is false where that is not known.
func (l *linter) typeOf(r nunjucks.Ref) (t typed, ok bool) {
	name, path := variable(r)
	if l.scoped(r.Name) || l.now.more[name] {
		return typed{}, false
	}
	makers, ended := l.makers(name)
	if p, declared := l.params[name]; declared && len(makers) == 0 {
		t = typed{field: paramField(p), from: "the param says so"}
		return t, len(path) == 0 && t.field.Type != modules.Any
	}
	if v, own := l.p.State[name]; own && len(makers) == 0 {
		return literal(v, path)
	}
	if len(makers) != 1 || !ended || l.known[name] || len(makers[0].spec.Outputs) == 0 {
		return typed{}, false
	}
	f := modules.Field{Type: modules.Map, Fields: makers[0].spec.Outputs}
	for _, key := range path {
		next, known := step(f, key)
		if !known || next == nil {
			return typed{}, false
		}
		f = *next
	}
	return typed{field: f, from: "that is what " + makers[0].spec.Name + " makes"}, f.Type != modules.Any
}

// paramField is the type that a param declares.
func paramField(p pipelines.Param) modules.Field {
	switch p.Type {
	case pipelines.ParamString:
		return modules.Field{Type: modules.String}
	case pipelines.ParamNumber, pipelines.ParamInteger:
		return modules.Field{Type: modules.Number}
	case pipelines.ParamBoolean:
		return modules.Field{Type: modules.Bool}
	case pipelines.ParamList:
		return modules.Field{Type: modules.List}
	case pipelines.ParamMap:
		return modules.Field{Type: modules.Map}
	}
	return modules.Field{Type: modules.Any}
}

// literal is a value in the document's state, which is no template.
func literal(v any, path []string) (t typed, ok bool) {
	for _, key := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(x) {
				return typed{}, false
			}
			v = x[i]
		default:
			return typed{}, false
		}
	}
	t.from, t.open = "the state says so", true
	switch x := v.(type) {
	case string:
		t.field.Type, t.text, t.known = modules.String, x, true
		return t, !nunjucks.HasTemplate(x)
	case bool:
		t.field.Type = modules.Bool
		return t, true
	case int64, float64:
		t.field.Type = modules.Number
		return t, true
	case []any:
		t.field.Type = modules.List
		return t, true
	case map[string]any:
		t.field.Type = modules.Map
		return t, true
	}
	return typed{}, false
}
