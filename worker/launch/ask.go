package launch

import (
	"context"
	"errors"
	"sync"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines/engine"
)

// An ask is what a child wants of its worker while a job runs; one of the fields besides ID is set. Each but Release is
// answered once.
type ask struct {
	ID      int           `json:"id"` // the child's own, above 0, and no other's of the same child
	Fit     *engine.Need  `json:"fit,omitzero"`
	Reserve *engine.Need  `json:"reserve,omitzero"`
	Release bool          `json:"release,omitzero"` // what the ask of this ID was given, or waits for
	Keys    cloud.Service `json:"keys,omitzero"`
}

// An answer is the worker's to the ask of the same ID. Wrong says why it is no.
type answer struct {
	ID      int             `json:"id"`
	Wrong   *engine.Failure `json:"wrong,omitzero"`
	Devices []gpu.Device    `json:"devices,omitzero"`
	Why     string          `json:"why,omitzero"` // as in engine.Grant
	Keys    *cloud.Keys     `json:"keys,omitzero"`
}

// err is the error that the worker had.
func (a *answer) err() error {
	switch f := a.Wrong; {
	case f == nil:
		return nil
	case f.Reason != "":
		return fault.As(f.Kind, &engine.Stop{Reason: f.Reason, Message: f.Message, Class: f.Class, Busy: f.Busy, Alone: f.Alone})
	default:
		return fault.As(f.Kind, errors.New(f.Message))
	}
}

// A link is the worker as a job in a child sees it: it is the job's engine.Host.
type link struct {
	events *lineWriter

	mu      sync.Mutex
	last    int                 // ID, guarded by mu
	waiting map[int]chan answer // by ID, guarded by mu
}

var _ engine.Host = (*link)(nil)

// ask sends an ask and waits for its answer. When ctx ends first the ask is withdrawn.
func (l *link) ask(ctx context.Context, a ask) (answer, error) {
	heard := make(chan answer, 1)
	l.mu.Lock()
	l.last++
	a.ID = l.last
	l.waiting[a.ID] = heard
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.waiting, a.ID)
	}()
	if err := l.events.write(fromChild{Ask: &a}); err != nil {
		return answer{}, err
	}
	select {
	case got := <-heard:
		return got, got.err()
	case <-ctx.Done():
		l.release(a.ID)
		return answer{}, context.Cause(ctx)
	}
}

// hear takes an answer. One to an ask that was withdrawn is nobody's.
func (l *link) hear(a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if heard := l.waiting[a.ID]; heard != nil {
		delete(l.waiting, a.ID)
		heard <- a
	}
}

// release gives back what an ask was given. A worker that can't be told is gone.
func (l *link) release(id int) { _ = l.events.write(fromChild{Ask: &ask{ID: id, Release: true}}) }

// Fit is engine.Host's.
func (l *link) Fit(ctx context.Context, n engine.Need) error {
	n.Task = clipped(n.Task, maxWord)
	_, err := l.ask(ctx, ask{Fit: &n})
	return err
}

// Reserve is engine.Host's.
func (l *link) Reserve(ctx context.Context, n engine.Need) (engine.Grant, error) {
	n.Task = clipped(n.Task, maxWord)
	got, err := l.ask(ctx, ask{Reserve: &n})
	if err != nil {
		return engine.Grant{}, err
	}
	return engine.Grant{Devices: got.Devices, Why: got.Why, Release: func() { l.release(got.ID) }}, nil
}

// Keys returns the operator's keys for the data of jobs.
func (l *link) Keys(ctx context.Context, s cloud.Service) (cloud.Keys, error) {
	got, err := l.ask(ctx, ask{Keys: s})
	if err != nil || got.Keys == nil {
		return cloud.Keys{}, err
	}
	return *got.Keys, nil
}
