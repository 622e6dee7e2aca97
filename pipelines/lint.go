package pipelines

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// LintOptions is what a document is held against.
type LintOptions struct {
	Modules   *modules.Registry      // what tasks may name
	Callbacks *modules.Registry      // what callbacks and plugins may name
	Planned   func(name string) bool // names that a later version has, in either; may be nil
}

// Lint returns everything that is wrong with a pipeline, in the order of the text; nil when it is clean.
//
// Errors are what is bound to fail: unknown modules, props that their module refuses, templates that don't parse or name
// filters and functions that there are not, state keys that refer to each other in a circle (a message could replace one),
// paths that lead out of the workspace, outputs that a module does not have. Warnings are what may be meant: variables that only a message can bring, a
// name registered twice, a secret in plain text, a module of a later version.
func Lint(p *Pipeline, o LintOptions) []Problem {
	l := linter{
		o:      o,
		env:    render.Language(p.Settings.Strict),
		global: p.Positions,
		known:  builtinNames(),
		later:  map[string]Pos{},
		made:   map[string][]modules.Spec{},
	}
	l.declare(p)
	l.state(p)
	l.plugins(p)
	seen := map[string]Pos{}
	for i := range p.Tasks {
		l.task(i, &p.Tasks[i], seen)
	}
	if p.Tasks != nil && len(p.Tasks) == 0 {
		l.warnf(Pos{File: p.Source, Line: 1, Column: 1}, "the pipeline has no tasks and does nothing; add some under tasks")
	}
	l.callbacks(p.Callbacks, "")
	if len(l.problems) == 0 {
		return nil
	}
	return l.sorted()
}

// A linter walks a pipeline in the order it would run.
type linter struct {
	problems
	o      LintOptions
	env    *nunjucks.Env
	global map[string]Pos            // Pipeline.Positions
	known  map[string]bool           // variables that something defines by now
	later  map[string]Pos            // variables that a task registers, wherever it stands
	made   map[string][]modules.Spec // modules whose output a registered variable may be; none when it may be anything
}

// declare learns what is defined before the first task runs, and what tasks will register.
func (l *linter) declare(p *Pipeline) {
	for _, k := range slices.Sorted(maps.Keys(p.State)) {
		if l.known[k] && k != "name" {
			l.warnf(l.global["state."+k], "state key %q hides what templates call %q; rename it", k, k)
		}
		l.known[k] = true
	}
	l.declareKeys(p.Callbacks)
	for i := range p.Tasks {
		t := &p.Tasks[i]
		if t.Register != "" {
			l.later[t.Register] = t.Positions["register"]
		}
		l.declareKeys(t.Callbacks)
	}
}

// declareKeys learns the state keys that callbacks write.
func (l *linter) declareKeys(all map[Event][]Callback) {
	for _, cbs := range all {
		for _, c := range cbs {
			l.writes(c.Module, c.Props)
		}
	}
}

// writes learns the state key that a module writes besides its registered output.
func (l *linter) writes(module string, props map[string]any) {
	for name, v := range props {
		key, ok := v.(string)
		if ok && (name == "resultKey" || name == "key" && module == "Now") {
			l.known[key] = true
		}
	}
}

func (l *linter) state(p *Pipeline) {
	for _, k := range slices.Sorted(maps.Keys(p.State)) {
		at := place{of: l.global, path: "state." + k}
		l.templates(p.State[k], at)
		l.plainSecrets(k, p.State[k], at)
	}
	l.circles(p.State)
}

func (l *linter) plugins(p *Pipeline) {
	for i, name := range p.Plugins {
		if l.o.Callbacks == nil {
			return
		}
		if _, ok := l.o.Callbacks.Lookup(name); !ok {
			l.unknown("plugin", name, l.o.Callbacks, l.global["plugins["+strconv.Itoa(i)+"]"])
		}
	}
}

// label names a task in messages.
func label(i int, t *Task) string {
	if t.Name != "" {
		return strconv.Quote(shorten(t.Name))
	}
	return "#" + strconv.Itoa(i)
}

func (l *linter) task(i int, t *Task, seen map[string]Pos) {
	what := "task " + label(i, t) + ": "
	if first, twice := seen[t.Name]; twice && t.Name != "" {
		l.warnf(t.Positions["name"], "%sline %d has a task of the same name; logs can't tell them apart", what, first.Line)
	} else {
		seen[t.Name] = t.Pos
	}
	l.condition(t.When, place{of: t.Positions, path: "when", what: what})
	props := place{of: t.Positions, path: "props", fallback: t.Pos, what: what}
	spec, ok := l.module(l.o.Modules, t.Module, t.Props, props)
	l.callbacks(t.Callbacks, what)
	l.writes(t.Module, t.Props)
	if t.Register == "" {
		return
	}
	at := t.Positions["register"]
	switch {
	case builtinNames()[t.Register]:
		l.warnf(at, "%sregister %q hides what templates call %q; choose another name", what, t.Register, t.Register)
	case l.known[t.Register]:
		l.warnf(at, "%sregister %q replaces a value of that name; what comes later sees this one", what, t.Register)
	}
	specs, again := l.made[t.Register]
	switch {
	case !ok, l.known[t.Register] && !again:
		l.made[t.Register] = nil // anything
	case !again || len(specs) > 0:
		l.made[t.Register] = append(specs, spec)
	}
	l.known[t.Register] = true
}

func (l *linter) callbacks(all map[Event][]Callback, what string) {
	outer := l.known
	defer func() { l.known = outer }()
	for _, on := range slices.Sorted(maps.Keys(all)) {
		l.known = maps.Clone(outer)
		for _, name := range []string{"execution_time", "processed_count", "status", "error_message", "current_task", "callback_id"} {
			l.known[name] = true
		}
		if on == OnStdout || on == OnStderr {
			l.known["line"] = true
		}
		for name := range l.later {
			l.known[name] = true // a callback may come after any task
		}
		for _, c := range all[on] {
			at := place{of: c.Positions, path: "props", fallback: c.Pos, what: fmt.Sprintf("%scallback %s: ", what, on)}
			l.module(l.o.Callbacks, c.Module, c.Props, at)
		}
	}
}

// module checks a module's name and props. ok is false where its spec is not known.
func (l *linter) module(reg *modules.Registry, name string, props map[string]any, at place) (spec modules.Spec, ok bool) {
	if name == "" {
		return modules.Spec{}, false // the shape is wrong, which Parse says
	}
	l.templates(props, at)
	for k, v := range props {
		l.plainSecrets(k, v, at.in(k))
	}
	if reg == nil {
		return modules.Spec{}, false
	}
	m, ok := reg.Lookup(name)
	if !ok {
		pos := at.of["module"]
		if pos.Line == 0 {
			pos = at.fallback
		}
		l.unknown(at.what+"module", name, reg, pos)
		return modules.Spec{}, false
	}
	spec = m.Spec()
	for _, p := range modules.CheckProps(spec, props, dynamic) {
		l.errorf(at.in(p.Path).key(), "%s%s", at.what, p.Msg)
	}
	l.paths(spec, props, at)
	for _, f := range spec.Props {
		if v, ok := props[f.Name].(string); ok && f.Secret && v != "" && !dynamic(v) && !redact.NameIsSecret(f.Name) {
			l.plainSecret(f.Name, at.in(f.Name))
		}
	}
	return spec, true
}

// unknown reports a name that a registry does not have.
func (l *linter) unknown(what, name string, reg *modules.Registry, at Pos) {
	if l.o.Planned != nil && l.o.Planned(name) {
		l.warnf(at, "%s %q comes with a later version: here it fails", what, name)
		return
	}
	if s := reg.Suggest(name); s != "" {
		l.errorf(at, "%s %q is unknown, did you mean %q?", what, name, s)
		return
	}
	l.errorf(at, "%s %q is unknown; `millrace modules` lists those there are", what, name)
}

// dynamic says that a prop's value is known only when its task runs.
func dynamic(v any) bool {
	s, ok := v.(string)
	return ok && nunjucks.HasTemplate(s)
}

// plainSecrets warns of values whose names say that they should not stand in a document.
func (l *linter) plainSecrets(name string, v any, at place) {
	switch x := v.(type) {
	case string:
		if x != "" && !dynamic(x) && redact.NameIsSecret(name) {
			l.plainSecret(name, at)
		}
	case map[string]any:
		for k, e := range x {
			l.plainSecrets(k, e, at.in(k))
		}
	case []any:
		for i, e := range x {
			l.plainSecrets("", e, at.in("["+strconv.Itoa(i)+"]"))
		}
	}
}

func (l *linter) plainSecret(name string, at place) {
	variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	l.warnf(at.key(), "%s%q looks like a secret in plain text; take it from the environment: \"{{ env.%s }}\"", at.what, name, variable)
}
