package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// A replay is how `millrace dlq replay` runs a buried job here.
type replay struct {
	workspace, pipelines string
	buckets              []string
	trust                bool
	clouds               accessConfig
	routes               routesConfig
	only                 string // the ID of the job, of a message with several
}

func newReplayCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay --local ID",
		Short: "Run a message's job here, in a folder; queue, record and receiver of callbacks notice nothing",
		Long: `Runs the job of a buried message on this machine, in a new folder, as ` + "`millrace run`" + `
does: its log is shown, its outputs stay in the folder. The queue, the record and
the receiver of the completion callback notice nothing of it; callbacks that the
pipeline itself makes are made.

The pipeline is the one that the job began with, where the store has kept it, else
the catalogue's. Nothing is confined, but for this: without --trust
your keys touch no bucket, and send to no queue or topic, that --buckets and
--send-to do not list here, since they may reach more than the worker's. A message
that brings its own pipeline is run with --trust alone: read it first
(` + "`millrace dlq explain ID`" + `).`,
		Args: args(cobra.ExactArgs(1)),
	}
	var r replay
	load, loadRoutes := bind(cmd, &r.clouds), bind(cmd, &r.routes)
	local := cmd.Flags().Bool("local", false, "on this machine; it must be said")
	cmd.Flags().StringVar(&r.workspace, "workspace", "", "the folder to work in (replay-JOB)")
	cmd.Flags().StringVar(&r.pipelines, "pipelines", "", "folder of named pipelines, s3://bucket/prefix or cos://bucket/prefix, over the built-in ones")
	cmd.Flags().StringSliceVar(&r.buckets, "payload-buckets", nil, "S3 buckets that the message may point to for its body: bucket or bucket/prefix, comma-separated")
	cmd.Flags().StringVar(&r.only, "job", "", "the ID of the job to run, of a message with several")
	cmd.Flags().BoolVar(&r.trust, "trust", false, "run what the message brings, let it reach private hosts and start programs")
	return onBrokers(cmd, func(c *cobra.Command, b *brokers, a []string) error {
		if !*local {
			return usage("a replay runs the job on this machine: say --local; `millrace dlq redrive` has a worker run it")
		}
		if err := errors.Join(b.cfg.checkCatalogue(r.pipelines, func(flag string) string { return "--" + flag })...); err != nil {
			return usage("%w", err)
		}
		if err := cmp.Or(load(), loadRoutes()); err != nil {
			return err
		}
		d, err := b.find(c.Context(), a[0])
		if err != nil {
			return err
		}
		return r.run(c.Context(), b, d, cmp.Or(r.only, a[0]))
	})
}

func (r *replay) run(ctx context.Context, b *brokers, d deadOne, id string) error {
	m, err := b.cfg.payloads(r.buckets, 0).Resolve(ctx, queue.Message{ID: d.ID, Body: d.Body, Attributes: d.Attributes, Enqueued: d.Enqueued, Group: d.Group})
	if err != nil {
		return fmt.Errorf("unpack message %s: %w", d.ID, err)
	}
	j, err := r.job(ctx, b, m, id)
	if err != nil {
		return fmt.Errorf("message %s: %w", d.ID, err)
	}
	store, err := b.cfg.openStore(ctx)
	if err != nil {
		return err
	}
	records := record.New(store, time.Now)
	cat, err := b.cfg.openCatalogue(ctx, r.pipelines, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	req, err := r.request(ctx, records, j, cat)
	if err != nil {
		return err
	}
	req.Place = worker.Inputs(j, store, 0)
	policy := launch.Policy{Shell: launch.ShellCatalogue}
	if r.trust {
		policy = launch.Policy{Shell: launch.ShellAll, AllowPrivate: true, AnyBucket: true}
	}
	policy.Clouds = r.clouds.access(ctx, &b.cfg.cloudConfig)
	runner, err := newRunner(map[string]string{}, policy, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	runner.listed = !r.trust // which buckets the worker refused is not known here
	letGo, err := runner.onThisMachine(gpuAuto, builtTools())
	if err != nil {
		return err
	}
	defer letGo()
	folder := r.workspace
	if folder == "" {
		folder = "replay-" + j.ID
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !(errors.Is(err, os.ErrExist) && r.workspace != "") {
		return fmt.Errorf("make folder %s: %w; name another by --workspace", folder, plainPath(err))
	}
	fmt.Fprintf(os.Stderr, "job %s, here, in %s\n", j.ID, folder)
	return runHere(ctx, runner, req, filepath.Clean(folder), newProgress("stdout", os.Stdout, os.Stderr))
}

// job is the one of a message that is to be run: its only one, or that of this ID.
func (r *replay) job(ctx context.Context, b *brokers, m queue.Message, id string) (*job.Job, error) {
	asked, err := job.Decode(m)
	if err != nil {
		return nil, fmt.Errorf("it is no job: %w", err)
	}
	rules, err := r.routes.openRoutes(ctx, &b.cfg.cloudConfig, newCatalogue(""), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	if rules == nil && len(asked.Uploads) > 0 {
		return nil, errors.New("it tells of uploads: name by --routes the table that makes jobs of them")
	}
	all, ids := asked.Jobs, []string{}
	for _, u := range asked.Uploads {
		if j, _ := rules().Route(u); j != nil {
			j.Renew(m.Attributes)
			all = append(all, j)
		}
	}
	for _, j := range all {
		if ids = append(ids, j.ID); len(all) == 1 || j.ID == id {
			return j, nil
		}
	}
	if len(all) == 0 {
		return nil, errors.New("it asks for no job")
	}
	return nil, fmt.Errorf("it asks for several jobs: say which, by its ID: %s", strings.Join(ids, ", "))
}

// request finds the pipeline as a worker would: the version that the job began with, else the catalogue's.
func (r *replay) request(ctx context.Context, records *record.Book, j *job.Job, cat *pipelines.Catalogue) (*launch.Request, error) {
	req := &launch.Request{Job: j, Attempt: 1, Last: true, Trusted: true}
	if j.Inline != nil {
		if !r.trust {
			return nil, errors.New("the message brings its own pipeline, which is a stranger's: read it (`millrace dlq explain`), then say --trust")
		}
		req.Document, req.Source, req.Digest = j.Inline, "message", pipelines.Digest(j.Inline)
		return req, nil
	}
	var err error
	req.Document, req.Source, req.Digest, err = cat.Document(j.Pipeline)
	name, digest := j.Pipeline, j.Version
	if rec, lerr := records.Load(ctx, j.ID); lerr == nil && digest == "" {
		name, digest = rec.Pipeline, rec.Digest
	}
	if digest == "" || digest == req.Digest {
		return req, err
	}
	doc, kept := records.Document(ctx, name[:len(name)-len(filepath.Ext(name))], digest)
	switch {
	case kept == nil:
		req.Document, req.Source, req.Digest = doc, name, digest
		return req, nil
	case err == nil && j.Version == "":
		fmt.Fprintf(os.Stderr, "the job began with %s, which is not kept: this is the present version\n", digest)
		return req, nil
	}
	return nil, errors.Join(err, kept)
}
