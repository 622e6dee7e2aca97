package launch

import (
	"context"
	"fmt"
	"os"

	"github.com/millrace/millrace/pipelines/engine"
)

// Inline runs jobs in this process: `isolation: none`. A job that panics is caught; one that exhausts memory takes
// the worker with it.
type Inline struct {
	Root string // folder for the jobs' own folders
	Run  Runner
}

var _ Launcher = (*Inline)(nil)

func (l *Inline) Launch(ctx context.Context, req *Request, rep engine.Reporter) (*Outcome, error) {
	dir, err := MakeDir(l.Root, "")
	if err != nil {
		return nil, err
	}
	run := l.Run(ctx, dir, req, rep)
	return &Outcome{Run: run, Workspace: dir.Workspace(), close: func() { _ = os.RemoveAll(dir.Path) }}, nil
}

// MakeDir makes a fresh folder below root with the places that a job has; work is the workspace when it is another
// folder. Remove Dir.Path after use.
func MakeDir(root, work string) (Dir, error) {
	path, err := os.MkdirTemp(root, "slot-")
	if err != nil {
		return Dir{}, fmt.Errorf("make job folder: %w", err)
	}
	d := Dir{Path: path, Work: work}
	return d, d.fill()
}

// fill makes what a job finds in its folder.
func (d Dir) fill() error {
	for _, p := range []string{d.Workspace(), d.Temp(), d.Home()} {
		if err := os.MkdirAll(p, 0o700); err != nil {
			return fmt.Errorf("make job folder: %w", err)
		}
	}
	return nil
}

// wipe empties the folder, so that the next job finds nothing of the last one.
func (d Dir) wipe() error {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return fmt.Errorf("wipe job folder: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(d.Path + "/" + e.Name()); err != nil {
			return fmt.Errorf("wipe job folder: %w", err)
		}
	}
	return d.fill()
}
