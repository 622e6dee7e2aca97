package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// method reports a call of a method that a value does not have: an error, where no message can bring a value that has.
func (l *linter) method(c nunjucks.MethodCall, at place) {
	name, _ := variable(c.Ref)
	if l.scoped(c.Ref.Name) || l.now.more[name] {
		return
	}
	what := strings.Join(append([]string{c.Ref.Name}, c.Ref.Path...), ".")
	method := pipelines.Shorten(c.Method)
	pos := at.inside(c.Ref.Line, c.Ref.Col)
	t, ok := l.typeOf(c.Ref)
	sample := sampleOf(t.field.Type)
	anywhere := slices.ContainsFunc(samples(), func(v any) bool { return nunjucks.HasMethod(v, c.Method) })
	switch {
	case ok && sample != nil && nunjucks.HasMethod(sample, c.Method):
	case ok && sample != nil:
		says := fmt.Sprintf("%s%s.%s: %s is %s (%s), which has no method %q%s",
			at.what, what, method, what, kindOf(t.field), t.from, method, near(method, nunjucks.Methods(sample)))
		if anywhere && t.open {
			l.warnf(pos, "%s; it fails unless the message brings another value", says)
			return
		}
		l.errorf(pos, "%s", says)
	case !anywhere:
		var all []string
		for _, v := range samples() {
			all = append(all, nunjucks.Methods(v)...)
		}
		l.errorf(pos, "%s%s.%s: no value has a method %q%s", at.what, what, method, method, near(method, all))
	}
}

// samples has a value of each type that a variable can be of.
func samples() []any { return []any{"", 0.0, false, []any{}, map[string]any{}} }

// sampleOf is a value of a type; nil where that may be any.
func sampleOf(t modules.Type) any {
	switch t {
	case modules.String:
		return ""
	case modules.Bool:
		return false
	case modules.Integer, modules.Number:
		return 0.0
	case modules.List:
		return []any{}
	case modules.Map:
		return map[string]any{}
	}
	return nil
}

// near ends a sentence about a name with the one that was meant, if one is close.
func near(name string, known []string) string {
	if s := modules.Closest(name, known); s != "" {
		return fmt.Sprintf(", did you mean %q?", s)
	}
	return ""
}
