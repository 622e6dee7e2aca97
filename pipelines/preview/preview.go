// Package preview shows what the tasks of a pipeline would be told, and runs nothing.
package preview

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// A Preview is what a run would be told, as far as that is known before it. What is secret is masked. Its JSON form is
// what `millrace render --format json` prints.
type Preview struct {
	Name      string            `json:"name"`
	Source    string            `json:"source"`
	Digest    string            `json:"digest"`
	Entry     string            `json:"entry,omitzero"`
	State     map[string]any    `json:"state"`
	Tasks     []Task            `json:"tasks"`
	Callbacks []Callback        `json:"callbacks,omitempty"`
	Params    []Param           `json:"params,omitempty"`
	Plugins   []string          `json:"plugins,omitempty"`
	Settings  map[string]any    `json:"settings,omitempty"` // those that the document says; durations in seconds
	Deadline  float64           `json:"deadline,omitzero"`  // seconds
	Requires  map[string]string `json:"requires,omitempty"`
}

// A Task is what one task would be told.
type Task struct {
	Name      string            `json:"name"` // "#2" where it has none
	Module    string            `json:"module"`
	After     []string          `json:"after"` // names of the tasks that must have ended
	When      string            `json:"when,omitzero"`
	Runs      *bool             `json:"runs,omitzero"` // what when comes to; left out where only the run can tell
	GPU       *gpu.Need         `json:"gpu,omitzero"`
	Soft      bool              `json:"soft,omitzero"` // it may fail
	Register  string            `json:"register,omitzero"`
	Props     map[string]any    `json:"props"`
	Notes     map[string]string `json:"notes,omitempty"` // by path of a prop: what its template waits for, or lacks
	Callbacks []Callback        `json:"callbacks,omitempty"`
	Next      bool              `json:"-"` // it comes after the task before it, as tasks do where nothing is said
}

// A Callback is what a callback would be told.
type Callback struct {
	Event  pipelines.Event   `json:"event"`
	Module string            `json:"module"`
	Props  map[string]any    `json:"props"`
	Notes  map[string]string `json:"notes,omitempty"`
}

// A previewer renders what does not hang on what tasks make.
type previewer struct {
	pipeline *pipelines.Pipeline
	state    *render.State
	env      *nunjucks.Env
	secrets  *redact.Set
	makers   map[string][]int // the tasks that set a variable
	runs     map[int]verdict  // what is known of when
	// followers are the tasks that wait for each; behind are all that begin after the task of has ended.
	followers [][]int
	of        int
	behind    []bool
	wrong     pipelines.Problems
}

// byCallback is in makers in the place of a task.
const byCallback = -1

// Of renders p with the state that it starts with. The error is a *pipelines.ParseError
// with every template that fails. Neither it nor the preview holds a value of secrets; what keys and URLs show to be
// secret is added to them.
func Of(ctx context.Context, p *pipelines.Pipeline, state *render.State, secrets *redact.Set) (*Preview, error) {
	v := newPreviewer(p, state, secrets)
	v.all(ctx) // learns what is secret: what the last task is told may stand in the first one too
	out := v.all(ctx)
	if len(v.wrong) > 0 {
		return nil, fault.As(fault.Permanent, &pipelines.ParseError{Problems: v.wrong.Sorted()})
	}
	return out, nil
}

func newPreviewer(p *pipelines.Pipeline, state *render.State, secrets *redact.Set) *previewer {
	return &previewer{
		pipeline: p, state: state, env: render.Language(p.Settings.Strict), secrets: secrets,
		makers: makers(p), runs: map[int]verdict{},
	}
}

// all renders everything. What fails is in v.wrong, of the last call.
func (v *previewer) all(ctx context.Context) *Preview {
	p := v.pipeline
	v.wrong = nil
	out := &Preview{
		Name: v.secrets.String(p.Name), Source: p.Source, Digest: p.Digest, Entry: p.Entry, Tasks: []Task{},
		Plugins: p.Plugins, Settings: settings(p.Settings), Deadline: p.Settings.Deadline.Seconds(),
		Requires: p.Requires,
	}
	if all, ok := v.state.Get("state"); ok {
		v.learn(all)
		out.State, _ = v.shown(all).(map[string]any)
	}
	out.Params = v.params()
	for i := range p.Tasks {
		out.Tasks = append(out.Tasks, v.task(ctx, i))
	}
	out.Callbacks = v.callbacks(ctx, moment{task: -1, state: v.state}, p.Callbacks)
	return out
}

// learn hides what a value tells of secrets: by the names of its keys, and in the URLs in it.
func (v *previewer) learn(value any) {
	v.secrets.AddNamed(value)
	v.secrets.AddInURLs(value)
}

// fails notes what went wrong in a template, with its place: of the mistake inside it, where the source holds it as it is.
// path is the template's, of a prop as render says.
func (v *previewer) fails(at pipelines.Positions, otherwise pipelines.Pos, who, path string, err error) {
	what, msg := path, err.Error()
	if e, ok := errors.AsType[*render.ValueError](err); ok {
		path, what, msg = "props."+e.Path, fmt.Sprintf("prop %q", e.Path), e.Err.Error()
	}
	line, column := 0, 0
	if e, ok := errors.AsType[*nunjucks.Error](err); ok {
		line, column, msg = e.Line, e.Col, e.Msg
	}
	v.wrong.Add(pipelines.Problem{
		Pos: at.Inside(path, line, column, otherwise), Severity: pipelines.SeverityError,
		Msg: v.secrets.String(fmt.Sprintf("%s: %s: %s", who, what, msg)),
	})
}

// makers returns which tasks set which variables.
func makers(p *pipelines.Pipeline) map[string][]int {
	all := map[string][]int{}
	writes := func(i int, module string, props map[string]any) {
		for _, key := range pipelines.Writes(module, props) {
			all[key] = append(all[key], i)
		}
	}
	called := func(cbs map[pipelines.Event][]pipelines.Callback) {
		for _, list := range cbs {
			for _, cb := range list {
				writes(byCallback, cb.Module, cb.Props)
			}
		}
	}
	called(p.Callbacks)
	for i, t := range p.Tasks {
		if t.Register != "" {
			all[t.Register] = append(all[t.Register], i)
		}
		writes(i, t.Module, t.Props)
		called(t.Callbacks)
	}
	return all
}

func (v *previewer) task(ctx context.Context, i int) Task {
	t := &v.pipeline.Tasks[i]
	m := moment{task: i, state: v.state.With(t.Vars), vars: t.Vars}
	out := Task{
		Name: v.label(i), Module: t.Module, After: []string{}, When: v.secrets.String(t.When), GPU: t.GPU, Soft: t.Soft,
		Register: t.Register, Next: i == 0 && len(t.After) == 0 || slices.Equal(t.After, []int{i - 1}),
	}
	for _, p := range t.After {
		out.After = append(out.After, v.label(p))
	}
	who := fmt.Sprintf("task %q", v.label(i))
	runs, err := v.known(ctx, i)
	if t.When != "" {
		out.Runs = runs
	}
	if err != nil {
		v.fails(t.Positions, t.Pos, who, "when", err)
	}
	name, _, err := v.values(ctx, m, map[string]any{"name": t.Name})
	if e, ok := errors.AsType[*render.ValueError](err); ok {
		v.fails(t.Positions, t.Pos, who, "name", e.Err)
	}
	if text, ok := name["name"].(string); ok && text != "" {
		out.Name = text
	}
	if out.Props, out.Notes, err = v.values(ctx, m, t.Props); err != nil {
		v.fails(t.Positions, t.Pos, who, "props", err)
	}
	out.Callbacks = v.callbacks(ctx, m, t.Callbacks)
	return out
}

// label is what a task is called before it runs.
func (v *previewer) label(i int) string {
	t := v.pipeline.Tasks[i]
	switch {
	case t.Name != "":
		return v.secrets.String(t.Name)
	case t.ID != "":
		return v.secrets.String(t.ID)
	}
	return fmt.Sprintf("#%d", i)
}

// callbacks renders those of the task of m, or of the whole run, in the order in which they happen.
func (v *previewer) callbacks(ctx context.Context, m moment, all map[pipelines.Event][]pipelines.Callback) []Callback {
	var out []Callback
	for _, ev := range pipelines.Events(all) {
		m.event, m.ended = ev, ev != pipelines.OnStart
		for _, cb := range all[ev] {
			props, notes, err := v.values(ctx, m, cb.Props)
			if err != nil {
				v.fails(cb.Positions, cb.Pos, fmt.Sprintf("callback %s (%s)", cb.Module, ev), "props", err)
			}
			out = append(out, Callback{ev, cb.Module, props, notes})
		}
	}
	return out
}
