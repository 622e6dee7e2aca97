package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
)

// runConfig is all that `millrace run` can be told.
type runConfig struct {
	toolsConfig
	Pipelines  string   `flag:"pipelines" default:"" doc:"folder of named pipelines, over the built-in ones"`
	Documents  string   `flag:"documents" default:"" doc:"folder of the operator's documents: report.html"`
	AllowHosts []string `flag:"allow-hosts" default:"" doc:"private hosts that the job of JOB_PAYLOAD may reach: host, host:port or CIDR, comma-separated; all others may reach any"`
	AllowEnv   []string `flag:"allow-env" default:"" doc:"environment variables that templates may read besides JOB_*, comma-separated"`
	GPU        string   `flag:"gpu" default:"auto" doc:"how much the tasks that have a use for a GPU want one: required, preferred (else they run on the CPU), none; auto is as each says, off keeps the GPUs from them"`
	cloudConfig
	accessConfig
	modelsConfig
}

func (c *runConfig) complete(from func(string) string) []error {
	errs := slices.Concat(c.toolsConfig.complete(from), c.checkEndpoints(from), c.accessConfig.complete(from), c.modelsConfig.complete(&c.cloudConfig, from))
	if err := (egress.Policy{AllowHosts: c.AllowHosts}).Validate(); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", from("allow-hosts"), err))
	}
	return append(errs, checkGPU(from("gpu"), c.GPU, gpuAuto, gpuOff, string(gpu.Required), string(gpu.Preferred), string(gpu.None)),
		checkPipelines(c.Pipelines, from), checkReports(&c.Documents, from))
}

// previewConfig is what commands can be told that show a pipeline and run nothing.
type previewConfig struct {
	Pipelines string   `flag:"pipelines" default:"" doc:"folder of named pipelines, over the built-in ones"`
	AllowEnv  []string `flag:"allow-env" default:"" doc:"environment variables that templates may read besides JOB_*, comma-separated"`
}

func (c *previewConfig) complete(from func(string) string) []error {
	return []error{checkPipelines(c.Pipelines, from)}
}

const runLong = `Runs one pipeline in this process, in the current folder (or --workspace), which
pipelines know as /home/workspace. FILE is a YAML or JSON document, NAME one of
the catalogue (millrace pipelines lists it), - is stdin. The word run may be left
out.

It trusts the person at the keyboard: nothing is confined, private hosts may be
reached, and absolute paths given as values may be read and written.

FILE may also be a message, as the queue has them: its job is run. With neither FILE
nor NAME, the message is that of the variable JOB_PAYLOAD, where it is set: for a pod
that is there for one job. Nobody typed that, so private hosts need --allow-hosts,
absolute paths are refused, and a pipeline that it brings runs no programs of its
choice. Its completion callback is for workers to send, and is not.

Exit codes: 0 the pipeline succeeded · 1 it failed, the document or JOB_PAYLOAD is
unreadable, empty or invalid, or the --report could not be written · 2 the command
line is wrong · 130 stopped by a signal.`

func newRunCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "run [FILE|NAME|-] [key=value…]",
		Short:   "Run one pipeline here and now, without a queue",
		Long:    runLong,
		Example: "  millrace run hello_world name=Modelops\n  millrace run -f job.yaml --debug\n  cat job.json | millrace run - -i json",
	}
	var cfg runConfig
	var file, format, workspace, entry, page string
	load, logs := bind(cmd, &cfg), bindLog(cmd)
	cmd.Flags().StringVarP(&file, "file", "f", "", "read the pipeline from this file")
	cmd.Flags().StringVarP(&format, "input", "i", "", "form of the document: yaml or json (found out by itself)")
	cmd.Flags().StringVar(&entry, "entry", "", "which of the document's entries to run (its own tasks)")
	cmd.Flags().StringVar(&page, "report", "", "write a page about the run to this file")
	cmd.Flags().StringVar(&workspace, "workspace", ".", "the folder to work in")
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if err := load(); err != nil {
			return err
		}
		if format != "" && format != "yaml" && format != "json" {
			return usage("-i: %q is neither yaml nor json", format)
		}
		log, form, err := logs(os.Stderr)
		if err != nil {
			return err
		}
		if err := checkPage(page); err != nil {
			return usage("--report: %w", err)
		}
		req, policy, err := cfg.request(c.InOrStdin(), file, a)
		if err != nil {
			return err
		}
		if err := checkForm(format, req); err != nil {
			return err
		}
		policy.Documents, policy.Clouds = cfg.Documents, cfg.access(c.Context(), &cfg.cloudConfig)
		r, err := newRunner(runEnv(cfg.AllowEnv), policy, log)
		if err != nil {
			return err
		}
		req.Job.Entry = cmp.Or(entry, req.Job.Entry)
		r.models = cfg.shelf(&cfg.cloudConfig)
		letGo, err := r.onThisMachine(cfg.GPU, cfg.Tools)
		if err != nil {
			return err
		}
		defer letGo()
		if r.page = page; policy.AllowPrivate {
			r.admit = admitted(req.Job.State)
		}
		return runHere(c.Context(), r, req, workspace, newProgress(form, os.Stdout, os.Stderr))
	}
	return cmd
}

// checkForm holds a document to the form that it is said to have. JSON is YAML too, so that alone says nothing new.
func checkForm(format string, req *launch.Request) error {
	if format == "json" && !json.Valid(req.Document) {
		return fmt.Errorf("-i json: %s is not JSON; leave -i out to have the form found out", req.Source)
	}
	return nil
}

// runHere runs req in the folder workspace and tells how it went.
func runHere(ctx context.Context, r *runner, req *launch.Request, workspace string, show *progress) error {
	soft, hard, stop := signals(ctx)
	defer stop()
	abs, err := filepath.Abs(workspace)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "millrace-")
	if err != nil {
		return fmt.Errorf("make temporary folder: %w: set TMPDIR to a folder that can be written to", err)
	}
	defer os.RemoveAll(tmp)
	dir, err := launch.MakeDir(tmp, abs)
	if err != nil {
		return err
	}
	runCtx, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	defer context.AfterFunc(soft, func() { end(&engine.Stop{Reason: engine.Shutdown, Message: context.Cause(soft).Error()}) })()
	defer context.AfterFunc(hard, func() {
		proc.SweepOrphans(nil) // what the pipeline's programs started goes with them
		os.RemoveAll(tmp)
		os.Exit(exitStopped)
	})()
	if d := req.Job.Deadline; d > 0 {
		defer time.AfterFunc(d, func() {
			end(&engine.Stop{Reason: engine.Deadline, Message: fmt.Sprintf("it ran for longer than its deadline of %s", d)})
		}).Stop()
	}
	if err := placeHere(runCtx, req, dir.Workspace()); err != nil {
		return err
	}
	runCtx, share := r.machine.Share(runCtx, req, dir)
	defer share.Close()
	req.Host, req.Keys = share, r.policy.Clouds.Keys
	run := r.run(runCtx, dir, req, show)
	if err := tellEnd(runCtx, show, newScreen(os.Stderr), req, run); err != nil {
		return err
	}
	if r.unwritten != "" && show.json == nil {
		show.line("!", "", r.unwritten)
	}
	switch {
	case stoppedBySignal(soft):
		return &codeError{exitStopped, errSaid}
	case run.Status != engine.Succeeded || r.unwritten != "":
		return &codeError{exitFailed, errSaid}
	}
	return nil
}

// placeHere has the request's Placer do its work. The disk is a person's own.
func placeHere(ctx context.Context, req *launch.Request, workspace string) error {
	if req.Place == nil {
		return nil
	}
	return req.Place(ctx, workspace, func(int64) (func(), error) { return func() {}, nil })
}

// readRequest makes a request of a pipeline's source and values for its state.
func readRequest(stdin io.Reader, source string, values []string, cat *pipelines.Catalogue) (*launch.Request, error) {
	state, order, err := job.ParseState(values)
	if err != nil {
		return nil, usage("%w", err)
	}
	req := &launch.Request{Job: &job.Job{ID: "run", State: state, StateOrder: order}, Attempt: 1, Last: true, Trusted: true}
	source, version := splitVersion(source)
	req.Document, req.Source, err = readSource(stdin, source, cat)
	if err != nil {
		return nil, err
	}
	req.Digest = pipelines.Digest(req.Document)
	if version != "" && version != req.Digest {
		return nil, fmt.Errorf("%s is %s, not %s", req.Source, req.Digest, version)
	}
	return req, nil
}

// splitVersion parts a pipeline's name from the digest that it must have: "hello_world@sha256:…".
func splitVersion(source string) (name, version string) {
	if name, sum, ok := strings.Cut(source, "@sha256:"); ok {
		return name, "sha256:" + strings.ToLower(sum)
	}
	return source, ""
}

// readSource finds a pipeline: "-" is stdin, file://PATH and anything that is a file is read, else it is a name.
func readSource(stdin io.Reader, source string, cat *pipelines.Catalogue) (doc []byte, name string, err error) {
	if source == "-" {
		doc, err = io.ReadAll(io.LimitReader(stdin, 1<<20+1))
		if err == nil && len(doc) == 0 {
			return nil, "", errors.New("no pipeline given: name a file or a pipeline, write one to stdin, or set JOB_PAYLOAD (see `millrace run --help`)")
		}
		return doc, "stdin", err
	}
	path, isFile := strings.CutPrefix(source, "file://")
	if info, err := os.Stat(path); isFile || err == nil && !info.IsDir() || err != nil && looksLikeFile(source) {
		doc, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, "", fmt.Errorf("there is no file %s", path)
		}
		return doc, path, err
	}
	doc, name, _, err = cat.Document(source)
	return doc, name, err
}

// looksLikeFile says whether a word is meant as a file: no pipeline of a catalogue has such a name.
func looksLikeFile(word string) bool {
	switch filepath.Ext(word) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return strings.ContainsRune(word, '/')
}

// runEnv is what templates may read of a person's own environment.
func runEnv(allow []string) map[string]string {
	env := allowedEnv(allow)
	for _, kv := range os.Environ() {
		if name, v, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "JOB_") {
			env[name] = v
		}
	}
	return env
}

// admitted lists the absolute paths among the values that a person gave.
func admitted(v any) []string {
	paths := []string{}
	switch v := v.(type) {
	case string:
		if filepath.IsAbs(v) {
			paths = append(paths, v)
		}
	case map[string]any:
		for _, e := range v {
			paths = append(paths, admitted(e)...)
		}
	case []any:
		for _, e := range v {
			paths = append(paths, admitted(e)...)
		}
	}
	return paths
}
