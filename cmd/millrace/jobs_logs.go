package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/gateway/client"
	"github.com/millrace/millrace/worker/record"
)

func newJobsLogsCmd() *cobra.Command {
	var follow bool
	var form logForm
	cmd := onJob("logs", "Show what a job's tasks wrote", func(c *cobra.Command, d jobView, id string) error {
		return untilStopped(c.Context(), func(ctx context.Context) error {
			seek := find
			if follow {
				seek = findOrQueued
			}
			r, err := seek(ctx, d, id)
			if err != nil {
				return err
			}
			return printLog(ctx, d, c.OutOrStdout(), r.ID, follow, form)
		})
	})
	cmd.Flags().BoolVar(&follow, "follow", false, "go on until the job is over")
	form.bind(cmd)
	return cmd
}

func newJobsWatchCmd() *cobra.Command {
	var form logForm
	cmd := onJob("watch", "Wait until a job is over, then show its log", func(c *cobra.Command, d jobView, id string) error {
		return untilStopped(c.Context(), func(ctx context.Context) error {
			r, err := findOrQueued(ctx, d, id)
			if err != nil {
				return err
			}
			return watchJob(ctx, d, c, r.ID, form)
		})
	})
	form.bind(cmd)
	return cmd
}

// A logForm is how a job's log is shown.
type logForm string

func (f *logForm) bind(cmd *cobra.Command) {
	*f = "stdout"
	cmd.Flags().VarP(f, "logger", "l", "form of the job's log: color (also where it goes to no terminal), json (its events, one a line), stdout")
}

// String, Set and Type are those of a pflag.Value.
func (f *logForm) String() string { return string(*f) }

func (f *logForm) Type() string { return "string" }

func (f *logForm) Set(text string) error {
	*f = logForm(text)
	return errors.Join((&logConfig{Logger: text}).complete(func(string) string { return "it" })...)
}

// printLog writes a job's log, a line for each line that a task wrote, for each task that failed, and between attempts.
func printLog(ctx context.Context, d jobView, w io.Writer, id string, follow bool, form logForm) error {
	s := newScreen(w)
	s.colors = s.colors || form == "color"
	begun := false
	for ev, err := range d.Logs(ctx, id, follow) {
		if err != nil {
			return err
		}
		if form == "json" {
			if err := json.NewEncoder(w).Encode(ev); err != nil {
				return err
			}
			continue
		}
		if ev.Kind == engine.RunStarted {
			if begun {
				s.printf("%s\n", s.paint(faint, desk.Seam))
			}
			begun = true
		}
		if line, ok := logLine(s, ev); ok {
			if _, err := fmt.Fprintln(s, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// logLine is what a log shows of an event; ok is false for nothing. What tasks wrote stays as it is, unless it goes to
// a terminal.
func logLine(s *screen, ev engine.Event) (line string, ok bool) {
	l, ok := desk.Line(ev)
	switch {
	case !ok:
		return "", false
	case !l.Ours && !s.terminal:
		return l.Text, true
	case l.Ours && l.Mark == "":
		return s.paint(faint, plain(l.Text)), true
	case l.Mark == "":
		return plain(l.Text), true
	}
	color := yellow
	if l.Mark == "✗" {
		color = red
	}
	return s.paint(color, l.Mark) + " " + plain(l.Text), true
}

const (
	watchEvery  = 250 * time.Millisecond
	watchHint   = 5 * time.Second // how long a job may be queued before we say how to run it
	watchAway   = 2 * time.Minute // how long a gateway that has answered may be away
	watchFailed = "job %s is %s"
)

// watchJob waits until a job is over, says on stderr how it stands whenever that changes, and shows its log on stdout.
// A job that did not succeed is exit code 1.
func watchJob(ctx context.Context, d jobView, c *cobra.Command, id string, form logForm) error {
	s := newScreen(c.ErrOrStderr())
	r, err := untilFinal(ctx, d, s, id)
	if err != nil {
		return err
	}
	if err := printLog(ctx, d, c.OutOrStdout(), id, true, form); err != nil { // the log may be a moment behind the record
		return err
	}
	if r.Status != record.Succeeded {
		return fmt.Errorf(watchFailed, id, r.Status)
	}
	return nil
}

// A watch looks at a job again and again.
type watch struct {
	d    jobView
	s    *screen
	id   string
	seen time.Time // when the job was last found, or sent
}

// load is how the job stands. A gateway, which has answered before, may be away for a while, as when it is replaced.
func (w *watch) load(ctx context.Context) (*record.Record, error) {
	limited, cancel := context.WithDeadlineCause(ctx, w.seen.Add(watchAway), fmt.Errorf("it was away for %v", watchAway))
	defer cancel()
	for told := false; ; told = true {
		r, err := desk.OrQueued(w.d.Load(limited, w.id))
		away, ok := errors.AsType[*client.Error](err)
		if !ok || !away.Passes() || limited.Err() != nil {
			w.seen = time.Now()
			return r, err
		}
		if !told {
			w.s.printf("%s the gateway can't be asked (%s); waiting for it\n", clock(time.Now()), away.Why())
		}
		pause(limited, watchEvery)
	}
}

func untilFinal(ctx context.Context, d jobView, s *screen, id string) (*record.Record, error) {
	began, hinted := time.Now(), false
	w := watch{d: d, s: s, id: id, seen: began}
	last := record.Status("")
	for {
		r, err := w.load(ctx)
		if err != nil {
			return nil, err
		}
		if r.Status != last {
			s.printf("%s %s%s\n", clock(time.Now()), statusMark(s, r.Status), due(ctx, d, r))
			last = r.Status
		}
		if r.Status.Final() {
			return r, nil
		}
		if r.Status == record.Queued && !hinted && time.Since(began) > watchHint {
			s.printf("no worker has taken it yet; `millrace work` starts one\n")
			hinted = true
		}
		if !pause(ctx, watchEvery) {
			return nil, context.Cause(ctx)
		}
	}
}

// due says what a job waits for, as far as the queue knows: when its next attempt may be made.
func due(ctx context.Context, d jobView, r *record.Record) string {
	if r.Status == record.Queued && r.Message != "" {
		return "; " + r.Message
	}
	if r.Status != record.Retrying {
		return ""
	}
	in, known := d.Due(ctx, r.ID)
	if !known {
		return "; `millrace work` makes the next attempt when it is due"
	}
	when := "now"
	if in > 0 {
		when = "in " + in.Round(time.Second).String()
	}
	return fmt.Sprintf("; the next attempt is due %s, and `millrace work` makes it", when)
}
