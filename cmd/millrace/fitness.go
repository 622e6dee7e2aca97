package main

import (
	"context"
	"sync"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
)

// A fitness says whether this machine can run a pipeline of the operator's, as far as the document alone says what it needs.
type fitness struct {
	machine *launch.Machine
	modules *modules.Registry

	mu     sync.Mutex
	parsed map[string]*pipelines.Pipeline // by digest, guarded by mu
}

// maxParsed is how many documents are remembered.
const maxParsed = 256

// of returns why the machine can't run what is asked for, or can't now: see launch.Machine.Fit. A pipeline that a message brings
// is read where the job runs, and nowhere else.
func (f *fitness) of(ctx context.Context, req *launch.Request) error {
	if err := f.machine.FitNumber(ctx, req); err != nil || !req.Trusted {
		return err
	}
	p, err := f.pipeline(req).Select(req.Job.Entry)
	if err != nil {
		return nil // the job says it
	}
	for _, n := range engine.Needs(f.modules, p) {
		if err := f.machine.Fit(ctx, req, n); err != nil {
			return err
		}
	}
	return nil
}

// pipeline is the request's, without tasks where the document does not say by itself what they are.
func (f *fitness) pipeline(req *launch.Request) *pipelines.Pipeline {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.parsed[req.Digest]; p != nil {
		return p
	}
	p, err := pipelines.Parse(req.Source, req.Document)
	if err != nil || p.Structural {
		p = new(pipelines.Pipeline)
	}
	if f.parsed == nil || len(f.parsed) >= maxParsed {
		f.parsed = map[string]*pipelines.Pipeline{}
	}
	f.parsed[req.Digest] = p
	return p
}
