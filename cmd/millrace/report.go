package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/pipelines/report"
	"github.com/millrace/millrace/worker/launch"
)

// report writes the page about a run, where one is wanted. A page that can't be made is a warning of the run's.
func (r *runner) report(ctx context.Context, in *engine.Input, req *launch.Request, run *engine.Run) {
	c := report.Config{Documents: r.policy.Documents, When: report.When(r.policy.Report)}
	about := report.Input{Run: run, Job: jobVars(req), Workspace: in.Call.Workspace, Redact: in.Redact, Draw: draws(in.Call)}
	var err error
	run.Report, err = written(ctx, c, about)
	if r.page != "" {
		page := writePage(ctx, c, about, r.page)
		if page != nil {
			r.unwritten = in.Redact.String(page.Error())
		}
		err = errors.Join(err, page)
	}
	if err != nil {
		run.Warnings = append(run.Warnings, in.Redact.String(err.Error()))
	}
}

// checkPage says why a report can't be written to file, as far as it shows before there is a run.
func checkPage(file string) error {
	if file == "" {
		return nil
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder; name a file in it", file)
	}
	dir := filepath.Dir(file)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no folder %s; make it, or name another", dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder; name another", dir)
	}
	return nil
}

// maxReport is how long the page may take: a job that is done is not lost to its report.
const maxReport = 10 * time.Second

func written(ctx context.Context, c report.Config, in report.Input) (string, error) {
	ctx, cancel := timed(ctx)
	defer cancel()
	return c.Write(ctx, in)
}

func timed(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, maxReport, fmt.Errorf("report: took longer than %s", maxReport))
}

// writePage writes the report to a file that may lie anywhere: its links lead to the outputs from there.
func writePage(ctx context.Context, c report.Config, in report.Input, file string) error {
	abs, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	base, err := filepath.Rel(filepath.Dir(abs), filepath.Join(in.Workspace.Real(), "outputs"))
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	ctx, cancel := timed(context.WithoutCancel(ctx))
	defer cancel()
	page, err := c.Page(ctx, in, filepath.ToSlash(base)+"/")
	if err != nil {
		return err
	}
	if err := os.WriteFile(abs, []byte(page), 0o644); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
