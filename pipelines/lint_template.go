package pipelines

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// builtinNames are what templates can always say.
func builtinNames() map[string]bool {
	return map[string]bool{"name": true, "state": true, "env": true, "job": true, "now": true, "task": true}
}

// A place is where a value stands in a document.
type place struct {
	of       map[string]Pos // positions of a pipeline, task or callback
	path     string         // in of
	fallback Pos            // where of does not know
	what     string         // "task \"x\": ", begins every message about it
}

// in goes to a key ("src", "config.tris") or an entry ("[0]") below.
func (p place) in(key string) place {
	switch {
	case key == "":
	case strings.HasPrefix(key, "["):
		p.path += key
	default:
		p.path += "." + key
	}
	return p
}

// key returns the position of the key, or of what it is in.
func (p place) key() Pos {
	for path := p.path; ; {
		if at, ok := p.of[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return p.fallback
		}
		path = path[:i]
	}
}

// inside returns the position of a line and column in the text, counted from 1.
func (p place) inside(line, column int) Pos {
	at, exact := p.of[p.path+":"]
	if !exact || line < 1 || column < 1 {
		return p.key()
	}
	return Pos{at.File, at.Line + line - 1, at.Column + column - 1}
}

// templates checks every text in v.
func (l *linter) templates(v any, at place) {
	switch x := v.(type) {
	case string:
		if !nunjucks.HasTemplate(x) {
			return
		}
		t, err := l.env.Parse("", x)
		if err != nil {
			l.syntax(err, "the template doesn't parse", at)
			return
		}
		l.unknownNames(t.Unknown(), at)
		l.variables(t.Vars(), at)
	case map[string]any:
		for k, e := range x {
			l.templates(e, at.in(k))
		}
	case []any:
		for i, e := range x {
			l.templates(e, at.in("["+strconv.Itoa(i)+"]"))
		}
	}
}

// condition checks a `when`.
func (l *linter) condition(src string, at place) {
	if src == "" {
		return
	}
	x, err := l.env.ParseExpr("", src)
	if err != nil {
		l.syntax(err, "when doesn't parse", at)
		return
	}
	l.unknownNames(x.Unknown(), at)
	l.variables(x.Vars(), at)
}

// syntax reports what the template language says, at the place it says.
func (l *linter) syntax(err error, doing string, at place) {
	if e, ok := errors.AsType[*nunjucks.Error](err); ok {
		l.errorf(at.inside(e.Line, e.Col), "%s%s: %s", at.what, doing, e.Msg)
		return
	}
	l.errorf(at.key(), "%s%s: %v", at.what, doing, err)
}

// unknownNames reports filters and tests that there are not.
func (l *linter) unknownNames(list []nunjucks.Unknown, at place) {
	for _, u := range list {
		l.errorf(at.inside(u.Line, u.Col), "%sthe template's %s %q is unknown", at.what, u.Kind, shorten(u.Name))
	}
}

// variables checks that what a template reads is there when it runs.
func (l *linter) variables(refs []nunjucks.Ref, at place) {
	for _, r := range refs {
		name, path := r.Name, r.Path
		if name == "state" && len(path) > 0 {
			name, path = path[0], path[1:]
		}
		pos := at.inside(r.Line, r.Col)
		if r.Called && r.Name != "now" {
			l.errorf(pos, "%s%q is no function; there are now, range, cycler and joiner", at.what, shorten(r.Name))
			continue
		}
		if !l.known[name] {
			if !r.Guarded {
				l.undefined(name, pos, at.what)
			}
			continue
		}
		if specs := l.made[name]; len(specs) > 0 && len(path) > 0 {
			l.output(name, path[0], specs, pos, at.what)
		}
	}
}

func (l *linter) undefined(name string, pos Pos, what string) {
	if len(l.problems) == maxProblems {
		return
	}
	if by, ok := l.later[name]; ok {
		l.warnf(pos, "%svariable %q is registered only on line %d, after this has run; it is empty here", what, name, by.Line)
		return
	}
	if s := closest(name, slices.Sorted(maps.Keys(l.known))); s != "" {
		l.warnf(pos, "%svariable %q is not defined here, did you mean %q? Unless the message brings it, it is empty", what, name, s)
		return
	}
	l.warnf(pos, "%svariable %q is not defined here; unless the message brings it, it is empty", what, name)
}

// output checks that a registered value has a field.
func (l *linter) output(name, field string, specs []modules.Spec, pos Pos, what string) {
	var known, makers []string
	for _, s := range specs {
		if len(s.Outputs) == 0 {
			return
		}
		for _, f := range s.Outputs {
			known = append(append(known, f.Name), f.Aliases...)
		}
		makers = append(makers, s.Name)
	}
	if slices.Contains(known, field) {
		return
	}
	if s := closest(field, known); s != "" {
		l.errorf(pos, "%s%s.%s: %s has no output %q, did you mean %q?", what, name, field, strings.Join(makers, " or "), field, s)
		return
	}
	l.errorf(pos, "%s%s.%s: %s has no output %q; it has %s", what, name, field, strings.Join(makers, " or "), field, strings.Join(known, ", "))
}
