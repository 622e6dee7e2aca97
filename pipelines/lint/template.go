package lint

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// builtinNames are what templates can always say.
func builtinNames() map[string]bool {
	return map[string]bool{"name": true, "state": true, "env": true, "job": true, "now": true, "task": true}
}

// parsed is what there is to know of one template or expression.
type parsed struct {
	mistakes []*nunjucks.Error
	nunjucks.Facts
	expr *nunjucks.Expr // of a condition
}

// template parses a text once, however many rounds of a loop have it.
func (l *linter) template(src string) *parsed {
	if p := l.parsed[src]; p != nil {
		return p
	}
	p := &parsed{}
	if t, err := l.env.Parse("", src); err != nil {
		p.mistakes = l.env.Mistakes("", src)
	} else {
		p.Facts = t.Facts()
	}
	l.parsed[src] = p
	return p
}

// expression is template for a condition.
func (l *linter) expression(src string) *parsed {
	key := "when " + src
	if p := l.parsed[key]; p != nil {
		return p
	}
	p := &parsed{}
	x, err := l.env.ParseExpr("", src)
	if e, ok := errors.AsType[*nunjucks.Error](err); ok {
		p.mistakes = []*nunjucks.Error{e}
	} else {
		p.expr, p.Facts = x, x.Facts()
	}
	l.parsed[key] = p
	return p
}

// templates checks every text in v.
func (l *linter) templates(v any, at place) {
	switch x := v.(type) {
	case string:
		if nunjucks.HasTemplate(x) {
			l.check(l.template(x), "the template doesn't parse", at)
		}
	case render.Scoped:
		outer := l.now.vars
		l.now.vars = x.Vars
		l.templates(x.Text, at)
		l.now.vars = outer
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			l.templates(x[k], at.in(k))
		}
	case []any:
		for i, e := range x {
			l.templates(e, at.entry(i))
		}
	}
}

// condition checks a `when`.
func (l *linter) condition(src string, at place) {
	if src == "" {
		return
	}
	p := l.expression(src)
	l.check(p, "when doesn't parse", at)
	if p.expr == nil || !strings.ContainsAny(src[:1], `'"`) || len(p.Vars) > 0 {
		return
	}
	v, err := p.expr.Eval(context.Background(), nil)
	if text, ok := v.(string); ok && err == nil && text != "" {
		l.warnf(at.inside(1, 1), "%swhen is the text %q, which always counts as true; write an expression, without quotes round it", at.what, pipelines.Shorten(text))
	}
}

// check reports what is wrong with a template, each at its place.
func (l *linter) check(p *parsed, doing string, at place) {
	for _, e := range p.mistakes {
		l.errorf(at.inside(e.Line, e.Col), "%s%s: %s", at.what, doing, e.Text())
	}
	for _, u := range p.Unknown {
		l.errorf(at.inside(u.Line, u.Col), "%sthe template's %s %q is unknown", at.what, u.Kind, pipelines.Shorten(u.Name))
	}
	l.variables(p.Vars, at)
	for _, c := range p.Comparisons {
		l.comparison(c, at)
	}
	for _, c := range p.MethodCalls {
		l.method(c, at)
	}
	for _, n := range p.NegativeIndexes {
		if l.p.Settings.Strict {
			l.warnf(at.inside(n.Line, n.Col), "%sa negative index is undefined here, because settings say strict; use last, or the length less one", at.what)
			continue
		}
		l.notef(at.inside(n.Line, n.Col), "%sa negative index counts from the end here; in Nunjucks itself it is undefined", at.what)
	}
}

// variables checks that what a template reads is there when it runs.
func (l *linter) variables(refs []nunjucks.Ref, at place) {
	for _, r := range refs {
		name, path := variable(r)
		l.used[name] = true
		l.all = l.all || name == "state"
		pos := at.inside(r.Line, r.Col)
		if r.Called && r.Name != "now" {
			l.errorf(pos, "%s%q is no function; there are now, range, cycler and joiner", at.what, pipelines.Shorten(r.Name))
			continue
		}
		if l.scoped(r.Name) || l.now.more[name] {
			continue
		}
		makers, ended := l.makers(name)
		switch {
		case l.known[name]: // a value of the state may be anything
		case !ended && len(makers) > 0 && !r.Guarded:
			list := l.now.list
			by := makers[0].task
			l.warnf(pos, "%svariable %q is registered by task %s, which may run at the same time; %s", at.what, name, list.label(by), list.wait(by))
		case len(makers) > 0:
			l.output(name, path, makers, pos, at.what)
		case !r.Guarded:
			l.undefined(name, pos, at.what)
		}
	}
}

// variable is what a reference names: state.x is x.
func variable(r nunjucks.Ref) (name string, path []string) {
	if r.Name == "state" && len(r.Path) > 0 {
		return r.Path[0], r.Path[1:]
	}
	return r.Name, r.Path
}

// scoped says that an expanded loop around the template has set a variable.
func (l *linter) scoped(name string) bool {
	_, ok := l.now.vars[name]
	return ok
}

// makers are the tasks whose value of a variable is seen from here; ended is false where none of them need have ended.
func (l *linter) makers(name string) (makers []maker, ended bool) {
	if l.now.list != nil {
		return l.now.list.sees(name, l.now.task)
	}
	for _, list := range l.lists {
		all, _ := list.sees(name, -1)
		makers = append(makers, all...)
	}
	return makers, true
}

func (l *linter) undefined(name string, pos pipelines.Pos, what string) {
	if l.found.Full() {
		return
	}
	if list := l.now.list; list != nil && len(list.makers[name]) > 0 {
		l.warnf(pos, "%svariable %q is registered only on line %d, after this has run; it is empty here", what, name, list.makers[name][0].pos.Line)
		return
	}
	if s := modules.Closest(pipelines.Shorten(name), l.names()); s != "" {
		l.warnf(pos, "%svariable %q is not defined here, did you mean %q? Unless the message brings it, it is empty", what, name, s)
		return
	}
	l.warnf(pos, "%svariable %q is not defined here; unless the message brings it, it is empty", what, name)
}

// names are all variables seen from here, sorted.
func (l *linter) names() []string {
	all := maps.Clone(l.known)
	maps.Copy(all, l.now.more)
	for name := range l.now.vars {
		all[name] = true
	}
	if l.now.list != nil {
		for name := range l.now.list.makers {
			if _, ended := l.now.list.sees(name, l.now.task); ended {
				all[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}
