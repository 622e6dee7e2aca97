package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

func newJobsLogsCmd() *cobra.Command {
	var follow bool
	cmd := onJob("logs", "Show what a job's tasks wrote", func(c *cobra.Command, d *desk, id string) error {
		return untilStopped(c.Context(), func(ctx context.Context) error {
			r, err := d.find(ctx, id)
			if follow {
				r, err = d.orQueued(id, r, err)
			}
			if err != nil {
				return err
			}
			return d.printLog(ctx, c.OutOrStdout(), r.ID, follow)
		})
	})
	cmd.Flags().BoolVar(&follow, "follow", false, "go on until the job is over")
	return cmd
}

func newJobsWatchCmd() *cobra.Command {
	return onJob("watch", "Wait until a job is over, then show its log", func(c *cobra.Command, d *desk, id string) error {
		return untilStopped(c.Context(), func(ctx context.Context) error {
			r, err := d.find(ctx, id)
			if r, err = d.orQueued(id, r, err); err != nil {
				return err
			}
			return d.watch(ctx, c, r.ID)
		})
	})
}

// printLog writes a job's log, a line for each line that a task wrote, for each task that failed, and between attempts.
func (d *desk) printLog(ctx context.Context, w io.Writer, id string, follow bool) error {
	s := newScreen(w)
	begun := false
	for ev, err := range d.records.Logs(ctx, id, follow) {
		if err != nil {
			return err
		}
		if ev.Kind == engine.RunStarted {
			if begun {
				s.printf("%s\n", s.paint(faint, "— another attempt —"))
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
	switch ev.Kind {
	case engine.Trace:
		return s.paint(faint, plain(ev.Line)), true
	case engine.TaskStdout, engine.TaskStderr:
		if s.terminal {
			return plain(ev.Line), true
		}
		return ev.Line, true
	case engine.TaskRetry:
		return fmt.Sprintf("%s %s: try %d failed: %s", s.paint(yellow, "↻"), name(ev), ev.Try, plain(ev.Error)), true
	case engine.Warning, engine.CallbackFailed:
		return s.paint(yellow, "!") + " " + plain(ev.Error), true
	case engine.TaskEnded:
		if t := ev.TaskRun; t != nil && t.Status == engine.Failed && !t.Soft && t.Failure != nil {
			return fmt.Sprintf("%s %s: %s", s.paint(red, "✗"), name(ev), plain(t.Failure.Message)), true
		}
	}
	return "", false
}

const (
	watchEvery  = 250 * time.Millisecond
	watchHint   = 5 * time.Second // how long a job may be queued before we say how to run it
	watchFailed = "job %s is %s"
)

// watch waits until a job is over, says on stderr how it stands whenever that changes, and shows its log on stdout.
// A job that did not succeed is exit code 1.
func (d *desk) watch(ctx context.Context, c *cobra.Command, id string) error {
	s := newScreen(c.ErrOrStderr())
	r, err := d.untilFinal(ctx, s, id)
	if err != nil {
		return err
	}
	if err := d.printLog(ctx, c.OutOrStdout(), id, true); err != nil { // the log may be a moment behind the record
		return err
	}
	if r.Status != record.Succeeded {
		return fmt.Errorf(watchFailed, id, r.Status)
	}
	return nil
}

func (d *desk) untilFinal(ctx context.Context, s *screen, id string) (*record.Record, error) {
	began, hinted := time.Now(), false
	last := record.Status("")
	for {
		r, err := d.load(ctx, id)
		if r, err = d.orQueued(id, r, err); err != nil {
			return nil, err
		}
		if r.Status != last {
			s.printf("%s %s%s\n", clock(time.Now()), statusMark(s, r.Status), d.due(ctx, r))
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
func (d *desk) due(ctx context.Context, r *record.Record) string {
	if r.Status == record.Queued && r.Message != "" {
		return "; " + r.Message
	}
	if r.Status != record.Retrying {
		return ""
	}
	m, err := d.findWaiting(ctx, r.ID)
	if err != nil || m.State == queue.InFlight {
		return "; `millrace work` makes the next attempt when it is due"
	}
	when := "now"
	if m.Hidden > 0 {
		when = "in " + m.Hidden.Round(time.Second).String()
	}
	return fmt.Sprintf("; the next attempt is due %s, and `millrace work` makes it", when)
}
