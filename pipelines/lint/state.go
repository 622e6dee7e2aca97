package lint

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// circles reports state keys that refer to each other, each of which would have to be known before the others.
func (l *linter) circles(state map[string]any) {
	w := stateWalker{linter: l, root: stateValue{v: state, at: place{of: l.p.Positions, path: "state"}}, marks: map[string]mark{}}
	for _, k := range slices.Sorted(maps.Keys(state)) {
		w.visit(w.root.in(k, state[k]))
	}
}

// A stateValue is a value in a document's state, and where it stands.
type stateValue struct {
	v  any
	id string // its keys, each behind a NUL, which none can hold
	at place
}

func (s stateValue) in(key string, v any) stateValue {
	return stateValue{v: v, id: s.id + "\x00" + key, at: s.at.in(key)}
}

func (s stateValue) entry(i int, v any) stateValue {
	key := strconv.Itoa(i)
	return stateValue{v: v, id: s.id + "\x00" + key, at: s.at.entry(i)}
}

// A stateWalker follows what state values refer to. Maps and lists refer to all that is in them.
type stateWalker struct {
	*linter
	root  stateValue
	marks map[string]mark // by id
	chain []stateValue    // being visited, each referred to by the one before
}

type mark int

const (
	active  mark = 1 + iota // in the chain
	visited                 // all that it refers to has been seen
)

func (w *stateWalker) visit(s stateValue) {
	switch w.marks[s.id] {
	case visited:
		return
	case active:
		w.circle(s)
		return
	}
	w.marks[s.id] = active
	w.chain = append(w.chain, s)
	switch x := s.v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			w.visit(s.in(k, x[k]))
		}
	case []any:
		for i, e := range x {
			w.visit(s.entry(i, e))
		}
	case string:
		w.visitRefs(x)
	case render.Scoped:
		w.visitRefs(x.Text)
	}
	w.chain = w.chain[:len(w.chain)-1]
	w.marks[s.id] = visited
}

// visitRefs visits what a text reads; a template that doesn't parse is reported elsewhere.
func (w *stateWalker) visitRefs(src string) {
	if !nunjucks.HasTemplate(src) {
		return
	}
	for _, r := range w.template(src).Vars {
		if to, ok := w.find(r); ok {
			w.visit(to)
		}
	}
}

// find returns what a reference names in the state, as far down as there is something.
func (w *stateWalker) find(r nunjucks.Ref) (to stateValue, ok bool) {
	path := append([]string{r.Name}, r.Path...)
	to = w.root
	if _, own := to.v.(map[string]any)["state"]; r.Name == "state" && !own {
		path = path[1:]
	}
	for i, key := range path {
		switch x := to.v.(type) {
		case map[string]any:
			e, there := x[key]
			if !there {
				return to, false
			}
			to = to.in(key, e)
		case []any:
			n, err := strconv.Atoi(key)
			if err != nil {
				return to, true // of all of it: its length
			}
			if n < 0 {
				n += len(x)
			}
			if n < 0 || n >= len(x) {
				return to, false
			}
			to = to.entry(n, x[n])
		default:
			return to, i > 0
		}
	}
	return to, len(path) > 0 // a template over all of the state does not mean itself
}

// circle reports the end of the chain from s on. Maps and lists in it say nothing.
func (w *stateWalker) circle(s stateValue) {
	var texts []stateValue
	from := slices.IndexFunc(w.chain, func(c stateValue) bool { return c.id == s.id })
	for _, c := range w.chain[from:] {
		switch c.v.(type) {
		case string, render.Scoped:
			texts = append(texts, c)
		}
	}
	var names []string
	for _, t := range append(texts, texts[0]) {
		names = append(names, strings.TrimPrefix(t.at.path, "state."))
	}
	w.errorf(texts[0].at.key(), "state keys refer to each other in a circle: %s; give one of them a value", strings.Join(names, " → "))
}
