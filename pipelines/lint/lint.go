// Package lint says what is wrong with a pipeline, and what is worth knowing of it, before anything runs.
package lint

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/preview"
	"github.com/millrace/millrace/pipelines/render"
)

// Options is what a document is held against.
type Options struct {
	Modules   *modules.Registry      // what tasks may name
	Callbacks *modules.Registry      // what callbacks and plugins may name
	Planned   func(name string) bool // names that a later version has, in either; may be nil
}

// Pipeline returns everything that is wrong with a pipeline, in the order of the text; nil when it is clean.
//
// Errors are what is bound to fail: unknown modules, props that their module refuses, templates that don't parse or name
// filters and functions that there are not, state keys that refer to each other in a circle (a message could replace one),
// paths that lead out of the workspace, outputs that a module does not have. Warnings are what may be meant: variables
// that only a message can bring, or a task that may run at the same time, a name registered twice, a comparison that no
// value can meet, a secret in plain text or in a URL, a timeout beyond what SQS bears, a module of a later version. Notes are what may be good to know: older
// spellings, a negative index, a need of a GPU.
func Pipeline(p *pipelines.Pipeline, o Options) []pipelines.Problem {
	p = preview.WithGPUs(context.Background(), p, nil)
	l := linter{
		o:        o,
		env:      render.Language(p.Settings.Strict),
		p:        p,
		reported: map[pipelines.Problem]bool{},
		parsed:   map[string]*parsed{},
		known:    builtinNames(),
		params:   map[string]pipelines.Param{},
		used:     map[string]bool{},
	}
	l.declare()
	l.state()
	l.plugins()
	l.timeout(p.Settings.Timeout, p.Positions["settings.timeout"], "settings: ")
	l.tasks(p.Tasks, p.Params)
	for _, e := range p.Entries {
		l.tasks(e.Tasks, slices.Concat(p.Params, e.Params))
	}
	if len(p.Entries) == 0 && p.Tasks != nil && len(p.Tasks) == 0 && !p.Structural { // there, a job may bring some
		l.warnf(pipelines.Pos{File: p.Source, Line: 1, Column: 1}, "the pipeline has no tasks and does nothing; add some under tasks")
	}
	l.callbacks(p.Callbacks, "")
	l.unused()
	if len(l.found) == 0 {
		return nil
	}
	return l.found.Sorted()
}

// A linter walks a pipeline.
type linter struct {
	o        Options
	env      *nunjucks.Env
	p        *pipelines.Pipeline
	found    pipelines.Problems
	reported map[pipelines.Problem]bool
	parsed   map[string]*parsed         // by the text of a template, "when " before that of a condition
	known    map[string]bool            // variables that are there from the start, or that callbacks set
	params   map[string]pipelines.Param // of the tasks looked at
	used     map[string]bool            // variables that something reads
	all      bool                       // something reads the whole state
	lists    []*taskList                // those looked at, the last one now
	now      viewpoint
}

// A viewpoint is what is seen from where a template stands.
type viewpoint struct {
	list *taskList       // nil in the state, and in callbacks of the run
	task int             // in list; -1 in callbacks, which may come after any task
	vars map[string]any  // loop variables around it
	more map[string]bool // what a callback sees besides the state
}

func (l *linter) errorf(pos pipelines.Pos, format string, args ...any) {
	l.report(pos, pipelines.SeverityError, format, args)
}

func (l *linter) warnf(pos pipelines.Pos, format string, args ...any) {
	l.report(pos, pipelines.SeverityWarning, format, args)
}

func (l *linter) notef(pos pipelines.Pos, format string, args ...any) {
	l.report(pos, pipelines.SeverityNote, format, args)
}

// report adds a problem once: the rounds of an expanded loop have the same ones.
func (l *linter) report(pos pipelines.Pos, s pipelines.Severity, format string, args []any) {
	p := pipelines.Problem{Pos: pos, Severity: s, Msg: fmt.Sprintf(format, args...)}
	if !l.reported[p] && !l.found.Full() {
		l.reported[p] = true
		l.found.Add(p)
	}
}

// declare learns what is defined before the first task runs.
func (l *linter) declare() {
	for _, k := range slices.Sorted(maps.Keys(l.p.State)) {
		param := l.paramPos(k).Line > 0 // whose default it is, and which is told of by itself
		if _, own := l.p.Positions["state."+k]; own && !param && l.known[k] && k != "name" {
			l.warnf(l.p.Positions["state."+k], "state key %q hides what templates call %q; rename it", k, k)
		}
	}
	for k := range l.p.State {
		l.known[k] = true
	}
	l.declareParams(l.p.Params)
	l.declareKeys(l.p.Callbacks)
	l.declareTasks(l.p.Tasks)
	for _, e := range l.p.Entries {
		l.declareParams(e.Params)
		l.declareTasks(e.Tasks)
	}
}

func (l *linter) declareParams(params []pipelines.Param) {
	for _, p := range params {
		if builtinNames()[p.Name] && p.Name != "name" {
			l.warnf(p.Pos, "param %q hides what templates call %q; rename it", p.Name, p.Name)
		}
		l.known[p.Name] = true
	}
}

func (l *linter) declareTasks(tasks []pipelines.Task) {
	for i := range tasks {
		l.declareKeys(tasks[i].Callbacks)
	}
}

// declareKeys learns the state keys that callbacks write.
func (l *linter) declareKeys(all map[pipelines.Event][]pipelines.Callback) {
	for _, cbs := range all {
		for _, c := range cbs {
			for _, key := range pipelines.Writes(c.Module, c.Props) {
				l.known[key] = true
			}
		}
	}
}

func (l *linter) state() {
	for _, k := range slices.Sorted(maps.Keys(l.p.State)) {
		at := place{of: l.p.Positions, path: "state." + k, fallback: l.paramPos(k)}
		l.templates(l.p.State[k], at)
		l.plainSecrets(k, l.p.State[k], at)
	}
	l.circles(l.p.State)
}

// paramPos is where the param of a name stands; the zero Pos where there is none.
func (l *linter) paramPos(name string) pipelines.Pos {
	for _, p := range l.p.Params {
		if p.Name == name {
			return p.Pos
		}
	}
	return pipelines.Pos{}
}

// unused warns of params that nothing reads. What reads a variable in a {% %} block between values is not seen here.
func (l *linter) unused() {
	if l.all || l.p.Structural {
		return
	}
	warn := func(params []pipelines.Param) {
		for _, p := range params {
			if !l.used[p.Name] {
				l.warnf(p.Pos, "param %q is used nowhere; remove it, or use it as {{ %s }}", p.Name, p.Name)
			}
		}
	}
	warn(l.p.Params)
	for _, e := range l.p.Entries {
		warn(e.Params)
	}
}

func (l *linter) plugins() {
	for i, name := range l.p.Plugins {
		if l.o.Callbacks == nil {
			return
		}
		at := l.p.Positions["plugins["+strconv.Itoa(i)+"]"]
		m, ok := l.o.Callbacks.Lookup(name)
		switch {
		case !ok:
			l.leftOut(name, at)
		case m.Spec().Plugin == nil:
			l.warnf(at, "%q can't be a plugin and is left out: it needs props of yours; name it under callbacks", name)
		}
	}
}

// leftOut warns of a plugin that there is not: a run goes on without it.
func (l *linter) leftOut(name string, at pipelines.Pos) {
	if l.o.Planned != nil && l.o.Planned(name) {
		l.warnf(at, "plugin %q comes with a later version: here it is left out", name)
		return
	}
	if s := l.o.Callbacks.Suggest(name); s != "" {
		l.warnf(at, "plugin %q is unknown and is left out, did you mean %q?", name, s)
		return
	}
	l.warnf(at, "plugin %q is unknown and is left out; `millrace modules` lists those there are", name)
}

// callbacks checks those of the run, or of the task looked at.
func (l *linter) callbacks(all map[pipelines.Event][]pipelines.Callback, what string) {
	outer := l.now
	defer func() { l.now = outer }()
	l.now.task = -1
	for _, on := range slices.Sorted(maps.Keys(all)) {
		l.now.more = map[string]bool{}
		for _, name := range on.Names() {
			l.now.more[name] = true
		}
		for _, c := range all[on] {
			at := place{of: c.Positions, path: "props", fallback: c.Pos, what: fmt.Sprintf("%scallback %s: ", what, on)}
			l.module(l.o.Callbacks, c.Module, c.Props, at)
		}
	}
}
