package launch

import (
	"context"
	"sync"

	"github.com/millrace/millrace/pipelines/engine"
)

// Inline runs jobs in this process: `isolation: none`. A job that panics is caught; one that exhausts memory takes
// the worker with it.
type Inline struct {
	Root    string // folder for the jobs' own folders
	Run     Runner
	Machine *Machine // that the jobs share; nil has no GPUs, and counts nothing

	mu   sync.Mutex
	free []Dir // wiped, guarded by mu
}

var _ Launcher = (*Inline)(nil)

func (l *Inline) Launch(ctx context.Context, req *Request, rep engine.Reporter) (*Outcome, error) {
	dir, err := l.take()
	if err != nil {
		return nil, err
	}
	if err := l.Machine.place(ctx, req, dir); err != nil {
		l.give(dir)
		return nil, err
	}
	ctx, share := l.Machine.Share(ctx, req, dir)
	defer share.Close()
	own := *req
	own.Host, own.Keys = share, share.Keys
	run := share.judged(l.Run(ctx, dir, &own, rep))
	return &Outcome{Run: run, Workspace: dir.Workspace(), close: func() { l.give(dir) }}, nil
}

func (l *Inline) take() (Dir, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		d := l.free[n-1]
		l.free = l.free[:n-1]
		return d, nil
	}
	return MakeDir(l.Root, "")
}

// give keeps the folder for the next job, if it can be wiped.
func (l *Inline) give(d Dir) {
	if d.wipe() != nil {
		_ = Remove(d.Path) // what stays is swept by the next worker, and no job is given it
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, d)
}
