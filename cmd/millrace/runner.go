package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/onnx"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/modules/standard"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/workspace"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/pipelines/lint"
	"github.com/millrace/millrace/pipelines/preview"
	"github.com/millrace/millrace/pipelines/render"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
)

// A runner does the work of requests in this process: a request becomes a pipeline, a state, a workspace and a run.
type runner struct {
	engine    *engine.Engine
	lint      lint.Options
	templates *render.Cache
	exec      *proc.Local
	tools     *tool.Set
	models    onnx.Shelf
	ready     *standby          // for the next run, which may have been started in advance; nil: there are none
	machine   *launch.Machine   // that it runs on without a worker; nil in one
	gpu       gpu.Use           // of all tasks that have a use for one; empty is as each says
	env       map[string]string // what templates may read
	policy    launch.Policy
	programs  []string // the environment of external programs, less the folders
	listed    bool     // jobs reach with the operator's keys what he lists and nothing else, whoever brings them
	admit     []string // absolute paths outside the workspace that a person gave; nil in a worker
	page      string   // file that a person wants the report in; empty is none
	unwritten string   // why page could not be written
	log       *slog.Logger
}

func newRunner(env map[string]string, policy launch.Policy, log *slog.Logger) (*runner, error) {
	mods, err := modules.NewRegistry(standard.Modules()...)
	if err != nil {
		return nil, err
	}
	cbs, err := modules.NewRegistry(callbacks.Modules()...)
	if err != nil {
		return nil, err
	}
	return &runner{
		engine:    engine.New(engine.Config{Modules: mods, Callbacks: cbs, Planned: planned, Limits: policy.Limits}),
		lint:      lint.Options{Modules: mods, Callbacks: cbs, Planned: planned},
		templates: render.NewCache(),
		exec:      &proc.Local{Keep: func(int) bool { return false }},
		tools:     new(tool.Set),
		models:    modelFolder(policy.Models).open,
		env:       env,
		policy:    policy,
		programs:  programEnv(os.Environ()),
		log:       log,
	}, nil
}

func planned(name string) bool { return standard.Planned(name) || callbacks.Planned(name) }

// run is a launch.Runner.
func (r *runner) run(ctx context.Context, dir launch.Dir, req *launch.Request, rep engine.Reporter) *engine.Run {
	kept := r.keep()
	defer kept.close()
	secrets := new(redact.Set)
	in, g, err := r.input(ctx, dir, req, rep, secrets)
	if err != nil {
		run := newRun(req.Source, req.Digest, engine.Failed)
		run.Failure = &engine.Failure{Kind: fault.Of(err), Message: secrets.String(err.Error())}
		return run
	}
	defer in.Call.Workspace.Close()
	defer g.close()
	in.Call.Blender, in.Call.Chromium, in.Call.ONNX = kept.blender, kept.chromium, kept.onnx
	if req.Job.DryRun {
		return r.dryRun(in, req.Job.State)
	}
	if req.Epilogue != nil {
		return r.engine.Epilogue(ctx, *in, req.Epilogue)
	}
	if failed := r.unpacked(ctx, in, req); failed != nil {
		return failed
	}
	done := r.engine.Run(ctx, *in)
	r.report(ctx, in, req, done)
	return done
}

// newRun is a run in which no task was reached.
func newRun(pipeline, digest string, s engine.Status) *engine.Run {
	now := time.Now().UTC()
	return &engine.Run{Pipeline: pipeline, Digest: digest, Status: s, Started: now, Ended: now, Tasks: []engine.TaskRun{}}
}

// dryRun checks a pipeline and runs nothing.
func (r *runner) dryRun(in *engine.Input, data map[string]any) *engine.Run {
	p := in.Pipeline
	run := newRun(p.Name, p.Digest, engine.Succeeded)
	run.Warnings = append(slices.Clone(in.Warnings), "dry run: the pipeline was checked, and nothing of it was run")
	var wrong []string
	for _, problem := range lint.Pipeline(withData(p, data), r.lint) {
		if problem.Severity == pipelines.SeverityError {
			wrong = append(wrong, problem.String())
		}
	}
	if len(wrong) > 0 {
		run.Status, run.Failure = engine.Failed, &engine.Failure{Kind: fault.Permanent, Message: strings.Join(wrong, "; ")}
	}
	return run
}

// rehearse runs an empty pipeline, so that the first real one finds its code in memory: a child does this while it waits.
func (r *runner) rehearse() {
	req := &launch.Request{Job: new(job.Job), Source: "warm", Document: []byte("tasks: [{module: Now, when: false, props: {key: '{{ x }}'}}]")}
	dir := launch.Dir{Work: os.TempDir()}
	r.run(context.Background(), dir, req, engine.ReporterFunc(func(context.Context, engine.Event) {}))
}

// input makes what the engine needs of a request, and the gate to its buckets. Its errors are sentences.
func (r *runner) input(ctx context.Context, dir launch.Dir, req *launch.Request, rep engine.Reporter, secrets *redact.Set) (*engine.Input, *gate, error) {
	in, err := r.prepare(ctx, req, secrets)
	if err != nil {
		return nil, nil, err
	}
	ws, err := workspace.Open(dir.Workspace(), workspace.Options{Admit: r.admit})
	if err != nil {
		return nil, nil, err
	}
	in.Last, in.Trace, in.Report = req.Last, req.Job.Debug, rep
	in.Host, in.GPU = req.Host, r.gpu
	g := r.gate(req)
	in.Call = modules.Call{
		Log:       r.log.With("job_id", req.Job.ID),
		Workspace: ws,
		Exec:      r.exec,
		Env:       r.jobEnv(dir, req),
		Tools:     r.tools,
		Models:    r.models,
		HTTP:      egress.NewClient(g.egress),
		Clouds:    g.access,
		Bucket:    g.bucket,
		Dial:      egress.NewDialer(g.egress),
		MaySend:   g.sends(req.Trusted && !r.listed),
	}
	in.Brought = g.sends(false)
	return in, g, nil
}

// prepare makes what an Input holds of a request's document and values: the pipeline, the state that it starts with, what
// is secret in them.
func (r *runner) prepare(ctx context.Context, req *launch.Request, secrets *redact.Set) (*engine.Input, error) {
	secrets.AddNamed(req.Job.State)
	p, err := pipelines.ParseGiven(ctx, req.Source, req.Document, pipelines.Given{
		State: req.Job.State, StateOrder: req.Job.StateOrder, Env: r.env, Job: jobVars(req), Entry: req.Job.Entry, Secrets: secrets,
	})
	if err != nil {
		return nil, err
	}
	secrets.AddNamed(p.State)
	data, err := p.Bind(req.Job.State)
	if err != nil {
		return nil, err
	}
	if err := addCallbacks(p, req.Job.Callbacks); err != nil {
		return nil, fault.As(fault.Permanent, err)
	}
	if err := r.mayRun(p, req.Trusted); err != nil {
		return nil, fault.As(fault.Permanent, err)
	}
	in := &engine.Input{Pipeline: preview.WithGPUs(ctx, p, data), Redact: secrets}
	if !req.Trusted {
		in.Warnings = keepOperators(p)
	}
	in.State, err = render.NewState(ctx, render.Config{
		Name: p.Name, Document: p.State, DocumentOrder: p.StateOrder, At: func(key string) string { return p.Positions["state."+key].String() },
		Data: data, DataOrder: req.Job.StateOrder, TrustData: r.admit != nil, Env: r.env, Job: jobVars(req), OnSecret: secrets.Add,
		Templates: r.templates, Strict: p.Settings.Strict,
	})
	if err != nil {
		return nil, err
	}
	if err := p.HoldDefaults(data, in.State.Get); err != nil {
		return nil, err
	}
	return in, nil
}

// keepOperators takes out of the state of a document that a message brought what only the operator may set, and says so.
func keepOperators(p *pipelines.Pipeline) (warnings []string) {
	kept := maps.Clone(p.State)
	for _, key := range slices.Sorted(maps.Keys(p.State)) {
		if strings.HasPrefix(key, "__") {
			delete(kept, key)
			warnings = append(warnings, fmt.Sprintf("%s: state key %q is reserved for the operator, and was left out", p.Positions["state."+key], key))
		}
	}
	p.State = kept
	return warnings
}

// mayRun refuses a pipeline whose modules run programs of its author's choice where the operator does not allow it.
func (r *runner) mayRun(p *pipelines.Pipeline, trusted bool) error {
	if r.policy.Shell == launch.ShellAll || (trusted && r.policy.Shell != launch.ShellNone) {
		return nil
	}
	for _, t := range p.Tasks {
		if m, ok := r.engine.Module(t.Module); ok && m.Spec().Shell {
			return fmt.Errorf("%s: module %s is not allowed here: shell is %q, which lets %s run programs (MILLRACE_SHELL)",
				t.Pos, t.Module, r.policy.Shell, map[bool]string{true: "nothing", false: "only pipelines of the catalogue"}[r.policy.Shell == launch.ShellNone])
		}
	}
	return nil
}

// addCallbacks appends a message's callbacks to the pipeline's own.
func addCallbacks(p *pipelines.Pipeline, raw map[string]any) error {
	if len(raw) == 0 {
		return nil
	}
	more, err := pipelines.ParseCallbacks("message", raw)
	if err != nil {
		return err
	}
	all := maps.Clone(p.Callbacks)
	if all == nil {
		all = map[pipelines.Event][]pipelines.Callback{}
	}
	for ev, cbs := range more {
		for i := range cbs {
			cbs[i].Brought = true
		}
		all[ev] = slices.Concat(all[ev], cbs)
	}
	p.Callbacks = all
	return nil
}

// jobVars is what templates see as `job`.
func jobVars(req *launch.Request) map[string]any {
	j := req.Job
	return map[string]any{
		"id": j.ID, "name": j.Name, "title": j.Title, "attempt": req.Attempt, "cid": j.CID, "linkId": j.LinkID,
		"customerId": j.Customer, "externalId": j.External,
	}
}

// programEnv is the part of the environment that external programs may see: where to find things, how to print, which
// GPU to use, and who they belong to. No credentials.
func programEnv(all []string) []string {
	keep := []string{
		"PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
		"NVIDIA_DRIVER_CAPABILITIES", "FONTCONFIG_PATH", runVar,
	}
	var out []string
	for _, kv := range all {
		if name, _, _ := strings.Cut(kv, "="); slices.Contains(keep, name) {
			out = append(out, kv)
		}
	}
	return out
}

func (r *runner) jobEnv(dir launch.Dir, req *launch.Request) []string {
	return append(append(slices.Clone(r.programs), dir.Environ()...), "JOB_ID="+req.Job.ID, "CID="+req.Job.CID)
}
