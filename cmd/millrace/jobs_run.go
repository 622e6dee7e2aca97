package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/worker/gateway"
	"github.com/millrace/millrace/worker/job"
)

// An order is what `millrace jobs run` is told about one message.
type order struct {
	fields                      map[string]*string // of the message, by their key in it; empty is not given
	logger                      logForm            // of a watched job
	callback, format, with      string
	maxAttempts                 int
	print, dryRun, watch, debug bool
	remote                      bool // it goes to a gateway, whose catalogue may have other pipelines
}

// sendConfig says where messages go and which pipelines there are.
type sendConfig struct {
	jobsConfig
	Pipelines string `flag:"pipelines" default:"" doc:"folder of named pipelines, s3://bucket/prefix or cos://bucket/prefix, over the built-in ones"`
}

func (c *sendConfig) complete(from func(string) string) []error {
	return append(c.jobsConfig.complete(from), c.checkCatalogue(c.Pipelines, from)...)
}

func newJobsRunCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "run NAME|FILE|file://PATH|- [key=value…]",
		Aliases: []string{"submit"},
		Short:   "Send a job to the queue, for a worker to run",
		Long: `Sends one message: a pipeline of the catalogue by its NAME, or a FILE (- is stdin)
that the message then holds. A FILE may also be a message itself: a map with
"pipeline" and no "tasks"; flags win over what it says. The rest is laid over the
pipeline's state. Values are JSON where they can be read as JSON, else text:

  string_var="hello world" number_var=42 list='[1,"two",true]' map='{"k":"v"}'
  a=1,b=2

NAME@sha256:… asks for the version of that digest; one that is not the catalogue's
now is run by workers that have run it before, and is not checked here.

The job's ID alone goes to stdout, all else to stderr.

Exit codes: 0 it was sent (with --watch: it succeeded) · 1 it can't be run (with
--watch: it failed) · 2 the command line is wrong · 130 stopped by a signal.`,
		Example: "  millrace jobs run hello_world name=Ada --watch\n  id=$(millrace jobs run job.yaml input=gear.stl)\n  millrace jobs run job.yaml --with . --watch\n  millrace jobs run job.yaml --dry-run",
		Args:    args(cobra.MinimumNArgs(1)),
	}
	var cfg sendConfig
	var o order
	load := bind(cmd, &cfg)
	o.bind(cmd)
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if err := load(); err != nil {
			return err
		}
		if err := o.check(); err != nil {
			return err
		}
		cat, err := cfg.openCatalogue(c.Context(), cfg.Pipelines, slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil)))
		if err != nil {
			return err
		}
		o.remote = cfg.Server != ""
		m, err := o.message(c.Context(), c.InOrStdin(), a[0], a[1:], cat)
		if err != nil {
			return err
		}
		if !o.remote && cfg.onSQS() && m.job.Deadline > holdLimit {
			fmt.Fprintln(c.ErrOrStderr(), tooLong(m.job.Deadline))
		}
		if o.dryRun {
			return m.check(c.OutOrStdout(), c.ErrOrStderr(), o.format)
		}
		if o.print {
			if err := m.show(c.ErrOrStderr(), o.format); err != nil {
				return err
			}
		}
		return o.send(c, m, cfg)
	}
	return cmd
}

func (o *order) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	o.fields = map[string]*string{
		"name":       f.StringP("job-name", "n", "", "name for people; $timestamp becomes the time (the pipeline's name)"),
		"id":         f.String("id", "", "the job's ID: two messages with one ID are one job (the queue's)"),
		"title":      f.String("title", "", "title for people"),
		"cid":        f.String("cid", "", "correlation ID"),
		"linkId":     f.String("link-id", "", "ID of what the job belongs to"),
		"customerId": f.String("customer-id", "", "whose job it is: queues serve customers in turn, and with isolation pipeline they share no process"),
		"externalId": f.String("external-id", "", "ID that another system knows the job by"),
		"entry":      f.String("entry", "", "which of the document's entries to run (its own tasks)"),
		"class":      f.String("class", "", "class of workers that it requires, like gpu (what its pipeline needs)"),
		"deadline":   f.String("deadline", "", "longest run, like 20m (the worker's)"),

		"keep_outputs": f.String("keep-outputs", "", "how long its outputs are kept after its end, like 36h (the store's)"),
	}
	f.StringVar(&o.callback, "callback", "", "URL to post the outcome to")
	f.IntVar(&o.maxAttempts, "max-attempts", 0, "attempts, 1 to 20 (the worker's)")
	f.StringVar(&o.with, "with", "", "folder whose files the job finds in its workspace; links are refused, and what .millraceignore names is left out")
	f.BoolVar(&o.print, "print", false, "show the message, on stderr")
	f.BoolVar(&o.dryRun, "dry-run", false, "check pipeline and message and show it, on stdout; send nothing")
	f.StringVarP(&o.format, "format", "f", show.YAML, "form in which it is shown: yaml or json")
	f.BoolVar(&o.watch, "watch", false, "wait until the job is over, then show its log")
	f.BoolVar(&o.debug, "debug", false, "have the job log every step")
	o.logger.bind(cmd)
}

// check refuses what no message can be made of.
func (o *order) check() error {
	if o.format != show.YAML && o.format != show.JSON {
		return usage("--format: %q is neither yaml nor json", o.format)
	}
	if id := *o.fields["id"]; id != "" && id != job.SafeID(id) {
		return usage("--id: %q can't stand in paths: write letters, digits, \".\", \"_\" and \"-\", a letter or digit first, at most 128 in all", id)
	}
	return nil
}

// send puts the message into the queue and says the job's ID, and waits for its end when it is told to.
func (o *order) send(c *cobra.Command, m *message, cfg sendConfig) (err error) {
	sent := o.sendToQueue
	if o.remote {
		sent = o.sendToGateway
	}
	id, how, err := sent(c, m, &cfg)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(c.OutOrStdout(), id); err != nil {
		return err
	}
	if !o.watch {
		fmt.Fprintf(c.ErrOrStderr(), "sent %v%s `millrace jobs watch %s` waits for it\n", m.fields["name"], how, id)
		return nil
	}
	d, done, err := cfg.openBy(c.Context(), makeDesk, io.Discard)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	return untilStopped(c.Context(), func(ctx context.Context) error { return watchJob(ctx, d, c, id, o.logger) })
}

func (o *order) sendToQueue(c *cobra.Command, m *message, cfg *sendConfig) (id, how string, err error) {
	to, err := m.choose(cfg.queues)
	if err != nil {
		return "", "", err
	}
	id, err = m.sendTo(c.Context(), &cfg.placeConfig, to)
	return id, toClass(to) + "; `millrace work` runs it,", err
}

func (o *order) sendToGateway(c *cobra.Command, m *message, cfg *sendConfig) (id, how string, err error) {
	cfg.warn(c.ErrOrStderr())
	jobs, err := submit(c, m, cfg)
	if err == nil && len(jobs) != 1 {
		err = fmt.Errorf("%s answers that it sent %d jobs, and one was asked for", cfg.Server, len(jobs))
	}
	if err != nil {
		return "", "", err
	}
	return jobs[0].ID, " by " + cfg.Server + ";", nil
}

func submit(c *cobra.Command, m *message, cfg *sendConfig) ([]gateway.SentJob, error) {
	if m.parcel != nil {
		done, err := m.submitWith(c, cfg)
		return done.Jobs, err
	}
	gw, err := cfg.client()
	if err != nil {
		return nil, err
	}
	done, err := gw.Submit(c.Context(), m.body)
	return done.Jobs, err
}

// untilStopped runs f with a context that a signal ends, and makes such an end the command's outcome.
func untilStopped(ctx context.Context, f func(context.Context) error) error {
	soft, _, stop := signals(ctx)
	defer stop()
	err := f(soft)
	if stoppedBySignal(soft) {
		return &codeError{exitStopped, errSaid}
	}
	return err
}
