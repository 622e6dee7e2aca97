package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// An order is what `millrace jobs run` is told about one message.
type order struct {
	name, id, callback, deadline, format string
	maxAttempts                          int
	print, dryRun, watch, debug          bool
}

// sendConfig says where messages go and which pipelines there are.
type sendConfig struct {
	dataConfig
	Pipelines string `flag:"pipelines" default:"" doc:"folder of named pipelines, over the built-in ones"`
}

func newJobsRunCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "run NAME|FILE|file://PATH|- [key=value…]",
		Aliases: []string{"submit"},
		Short:   "Send a job to the queue, for a worker to run",
		Long: `Sends one message: a pipeline of the catalogue by its NAME, or a FILE (- is stdin)
that the message then holds. The rest is laid over the pipeline's state. Values
are JSON where they can be read as JSON, else text:

  string_var="hello world" number_var=42 list='[1,"two",true]' map='{"k":"v"}'
  a=1,b=2

The job's ID alone goes to stdout, all else to stderr.

Exit codes: 0 it was sent (with --watch: it succeeded) · 1 it can't be run (with
--watch: it failed) · 2 the command line is wrong · 130 stopped by a signal.`,
		Example: "  millrace jobs run hello_world name=Ada --watch\n  id=$(millrace jobs run job.yaml input=gear.stl)\n  millrace jobs run job.yaml --dry-run",
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
		if o.format != show.YAML && o.format != show.JSON {
			return usage("--format: %q is neither yaml nor json", o.format)
		}
		m, err := o.message(c.InOrStdin(), a[0], a[1:], newCatalogue(cfg.Pipelines))
		if err != nil {
			return err
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
	f.StringVarP(&o.name, "job-name", "n", "", "name for people; $timestamp becomes the time (the pipeline's name)")
	f.StringVar(&o.id, "id", "", "the job's ID: two messages with one ID are one job (the queue's)")
	f.StringVar(&o.callback, "callback", "", "URL to post the outcome to")
	f.StringVar(&o.deadline, "deadline", "", "longest run, like 20m (the worker's)")
	f.IntVar(&o.maxAttempts, "max-attempts", 0, "attempts, 1 to 20 (the worker's)")
	f.BoolVar(&o.print, "print", false, "show the message, on stderr")
	f.BoolVar(&o.dryRun, "dry-run", false, "check pipeline and message and show it, on stdout; send nothing")
	f.StringVarP(&o.format, "format", "f", show.YAML, "form in which it is shown: yaml or json")
	f.BoolVar(&o.watch, "watch", false, "wait until the job is over, then show its log")
	f.BoolVar(&o.debug, "debug", false, "have the job log every step")
}

// A message is one that can be sent: its job decodes and its pipeline parses.
type message struct {
	fields   map[string]any
	body     []byte
	job      *job.Job
	source   string // the pipeline's name in problems
	document []byte
}

// message makes the message that o, a pipeline and values ask for.
func (o *order) message(stdin io.Reader, source string, values []string, cat *pipelines.Catalogue) (*message, error) {
	state, err := job.ParseState(values)
	if err != nil {
		return nil, usage("%w", err)
	}
	m := &message{fields: map[string]any{"pipeline": source}}
	if m.document, m.source, err = readSource(stdin, source, cat); err != nil {
		return nil, err
	}
	p, err := pipelines.Parse(m.source, m.document)
	if err != nil {
		return nil, err
	}
	if !isName(source) {
		m.fields["pipeline"] = asText(m.document)
	}
	if len(state) > 0 {
		m.fields["state"] = state
	}
	if o.name == "" {
		o.name = kebab(p.Name)
	}
	m.set("name", strings.ReplaceAll(o.name, "$timestamp", time.Now().UTC().Format("20060102-150405")))
	m.set("id", o.id)
	m.set("deadline", o.deadline)
	if o.callback != "" {
		m.fields["callback"] = map[string]any{"url": o.callback}
	}
	if o.maxAttempts != 0 {
		m.fields["max_attempts"] = o.maxAttempts
	}
	if o.debug {
		m.fields["debug"] = true
	}
	if m.body, err = json.Marshal(m.fields); err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	m.job, err = job.Decode(queue.Message{ID: "new", Body: m.body})
	return m, err
}

func (m *message) set(key, value string) {
	if value != "" {
		m.fields[key] = value
	}
}

// isName says whether source, which readSource has read, is a name of the catalogue.
func isName(source string) bool {
	if source == "-" || strings.HasPrefix(source, "file://") {
		return false
	}
	info, err := os.Stat(source)
	return err != nil || info.IsDir()
}

// asText is a document that a message can't take for a pipeline's name.
func asText(doc []byte) string {
	if text := string(doc); strings.Contains(text, "\n") {
		return text
	}
	return string(doc) + "\n"
}

// kebab writes a name in small letters with dashes: "Hello World" and "hello_world" are hello-world.
func kebab(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), "-")
}

func (m *message) show(w io.Writer, format string) error {
	text, err := show.Text(m.fields, format)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, text)
	return err
}

// check shows the message, and what lint finds in its pipeline.
func (m *message) check(stdout, stderr io.Writer, format string) error {
	if err := m.show(stdout, format); err != nil {
		return err
	}
	o, err := lintOptions()
	if err != nil {
		return err
	}
	found := lint(m.source, m.document, o)
	if len(found) == 0 {
		_, err := fmt.Fprintln(stderr, "nothing was sent: --dry-run")
		return err
	}
	return errors.Join(printFindings(newScreen(stderr), found), concludeLint(stderr, found, 1))
}

// send puts the message into the queue and says the job's ID, and waits for its end when it is told to.
func (o *order) send(c *cobra.Command, m *message, cfg sendConfig) (err error) {
	d, err := makeDesk(c.Context(), cfg.dataConfig)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	id, err := d.queue.Send(c.Context(), queue.Draft{Body: m.body})
	if err != nil {
		return err
	}
	if id = job.SafeID(id); o.id != "" {
		id = m.job.ID
	}
	if _, err := fmt.Fprintln(c.OutOrStdout(), id); err != nil {
		return err
	}
	if !o.watch {
		fmt.Fprintf(c.ErrOrStderr(), "sent %s; `millrace work` runs it, `millrace jobs watch %s` waits for it\n", m.fields["name"], id)
		return nil
	}
	return untilStopped(c.Context(), func(ctx context.Context) error { return d.watch(ctx, c, id) })
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
