package pipelines

import (
	"context"
	"slices"

	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// A settler renders the texts of an expanded document that must be known before anything runs: they may say what blocks
// set, and the state at the start.
type settler struct {
	*parser
	env   *nunjucks.Env
	state *render.State // nil: variables are not known, and such texts are dropped
}

func (s *settler) document(ctx context.Context, root *node) {
	for _, f := range root.fields {
		switch f.key {
		case "state", "params":
			s.blind(f.value)
		case "tasks":
			s.tasks(ctx, f.value)
		case "callbacks":
			s.callbacks(ctx, f.value)
		case "entries":
			for _, e := range f.value.fields {
				for _, f := range e.value.fields {
					if f.key == "tasks" {
						s.tasks(ctx, f.value)
					}
				}
			}
		}
	}
}

// blind takes from the state what blocks set above it, which it can't see: it is known before they run.
func (s *settler) blind(n *node) {
	for _, e := range n.list {
		s.blind(e)
	}
	for _, f := range n.fields {
		s.blind(f.value)
	}
	vars := n.vars
	n.vars = nil
	text, ok := n.value.(string)
	if !ok || len(vars) == 0 {
		return
	}
	t, err := s.env.Parse("", text)
	if err != nil {
		return // lint and the run say it
	}
	for _, r := range t.Vars() {
		if _, set := vars[r.Name]; set {
			s.Errorf(n.pos, "the state can't see %q, which {%% set %%} sets: the state is known first; make it a state key", r.Name)
			return
		}
	}
}

func (s *settler) tasks(ctx context.Context, list *node) {
	for _, t := range list.list {
		t.fields = slices.DeleteFunc(t.fields, func(f field) bool {
			switch f.key {
			case "name":
				s.name(ctx, f.value)
			case "module", "id", "register", "after", "depends_on", "dependsOn":
				return !s.settle(ctx, f)
			case "callbacks":
				s.callbacks(ctx, f.value)
			}
			return false
		})
	}
}

func (s *settler) callbacks(ctx context.Context, events *node) {
	for _, on := range events.fields {
		for _, c := range on.value.list {
			for _, f := range c.fields {
				if f.key == "module" {
					s.settle(ctx, f)
				}
			}
		}
	}
}

// name renders a task's name where all that it reads is known; else it stays as it is.
func (s *settler) name(ctx context.Context, n *node) {
	if s.state == nil || !scoped(n) {
		return
	}
	scope := s.state.With(n.vars)
	if !scope.Defines(n.text) {
		return
	}
	// What data brings is never a template.
	if text, err := scope.Text(ctx, n.text); err == nil && !nunjucks.HasTemplate(text) {
		n.becomes(text)
	}
}

// settle renders a text, or a list of them. It returns false where the key is to be dropped, as nothing can be said of
// it: a problem was reported, or variables are not known. A module's template is left.
func (s *settler) settle(ctx context.Context, f field) bool {
	for _, e := range f.value.list {
		if !s.settle(ctx, field{f.key, e.pos, e}) {
			return false
		}
	}
	n := f.value
	if !scoped(n) {
		return true
	}
	if s.state == nil {
		return f.key == "module"
	}
	scope := s.state.With(n.vars)
	if !scope.Defines(n.text) {
		s.Errorf(n.pos, "%s must be known before the tasks run, and %q reads what is not; use what blocks set, or the state", f.key, Shorten(n.text))
		return f.key == "module"
	}
	text, err := scope.Text(ctx, n.text)
	switch {
	case err != nil:
		s.Errorf(n.pos, "%s: %v", f.key, err)
	case f.key == "register" && slices.Contains([]string{"state", "env", "job", "now", "name"}, text):
		s.Errorf(n.pos, "register comes to %q, which is built in; put something of your own before it", text)
	case nunjucks.HasTemplate(text):
		s.Errorf(n.pos, "%s comes to text that is a template again; a value is never rendered", f.key)
	default:
		n.becomes(text)
		return true
	}
	return f.key == "module"
}

// scoped says that a node is a template with variables that blocks set round it, or is a value that starts with a tag.
func scoped(n *node) bool {
	return n.kind == scalarNode && n.vars != nil && nunjucks.HasTemplate(n.text)
}

// becomes makes a text another, which does not stand in the source.
func (n *node) becomes(text string) {
	n.text, n.value, n.inner = text, text, Pos{}
}
