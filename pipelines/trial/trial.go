// Package trial runs the tests that pipelines carry: real documents, the real engine, and in place of what modules
// do what the test says. Nothing touches a disk, a network or a program, and nothing waits.
//
// One test reads top to bottom in Run (this file): the file is read in file.go, modules are stood in for in fake.go,
// what came of the run is judged in judge.go.
package trial

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// Config is what all tests of a Runner share.
type Config struct {
	Modules   *modules.Registry      // what tasks may name
	Callbacks *modules.Registry      // what callbacks may name
	Planned   func(name string) bool // module names of later versions; their props are not checked; may be nil
}

// A Runner runs tests. It is safe for concurrent use.
type Runner struct {
	cfg       Config
	templates *render.Cache
	env       *nunjucks.Env // to see what templates read
}

// New returns a Runner.
func New(cfg Config) *Runner {
	if cfg.Planned == nil {
		cfg.Planned = func(string) bool { return false }
	}
	return &Runner{cfg: cfg, templates: render.NewCache(), env: render.Language(false)}
}

// A Result is what came of one test.
type Result struct {
	File      string    `json:"file"`
	Line      int       `json:"line"`
	Name      string    `json:"name"`
	Passed    bool      `json:"passed"`
	Problems  []Problem `json:"problems,omitzero"`
	Unchecked []string  `json:"unchecked,omitzero"` // modules that were taken as a later version may have them: their props were not, or not fully, checked
	Tasks     []Seen    `json:"tasks"`              // those that were reached, in order
}

// A Problem is one thing that is not as the test says.
type Problem struct {
	Line    int    `json:"line"` // in the test file, from 1
	Column  int    `json:"column"`
	Path    string `json:"path,omitzero"` // of what was expected: "expect.tasks[0].props.args[1]"
	Message string `json:"message"`
}

// Seen is one task as it ran.
type Seen struct {
	Name   string         `json:"name"` // or "#index"
	Module string         `json:"module"`
	Status engine.Status  `json:"status"`
	Props  map[string]any `json:"props,omitzero"` // of the last try, rendered
}

// clock is what now() and Now say in tests.
func clock() time.Time { return time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC) }

// longestTest bounds a hostile one.
const longestTest = 10 * time.Second

// Run runs one test on a pipeline's text; source is what messages call that.
func (r *Runner) Run(ctx context.Context, t *Test, source string, doc []byte) Result {
	ctx, cancel := context.WithTimeoutCause(ctx, longestTest, fmt.Errorf("the test ran longer than %s", longestTest))
	defer cancel()
	j := &judge{test: t, runner: r}
	rec, err := r.record(ctx, t, source, doc, j)
	if err != nil {
		rec = &recording{run: &engine.Run{Status: engine.Failed, Failure: &engine.Failure{Kind: fault.Of(err), Message: err.Error()}}}
	}
	j.judge(rec)
	return Result{
		File: t.Pos.File, Line: t.Pos.Line, Name: t.Name, Passed: len(j.problems) == 0, Problems: j.problems,
		Unchecked: rec.unchecked, Tasks: rec.seen(),
	}
}

// record runs the pipeline as a worker would, and returns all that happened. Its error is why no task was reached.
func (r *Runner) record(ctx context.Context, t *Test, source string, doc []byte, j *judge) (*recording, error) {
	job := map[string]any{"id": "test", "name": t.Name, "attempt": int64(1)}
	maps.Copy(job, t.given.job)
	p, err := pipelines.ParseGiven(ctx, source, doc, pipelines.Given{
		State: t.given.state, StateOrder: t.given.order, Env: t.given.env, Job: job, Entry: t.given.entry,
	})
	if err != nil {
		return nil, err
	}
	data, err := p.Bind(t.given.state)
	if err != nil {
		return nil, err
	}
	p = atOnce(p)
	secrets := new(redact.Set)
	secrets.AddNamed(p.State)
	secrets.AddNamed(data)
	state, err := render.NewState(ctx, render.Config{
		Name: p.Name, Document: p.State, DocumentOrder: p.StateOrder, At: func(key string) string { return p.Positions["state."+key].String() },
		Data: data, DataOrder: t.given.order, Env: t.given.env, Job: job, Now: clock, OnSecret: secrets.Add, Templates: r.templates, Strict: p.Settings.Strict,
	})
	if err != nil {
		return nil, err
	}
	if err := p.HoldDefaults(data, state.Get); err != nil {
		return nil, err
	}
	rec := &recording{pipeline: p, tasks: map[int]*taskRecord{}, outputs: j.outputs(p), later: j.later()}
	rec.unchecked = slices.Clone(rec.later)
	eng, err := r.engine(rec)
	if err != nil {
		return nil, err
	}
	rec.run = eng.Run(ctx, engine.Input{
		Pipeline: p, State: state, Host: plenty{}, Redact: secrets, Last: t.given.last, Report: engine.ReporterFunc(rec.report),
	})
	return rec, context.Cause(ctx)
}

// plenty is a machine that has whatever a task needs: a test is about the pipeline alone.
type plenty struct{}

func (plenty) Fit(context.Context, engine.Need) error { return nil }

func (plenty) Reserve(_ context.Context, n engine.Need) (engine.Grant, error) {
	all := make([]gpu.Device, max(n.GPU.Count, 1))
	for i := range all {
		all[i] = gpu.Device{UUID: fmt.Sprintf("GPU-%d", i), Index: i, Name: "a GPU"}
	}
	return engine.Grant{Devices: all, Release: func() {}}, nil
}

// atOnce returns p with no pauses, and with tasks that run one after the other even where their order leaves it open:
// what a test sees must not depend on time.
func atOnce(p *pipelines.Pipeline) *pipelines.Pipeline {
	quick := *p
	quick.Settings.Parallel, quick.Settings.RetrySleep = 1, 0
	quick.Tasks = slices.Clone(p.Tasks)
	for i := range quick.Tasks {
		quick.Tasks[i].RetrySleep = nil
	}
	return &quick
}

// engine returns an engine whose modules do what rec says.
func (r *Runner) engine(rec *recording) (*engine.Engine, error) {
	names := make([]string, len(rec.pipeline.Tasks))
	for i, t := range rec.pipeline.Tasks {
		names[i] = t.Module
	}
	tasks, err := r.fakes(rec, r.cfg.Modules, names, rec.task)
	if err != nil {
		return nil, err
	}
	calls, err := r.fakes(rec, r.cfg.Callbacks, callbackModules(rec.pipeline), rec.callback)
	if err != nil {
		return nil, err
	}
	slices.Sort(rec.unchecked)
	rec.unchecked = slices.Compact(rec.unchecked)
	return engine.New(engine.Config{Modules: tasks, Callbacks: calls, Planned: r.cfg.Planned}), nil
}

// fakes stands in for all modules of reg, and for those of later versions among the names.
func (r *Runner) fakes(rec *recording, reg *modules.Registry, names []string, work work) (*modules.Registry, error) {
	var all []modules.Module
	for m := range reg.All() {
		f := &fake{spec: m.Spec(), work: work, check: func(props map[string]any) error { return modules.Check(m, props) }}
		if slices.Contains(rec.later, f.spec.Name) {
			f.check = func(props map[string]any) error { return checkSpec(f.spec, props) }
		}
		all = append(all, f)
	}
	planned := map[string]bool{}
	for _, name := range names {
		if _, ok := reg.Lookup(name); ok || planned[name] || !r.cfg.Planned(name) {
			continue
		}
		planned[name] = true
		rec.unchecked = append(rec.unchecked, name)
		all = append(all, &fake{spec: modules.Spec{Name: name}, work: work, check: func(map[string]any) error { return nil }})
	}
	return modules.NewRegistry(all...)
}

// checkSpec holds props against a module's list of them, and not against rules of its own, which a later version may
// not have.
func checkSpec(s modules.Spec, props map[string]any) error {
	if problems := modules.CheckProps(s, props, nil); len(problems) > 0 {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// callbackModules are the names of all callbacks' modules.
func callbackModules(p *pipelines.Pipeline) []string {
	var names []string
	add := func(all map[pipelines.Event][]pipelines.Callback) {
		for _, cbs := range all {
			for _, c := range cbs {
				names = append(names, c.Module)
			}
		}
	}
	add(p.Callbacks)
	for _, t := range p.Tasks {
		add(t.Callbacks)
	}
	return names
}

// label names a task as people do: "render", "#2".
func label(name string, index int) string {
	if name != "" {
		return name
	}
	return fmt.Sprintf("#%d", index)
}
