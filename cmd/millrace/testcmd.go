package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/pipelines/trial"
)

// A testForm is how tests are chosen and shown.
type testForm struct {
	run           *regexp.Regexp // nil: all
	json, verbose bool
}

func newTestCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test DIR|FILE…",
		Short: "Run the tests that pipelines carry, without running what their modules do",
		Long: `Runs the tests of pipelines: those of NAME.yaml stand in NAME.test.yaml beside it.
The documents and the order of their tasks are real; in place of what modules do,
each test says what comes of it. Nothing touches a disk, a network or a program.
A folder stands for all test files in it, a pipeline for its own.

Exit codes: 0 all passed · 1 one failed, or a file is unreadable or invalid ·
2 the command line is wrong.`,
		Example: "  millrace test pipelines\n  millrace test --run greets -v pipelines/hello_world.yaml",
		Args:    args(cobra.MinimumNArgs(1)),
	}
	var form testForm
	pattern := cmd.Flags().String("run", "", "only tests whose \"file: name\" this regular expression finds")
	cmd.Flags().BoolVarP(&form.verbose, "verbose", "v", false, "show each test's tasks and what they were told")
	cmd.Flags().BoolVar(&form.json, "json", false, "as JSON, one list of results")
	cmd.RunE = func(c *cobra.Command, paths []string) error {
		if *pattern != "" {
			re, err := regexp.Compile(*pattern)
			if err != nil {
				return usage("--run: %w", err)
			}
			form.run = re
		}
		return form.test(c, paths)
	}
	return cmd
}

func (f testForm) test(c *cobra.Command, paths []string) error {
	tasks, cbs, err := registries()
	if err != nil {
		return err
	}
	found, wrong := trial.Find(paths)
	runner := trial.New(trial.Config{Modules: tasks, Callbacks: cbs, Planned: planned})
	results := []trial.Result{}
	s := newScreen(c.OutOrStdout())
	for _, path := range found.Tests {
		suite, err := trial.Load(path)
		if err != nil {
			wrong = errors.Join(wrong, err)
			continue
		}
		for i := range suite.File.Tests {
			t := &suite.File.Tests[i]
			if f.run != nil && !f.run.MatchString(suite.File.Name+": "+t.Name) {
				continue
			}
			r := runner.Run(c.Context(), t, suite.Source, suite.Doc)
			if !f.json {
				f.print(s, r)
			}
			results = append(results, r)
		}
	}
	if f.json {
		wrong = errors.Join(printJSON(s, results), wrong)
	}
	return f.conclude(c.ErrOrStderr(), results, found.Untested, wrong)
}

// print shows one result.
func (f testForm) print(s *screen, r trial.Result) {
	verdict := s.paint(green, "ok  ")
	if !r.Passed {
		verdict = s.paint(red, "FAIL")
	}
	s.printf("%s  %s: %s\n", verdict, plain(r.File), plain(r.Name))
	if f.verbose {
		for _, t := range r.Tasks {
			props, err := show.Text(t.Props, show.Raw)
			if err != nil {
				props = err.Error()
			}
			s.printf("      %s\n", s.paint(faint, plain(fmt.Sprintf("%s (%s) %s %s", t.Name, t.Module, t.Status, props))))
		}
	}
	for _, p := range r.Problems {
		path := plain(p.Path)
		if path != "" {
			path += ": "
		}
		s.printf("      %s:%d:%d: %s%s\n", plain(r.File), p.Line, p.Column, path, plain(p.Message))
	}
}

// conclude counts on w, and makes a failure the command's outcome.
func (f testForm) conclude(w io.Writer, results []trial.Result, untested []string, wrong error) error {
	failed, unchecked := 0, map[string]bool{}
	for _, r := range results {
		if !r.Passed {
			failed++
		}
		for _, m := range r.Unchecked {
			unchecked[m] = true
		}
	}
	if len(untested) > 0 {
		fmt.Fprintf(w, "note: without tests: %s\n", strings.Join(untested, ", "))
	}
	if names := slices.Sorted(maps.Keys(unchecked)); len(names) > 0 {
		fmt.Fprintf(w, "note: of later versions, so their props were not checked: %s\n", strings.Join(names, ", "))
	}
	if len(results) > 0 || wrong == nil {
		fmt.Fprintf(w, "%s: %d passed, %d failed\n", count(len(results), "test"), len(results)-failed, failed)
	}
	switch {
	case wrong != nil:
		return wrong
	case failed > 0:
		return &codeError{exitFailed, errSaid}
	case len(results) == 0:
		return errors.New("no test was run; --run found none")
	}
	return nil
}
