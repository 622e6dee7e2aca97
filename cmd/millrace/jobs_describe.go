package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/record"
)

// jobIDVar names the job that commands are about where none is given: jobs have it in their environment.
const jobIDVar = "JOB_ID"

// onJob makes a command that is about one job: run gets the open data folder and the ID that was given.
func onJob(use, short string, run func(c *cobra.Command, d jobView, id string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use + " [ID]",
		Short: short,
		Long:  short + ".\n\nID may be a beginning that only one job has; without one it is the environment's " + jobIDVar + ".",
		Args:  args(cobra.MaximumNArgs(1)),
	}
	var cfg jobsConfig
	load := bind(cmd, &cfg)
	cmd.RunE = func(c *cobra.Command, a []string) (err error) {
		if err := load(); err != nil {
			return err
		}
		id := os.Getenv(jobIDVar)
		if len(a) > 0 {
			id = a[0]
		}
		if id == "" {
			return usage("which job? give its ID, or set %s (see `%s --help`)", jobIDVar, c.CommandPath())
		}
		d, done, err := cfg.open(c.Context(), c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, done()) }()
		return run(c, d, id)
	}
	return cmd
}

func newJobsDescribeCmd() *cobra.Command {
	var asJSON bool
	cmd := onJob("describe", "Show all that is known of a job", func(c *cobra.Command, d jobView, id string) error {
		r, err := find(c.Context(), d, id)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(c.OutOrStdout(), r.Polled())
		}
		describe(newScreen(c.OutOrStdout()), r)
		return nil
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "the whole record, as JSON")
	return cmd
}

// describe shows a record to a person.
func describe(s *screen, r *record.Record) {
	s.printf("%s  %s\n", s.paint(bold, plain(r.ID)), statusMark(s, r.Status))
	for _, line := range [][2]string{
		{"name", r.Name},
		{"title", r.Title},
		{"pipeline", r.Pipeline},
		{"digest", r.Digest},
		{"entry", r.Entry},
		{"customer", r.CustomerID},
		{"cid", r.CID},
		{"link", r.LinkID},
		{"external", r.ExternalID},
		{"sent", clock(r.Enqueued)},
		{"started", clock(r.Started)},
		{"stopped", stopped(r)},
		{"latency", latency(r)},
		{"gpu", gpuTime(r.GPUSeconds)},
		{"worker", r.PodName},
	} {
		if line[1] != "" {
			labeled(s, line[0], line[1])
		}
	}
	describeFailure(s, r.Message)
	for _, w := range r.Warnings {
		labeled(s, "warning", w)
	}
	if c := r.CancelRequested; c != nil {
		labeled(s, "cancel", "asked for at "+clock(c.Time)+": "+c.Why)
	}
	if r.Callback != nil {
		labeled(s, "callback", delivered(r.Callback))
	} else if o := r.Owed; o != nil {
		labeled(s, "callback", fmt.Sprintf("owed: %s failed, the next is due %s: %s", tries(o.Tries), clock(o.Next), o.Error))
	}
	if len(r.Attempts) > 0 {
		s.printf("\n%s\n", s.paint(bold, "Attempts"))
	}
	if r.Folded != nil {
		s.printf("  %d more were interrupted\n", r.Folded.Interrupted)
	}
	for _, a := range r.Attempts {
		describeAttempt(s, a)
	}
	if len(r.Tasks) > 0 {
		s.printf("\n%s\n", s.paint(bold, "Tasks"))
		timeline(s, r.Tasks)
	}
	if len(r.Artifacts) > 0 {
		s.printf("\n%s\n", s.paint(bold, "Outputs, by their key in the store"))
	}
	for _, a := range r.Artifacts {
		s.printf("  %-10s %s\n", bytesOf(a.Size), plain(a.Key))
	}
}

// describeFailure shows an error, and apart from it, as it was written, the end of the log that follows it.
func describeFailure(s *screen, message string) {
	why, log, _ := strings.Cut(message, "\n")
	if why != "" {
		labeled(s, "why", why)
	}
	label := "log"
	for line := range strings.Lines(log) {
		if line = strings.TrimRight(plain(line), " "); line != "" {
			s.printf("  %-9s %s\n", label, line)
			label = ""
		}
	}
}

// stopped is when a job ended, and how long it took from its start.
func stopped(r *record.Record) string {
	if r.Finished.IsZero() {
		return ""
	}
	if r.Started.IsZero() {
		return clock(r.Finished)
	}
	return fmt.Sprintf("%s, after %s", clock(r.Finished), took(r.Finished.Sub(r.Started)))
}

// latency is how long the job took from the moment that it was sent.
func latency(r *record.Record) string {
	if r.LatencyMs == 0 {
		return ""
	}
	return took(time.Duration(r.LatencyMs)*time.Millisecond) + " since it was sent"
}

// gpuTime is how long the job had GPUs.
func gpuTime(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return fmt.Sprintf("%.3g GPU seconds", seconds)
}

// delivered is what became of a completion callback.
func delivered(d *record.Delivery) string {
	if d.Error != "" {
		return fmt.Sprintf("given up after %s: %s", tries(d.Tries), d.Error)
	}
	return fmt.Sprintf("answered %d after %s, %s", d.Status, tries(d.Tries), clock(d.Time))
}

func tries(n int) string {
	if n == 1 {
		return "one try"
	}
	return fmt.Sprintf("%d tries", n)
}

func describeAttempt(s *screen, a record.AttemptRecord) {
	length := ""
	if !a.Ended.IsZero() {
		length = took(a.Ended.Sub(a.Started))
	}
	s.printf("  #%d %-11s %9s  %s\n", a.N, a.Status, length, plain(a.Worker))
	if a.Failure == nil {
		return
	}
	for _, line := range wrap(plain(a.Failure.Message), 72) {
		s.printf("     %s\n", line)
	}
}
