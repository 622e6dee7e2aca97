package render

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// Text renders a template to text. Errors of this and the other renderings are permanent, unless ctx ended: then they
// wrap its cause.
func (s *State) Text(ctx context.Context, tmpl string) (string, error) {
	if !nunjucks.HasTemplate(tmpl) {
		return tmpl, nil
	}
	t, err := s.templates.template(tmpl)
	if err != nil {
		return "", fail(ctx, err)
	}
	out, err := t.tmpl.Render(ctx, s.vars())
	return out, fail(ctx, err)
}

// Value renders every string and Scoped in v, through maps and lists; keys are left as they are. A string that is exactly one
// {{ expr }} becomes what the expression is: a number, a list; nil where that is undefined, and "" for that in a list,
// so that what follows keeps its place.
func (s *State) Value(ctx context.Context, v any) (any, error) {
	w := walker{templates: s.templates, vars: s.vars(), scale: newScale()}
	return w.value(ctx, v, "")
}

// Props renders a task's props as Value does. missing has, by the path of a prop ("src", "config.tris", "args[0]"), the
// first variable that its template reads and nothing defines: why it may have come out empty.
func (s *State) Props(ctx context.Context, props map[string]any) (out map[string]any, missing map[string]string, err error) {
	w := walker{templates: s.templates, vars: s.vars(), scale: newScale(), missing: map[string]string{}}
	out = make(map[string]any, len(props))
	for _, name := range slices.Sorted(maps.Keys(props)) {
		if out[name], err = w.value(ctx, props[name], name); err != nil {
			return nil, nil, err
		}
	}
	return out, w.missing, nil
}

// Cond evaluates a bare expression, as `when` is one. The empty one is true; what is undefined is false.
func (s *State) Cond(ctx context.Context, expr string) (bool, error) {
	if strings.TrimSpace(expr) == "" {
		return true, nil
	}
	x, err := s.templates.expr(expr)
	if err != nil {
		return false, fail(ctx, err)
	}
	v, err := x.Eval(ctx, s.vars())
	return nunjucks.Truthy(v), fail(ctx, err)
}

// Eval returns what a bare expression is, as plain Go, or as nunjucks.Ordered where it has maps that are not sorted; nil
// where that is undefined.
func (s *State) Eval(ctx context.Context, expr string) (any, error) {
	x, err := s.templates.expr(expr)
	if err != nil {
		return nil, fail(ctx, err)
	}
	v, order, err := x.Ordered(ctx, s.vars())
	return nunjucks.WithOrder(v, order), fail(ctx, err)
}

// Defines says that everything which a template reads is there. A template that doesn't parse reads nothing that is.
func (s *State) Defines(tmpl string) bool {
	t, err := s.templates.template(tmpl)
	return err == nil && undefined(s.vars(), t.refs) == ""
}

// fail gives a rendering's error its kind.
func fail(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("render: %w", context.Cause(ctx))
	}
	return fault.As(fault.Permanent, err)
}

// A ValueError is a template that failed among those of a task's props.
type ValueError struct {
	Path string // of the prop: "src", "config.tris", "args[0]"
	Err  error
}

func (e *ValueError) Error() string { return fmt.Sprintf("prop %q: %v", e.Path, e.Err) }
func (e *ValueError) Unwrap() error { return e.Err }

// A walker renders one value, however deep.
type walker struct {
	templates *templates
	vars      map[string]any
	scale     *scale
	missing   map[string]string // nil: don't look
}

func (w *walker) value(ctx context.Context, v any, path string) (any, error) {
	switch x := v.(type) {
	case string:
		out, err := w.text(ctx, x, path)
		if err != nil && path != "" {
			err = &ValueError{path, err}
		}
		return out, err
	case Scoped:
		inner := walker{templates: w.templates, vars: over(w.vars, x.Vars), scale: w.scale, missing: w.missing}
		return inner.value(ctx, x.Text, path)
	case map[string]any:
		return w.mapping(ctx, x, path)
	case []any:
		return w.list(ctx, x, path)
	}
	return v, nil
}

func (w *walker) mapping(ctx context.Context, m map[string]any, path string) (any, error) {
	out := make(map[string]any, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v, err := w.value(ctx, m[k], join(path, k))
		if err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, nil
}

func (w *walker) list(ctx context.Context, l []any, path string) (any, error) {
	out := make([]any, len(l))
	for i, e := range l {
		v, err := w.value(ctx, e, path+"["+strconv.Itoa(i)+"]")
		if err != nil {
			return nil, err
		}
		if v == nil && e != nil {
			v = ""
		}
		out[i] = v
	}
	return out, nil
}

func (w *walker) text(ctx context.Context, src, path string) (any, error) {
	if !nunjucks.HasTemplate(src) {
		return src, nil
	}
	t, err := w.templates.template(src)
	if err != nil {
		return nil, fail(ctx, err)
	}
	if w.missing != nil {
		if name := undefined(w.vars, t.refs); name != "" {
			w.missing[path] = name
		}
	}
	v, err := w.scale.value(ctx, t, w.vars)
	return v, fail(ctx, err)
}

// over returns vars with scope hiding what it has too.
func over(vars, scope map[string]any) map[string]any {
	out := make(map[string]any, len(vars)+len(scope))
	maps.Copy(out, vars)
	maps.Copy(out, scope)
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// undefined returns the first reference that nothing defines, as far as it is missing: "listing.stdoutLinez".
func undefined(vars map[string]any, refs []nunjucks.Ref) string {
	for _, r := range refs {
		path := append([]string{r.Name}, r.Path...)
		if _, missing := lookup(vars, path); missing > 0 {
			return strings.Join(path[:missing], ".")
		}
	}
	return ""
}

// lookup follows a path. missing is 0, or how many of its parts it takes to name what is not there. What templates
// know of text, numbers and lists besides their elements (length, split) counts as there.
func lookup(root any, path []string) (v any, missing int) {
	v = root
	for i, key := range path {
		v, _ = nunjucks.Plain(v)
		switch x := v.(type) {
		case map[string]any:
			e, ok := x[key]
			if !ok {
				return nil, i + 1
			}
			v = e
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil {
				return nil, 0
			}
			if n < 0 {
				n += len(x)
			}
			if n < 0 || n >= len(x) {
				return nil, i + 1
			}
			v = x[n]
		case nil:
			return nil, i + 1
		default:
			return nil, 0
		}
	}
	v, _ = nunjucks.Plain(v)
	return v, 0
}
