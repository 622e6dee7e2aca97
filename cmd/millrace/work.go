package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/metrics"
	"github.com/millrace/millrace/worker/queue"
)

// workConfig is all that `millrace work` can be told.
type workConfig struct {
	placeConfig
	callbackConfig
	fitConfig
	payloadConfig
	routesConfig
	accessConfig
	toolsConfig
	modelsConfig
	admissionConfig
	keepConfig
	warmConfig
	Order        string        `flag:"queue-order" default:"weighted" doc:"which of several queues is served: weighted (shares by weight) or strict (the first that has work, now and then a later one)"`
	Slots        int           `flag:"slots" default:"0" doc:"jobs at once; 0 is one for each processor"`
	Isolation    string        `flag:"isolation" default:"job" doc:"job: a process for each job; pipeline: for jobs of one pipeline and customer; none: the worker's own"`
	Reuse        int           `flag:"reuse" default:"100" doc:"jobs one process may run with isolation pipeline"`
	Pipelines    string        `flag:"pipelines" default:"" doc:"folder of named pipelines, s3://bucket/prefix or cos://bucket/prefix, over the built-in ones"`
	Inline       string        `flag:"inline" default:"auto" doc:"whether messages may bring their own pipeline: on, off; auto is on for the embedded queue, whose file is its owner's alone"`
	Shell        string        `flag:"shell" default:"auto" doc:"whose pipelines may run programs of their choice: all, catalogue, none; auto is all for the embedded queue, else catalogue"`
	MaxAttempts  int           `flag:"max-attempts" default:"3" doc:"attempts of a job that does not say, at most 20"`
	Deadline     time.Duration `flag:"deadline" default:"4h" doc:"longest run of a job that does not say"`
	Grace        time.Duration `flag:"grace" default:"20s" doc:"how long jobs may go on after SIGTERM; keep it 30s below the pod's terminationGracePeriodSeconds"`
	Visibility   time.Duration `flag:"visibility" default:"30s" doc:"length of a lease; it is renewed every third of it"`
	ExitWhenIdle time.Duration `flag:"exit-when-idle" default:"0s" doc:"end after so long without a message; 0s is never"`
	MinFree      size          `flag:"min-free" default:"256Mi" doc:"free disk space below which no message is taken"`
	MaxOutput    size          `flag:"max-output" default:"20Gi" doc:"what one job may publish, in bytes"`
	JobMemory    size          `flag:"job-memory" default:"0" doc:"resident memory of a job and all it starts; 0 is its slot's share of 80% of what there is"`
	Confine      bool          `flag:"confine" default:"true" doc:"confine jobs to their folder by Landlock"`
	ReadPaths    []string      `flag:"read-paths" default:"" doc:"paths that jobs may read besides the system's, comma-separated"`
	AllowEnv     []string      `flag:"allow-env" default:"" doc:"environment variables that templates may read, comma-separated"`
	Report       string        `flag:"report" default:"auto" doc:"which jobs get a report.html among their outputs: always, never; auto is those that leave outputs"`
	CallbackURL  string        `flag:"callback-url" default:"" doc:"completion callback of jobs that do not say"`
	GPU          string        `flag:"gpu" default:"auto" doc:"whether tasks get GPUs: auto (those that NVIDIA's driver knows of, where it is asked for one), off"`
	GPULost      string        `flag:"gpu-lost" default:"exit" doc:"what a worker does whose GPUs have all failed, or that has none and is of class gpu (--labels class=gpu): exit (take nothing more, and end with code 6 when its jobs are over), stay"`
	Status       string        `flag:"status" default:"" doc:"address to answer /metrics, /healthz, /readyz and /busy on; :8081 is this machine's own, 0.0.0.0:8081 everybody's; empty is none"`
	Wake         string        `flag:"wake" default:"" doc:"address to listen on for pushes that wake the polling of COS queues, as Code Engine sends them; :8080 is this machine's own"`
	Name         string        `flag:"name" default:"" doc:"name of this worker in records; empty is the host's"`

	memoryAlone int64 // resident bytes of a job that has the worker to itself, by complete
}

func newWorkCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Take jobs off the queue and run them, until told to stop",
		Long: `Takes jobs off the queue and runs them, until told to stop: by SIGTERM or Ctrl-C,
which lets running jobs go on for the grace period, or by a second one, which
does not. Every flag has its environment variable. Secrets come by variable
alone: MILLRACE_CALLBACK_SECRET, whsec_… signing secrets of callbacks.`,
		Args: args(cobra.NoArgs),
	}
	var cfg workConfig
	load, logs := bind(cmd, &cfg), bindLog(cmd)
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		log, _, err := logs(os.Stderr)
		if err := errors.Join(load(), err); err != nil {
			return err
		}
		soft, hard, stop := signals(c.Context())
		defer stop()
		return work(soft, hard, cfg, log)
	}
	return cmd
}

// work wires a worker together and runs it; cfg is complete.
func work(ctx, hard context.Context, cfg workConfig, log *slog.Logger) error {
	if err := errors.Join(proc.BecomeSubreaper(), launch.HideProcess()); err != nil {
		return err
	}
	run, err := openRun(cfg.runDir())
	if err != nil {
		return err
	}
	defer run.close()
	s, err := cfg.openServices(ctx, log)
	if err != nil {
		return err
	}
	defer s.close()
	opened := sinceStart()
	tools, err := cfg.machineTools(ctx, log)
	if err != nil {
		return err
	}
	models, err := cfg.local(ctx, &cfg.cloudConfig, run.dir, log)
	if err != nil {
		return err
	}
	cfg.Models = models
	access := cfg.access(ctx, &cfg.cloudConfig)
	mods, _, err := registries()
	if err != nil {
		return err
	}
	seen := &sight{}
	counted := metrics.New(metrics.Config{State: seen.state, Module: moduleName(mods), Version: version, Go: runtime.Version()})
	counted.ColdStart("services", opened)
	read := newReadings()
	machine, letGo := cfg.machine(run, tools, counted, log)
	defer letGo()
	machine.Keys = keysFor(access, cfg.embedded())
	launcher, end, err := cfg.launcher(ctx, run, machine, access, log)
	if err != nil {
		return err
	}
	defer end()
	loss := cfg.gpuLoss(machine)
	fits := &fitness{machine: machine, modules: mods}
	w, err := worker.New(worker.Config{
		Feed: s.feed, Classes: s.classes, Launcher: launcher, Records: s.records, Pipelines: s.catalogue,
		Payloads: cfg.payloads(cfg.PayloadBuckets, int64(cfg.PayloadMax)), Callbacks: countCallbacks(cfg.sender(log), counted), Log: log, MaxOutput: int64(cfg.MaxOutput), Uploads: s.store, MaxInput: int64(cfg.MaxInput), Labels: cfg.labels,
		Name: cfg.Name, Slots: cfg.Slots, MaxAttempts: cfg.MaxAttempts, Deadline: cfg.Deadline, CallbackURL: cfg.CallbackURL,
		Inline: cfg.Inline == "on", Grace: cfg.Grace, ExitWhenIdle: cfg.ExitWhenIdle, Ready: func() error { return cmp.Or(loss.ready(), machine.Disk.Ready()) }, Machine: cfg.thisMachine,
		Fit: fits.of, Route: s.route, Routed: counted.Uploaded, Begun: beginJobs(counted), Settled: countJobs(counted, read), Bereft: counted.WorkerDied,
	})
	if err != nil {
		return err
	}
	*seen = sight{worker: w, machine: machine}
	seen.pool, _ = launcher.(*launch.Pool)
	if cfg.Status != "" {
		stop, err := serveStatus(ctx, cfg.Status, statusHandler(w.Status, read.of(counted.Handler())), log)
		if err != nil {
			return err
		}
		defer stop()
		defer read.await(hard)
	}
	for _, f := range cfg.lent() {
		log.WarnContext(ctx, "keys lent to jobs", "err", f.Check+": "+f.Text+". "+f.Remedy)
	}
	if cfg.onSQS() && cfg.Deadline > holdLimit {
		log.WarnContext(ctx, "deadline too long", "err", tooLong(cfg.Deadline))
	}
	counted.ColdStart("ready", sinceStart())
	log.InfoContext(ctx, "worker ready", "queue", strings.Join(cfg.Queue, ","), "store", cfg.storeName(), "data", cfg.Data,
		"slots", cfg.Slots, "isolation", cfg.Isolation, "duration", sinceStart())
	defer s.lookOut(ctx, log)()
	defer cfg.sweep(ctx, cfg.store, s.records, log)()
	if err := w.Run(ctx, hard); err != nil {
		return err
	}
	sayWhatIsLeft(ctx, s.brokers, log)
	return nil
}

// sayWhatIsLeft says how many messages wait for their time when a worker ends: another must come for them. A queue that
// does not tell makes no failure of a worker that has ended well.
func sayWhatIsLeft(ctx context.Context, brokers []queue.Broker, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, b := range brokers {
		depth, err := b.Depth(ctx)
		switch {
		case err != nil:
			log.WarnContext(ctx, "messages not counted", "err", err)
		case depth.Delayed > 0:
			log.WarnContext(ctx, "messages due later", "messages", depth.Delayed, "queue", b.Name())
		}
	}
}

// readPaths is what jobs may read besides the system's: what the operator says, the documents that reports are made of, the
// tools that modules run, and their models.
func (c *workConfig) readPaths() []string {
	paths := slices.Clip(c.ReadPaths)
	for _, path := range []string{c.Documents, c.Tools, c.Models} {
		if path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// launcher returns what runs attempts, and what ends it.
func (c *workConfig) launcher(ctx context.Context, run *workerRun, machine *launch.Machine, access cloud.Access, log *slog.Logger) (launch.Launcher, func(), error) {
	policy := launch.Policy{
		AllowHosts: c.AllowHosts, Shell: c.Shell, Report: c.Report, Documents: c.Documents, Models: c.Models, Clouds: access, AnyBucket: c.embedded(),
		Limits: engine.Limits{Input: int64(c.MaxInput)},
	}
	env := allowedEnv(c.AllowEnv)
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find own binary: %w", err)
	}
	compiled, stop, err := run.compile(machine.Tools.Exec, self, c.Tools, log)
	if err != nil {
		return nil, nil, err
	}
	if c.Isolation == "none" {
		r, err := newRunner(env, policy, log)
		if err != nil {
			return nil, nil, err
		}
		machine.Tools.Compiled = compiled
		r.tools = machine.Tools
		r.exec.Keep = machine.Tools.Exec.Owns
		return &launch.Inline{Root: run.dir, Run: r.run, Machine: machine}, stop, nil
	}
	specs, err := allSpecs()
	if err != nil {
		return nil, nil, err
	}
	reuse := 1
	if c.Isolation == "pipeline" {
		reuse = c.Reuse
	}
	p := launch.NewPool(launch.Config{
		Argv: []string{self, childCommand}, Env: append(programEnv(os.Environ()), run.mark(), "GOMAXPROCS="+os.Getenv("GOMAXPROCS")),
		Root: run.dir, Slots: c.Slots, Reuse: reuse, Machine: machine, Log: log,
		Keep: machine.Tools.Exec.Owns, Devices: c.devices(specs),
		Setup: launch.Setup{
			Read: append(c.readPaths(), compiled), Confine: c.Confine, Memory: int64(c.JobMemory) / 10 * 9, Env: env, Policy: policy,
			Tools: launch.Tools{Found: machine.Tools.Known, Folder: machine.Tools.Folder, Compiled: compiled, Limits: machine.Tools.Limits},
			Warm:  c.present(ctx, machine.Tools, log),
		},
	})
	return p, func() { p.Close(); stop() }, nil
}

// allowedEnv is the part of our environment that the operator lets templates read.
func allowedEnv(names []string) map[string]string {
	env := map[string]string{}
	for _, name := range names {
		if v, ok := os.LookupEnv(name); ok {
			env[name] = v
		}
	}
	return env
}

// newCatalogue is the named pipelines of a folder, over the built-in ones.
func newCatalogue(dir string) *pipelines.Catalogue { return pipelines.NewCatalogue(dir) }

var _ worker.Catalogue = (*pipelines.Catalogue)(nil)
