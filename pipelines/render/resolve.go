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

// maxChain is how many state values may hang on each other.
const maxChain = 1000

// resolve renders a document's state, whose values may be templates over each other in any order, and lays data over
// it. The unit is the single text, not the top-level key: renders.width may refer to renders.height.
func resolve(ctx context.Context, templates *templates, c Config, builtins map[string]any) (map[string]any, *nunjucks.Order, error) {
	data := c.Data
	r := resolver{templates: templates, builtins: builtins, data: data, at: c.At, root: map[string]any{}, plain: map[string]any{}, scale: newScale()}
	r.order = c.DocumentOrder.Overlay(c.Document, data, c.DataOrder)
	for k, v := range c.Document {
		if _, given := data[k]; !given {
			r.root[k] = r.plant(v, []string{k})
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.root)) {
		if err := r.below(ctx, r.root[k], false); err != nil {
			return nil, nil, err
		}
	}
	out := make(map[string]any, len(r.root)+len(data))
	for k := range r.root {
		out[k] = r.value(k)
	}
	maps.Copy(out, data)
	return out, r.order, nil
}

// A resolver works on a copy of the state in which every text with a template is a leaf.
type resolver struct {
	templates      *templates
	builtins, data map[string]any
	at             func(key string) string // Config.At
	root           map[string]any
	order          *nunjucks.Order // of all
	plain          map[string]any  // top-level values without any leaf left in them
	scale          *scale
	chain          []*leaf // being resolved, each for the one before it
}

type leaf struct {
	path           []string
	src            string
	scope          map[string]any // hides the state; of a Scoped
	active, solved bool
	value          any
}

func (r *resolver) plant(v any, path []string) any {
	switch x := v.(type) {
	case string:
		if nunjucks.HasTemplate(x) {
			return &leaf{path: slices.Clone(path), src: x}
		}
	case Scoped:
		return &leaf{path: slices.Clone(path), src: x.Text, scope: x.Vars}
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = r.plant(e, append(path, k))
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = r.plant(e, append(path, strconv.Itoa(i)))
		}
		return out
	}
	return v
}

// solve renders a leaf after all it refers to.
func (r *resolver) solve(ctx context.Context, l *leaf) error {
	switch {
	case l.solved:
		return nil
	case l.active:
		return r.circle(l)
	case len(r.chain) == maxChain:
		return permanent("%s hangs on more than %d others in a row; shorten the chain", r.name(l), maxChain)
	}
	l.active = true
	r.chain = append(r.chain, l)
	defer func() {
		l.active = false
		r.chain = r.chain[:len(r.chain)-1]
	}()
	t, err := r.templates.template(l.src)
	if err != nil {
		return r.fail(ctx, l, err)
	}
	for _, ref := range t.refs {
		if _, hidden := l.scope[ref.Name]; hidden {
			continue
		}
		if err := r.need(ctx, ref); err != nil {
			return err
		}
	}
	v, order, err := r.scale.ordered(ctx, t, over(r.vars(t.refs), l.scope))
	if err != nil {
		return r.fail(ctx, l, err)
	}
	l.value, l.solved = v, true
	r.order = r.order.With(order, l.path...)
	return nil
}

// need solves what a reference names.
func (r *resolver) need(ctx context.Context, ref nunjucks.Ref) error {
	path := append([]string{ref.Name}, ref.Path...)
	if r.isState(ref.Name) {
		path = path[1:]
		if len(path) == 0 {
			return r.below(ctx, r.root, true)
		}
	}
	var at any = r.root
	for _, key := range path {
		switch x := at.(type) {
		case map[string]any:
			at = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil {
				return r.below(ctx, at, false)
			}
			if i < 0 {
				i += len(x)
			}
			if i < 0 || i >= len(x) {
				return nil
			}
			at = x[i]
		}
	}
	return r.below(ctx, at, false)
}

// isState says that a name is the built-in state, not a key of that name.
func (r *resolver) isState(name string) bool {
	_, own := r.root[name]
	_, given := r.data[name]
	return name == "state" && !own && !given
}

// below solves every leaf in v. With others, those being solved are passed over: a template over all of the state
// can't mean itself.
func (r *resolver) below(ctx context.Context, v any, others bool) error {
	switch x := v.(type) {
	case *leaf:
		if others && x.active {
			return nil
		}
		return r.solve(ctx, x)
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			if err := r.below(ctx, x[k], others); err != nil {
				return err
			}
		}
	case []any:
		for _, e := range x {
			if err := r.below(ctx, e, others); err != nil {
				return err
			}
		}
	}
	return nil
}

// vars returns what a template with these references sees.
func (r *resolver) vars(refs []nunjucks.Ref) map[string]any {
	values := maps.Clone(r.data)
	if values == nil {
		values = map[string]any{}
	}
	for _, ref := range refs {
		roots := []string{ref.Name}
		if r.isState(ref.Name) {
			roots = slices.Collect(maps.Keys(r.root))
			if len(ref.Path) > 0 {
				roots = ref.Path[:1]
			}
		}
		for _, k := range roots {
			if _, own := r.root[k]; own {
				values[k] = r.value(k)
			}
		}
	}
	return layer(r.builtins, values, r.order)
}

// value returns a top-level value with its leaves replaced by what they came to, so far.
func (r *resolver) value(key string) any {
	if v, ok := r.plain[key]; ok {
		return v
	}
	v, whole := harvest(r.root[key])
	if whole {
		r.plain[key] = v
	}
	return v
}

func harvest(v any) (out any, whole bool) {
	whole = true
	switch x := v.(type) {
	case *leaf:
		return x.value, x.solved
	case map[string]any:
		m := make(map[string]any, len(x))
		for k, e := range x {
			w := false
			m[k], w = harvest(e)
			whole = whole && w
		}
		return m, whole
	case []any:
		l := make([]any, len(x))
		for i, e := range x {
			w := false
			l[i], w = harvest(e)
			whole = whole && w
		}
		return l, whole
	}
	return v, true
}

func (r *resolver) circle(l *leaf) error {
	var names []string
	for _, c := range r.chain[slices.Index(r.chain, l):] {
		names = append(names, strings.Join(c.path, "."))
	}
	names = append(names, names[0])
	return permanent("%sstate keys refer to each other in a circle: %s; give one of them a value", r.place(l), strings.Join(names, " → "))
}

func (r *resolver) fail(ctx context.Context, l *leaf, err error) error {
	return fail(ctx, fmt.Errorf("%s: %w", r.name(l), err))
}

// name is how errors call a leaf: `hello.yaml:3:5: state key "renders.width"`.
func (r *resolver) name(l *leaf) string {
	return fmt.Sprintf("%sstate key %q", r.place(l), strings.Join(l.path, "."))
}

// place begins a message about a leaf where it is known where that stands.
func (r *resolver) place(l *leaf) string {
	if r.at == nil {
		return ""
	}
	if at := r.at(l.path[0]); at != "" {
		return at + ": "
	}
	return ""
}

func permanent(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}
