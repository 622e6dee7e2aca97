package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/unzip"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
)

// unpacked unpacks the archives that a job was sent with, before its first task. It returns nil, or the run that has failed at
// that.
func (r *runner) unpacked(ctx context.Context, in *engine.Input, req *launch.Request) *engine.Run {
	err := r.unpack(ctx, in, req.Job.Inputs)
	if err == nil {
		return nil
	}
	f := &engine.Failure{Kind: fault.Of(err), Message: in.Redact.String(err.Error())}
	switch stop, ok := errors.AsType[*engine.Stop](err); {
	case ok:
		f.Reason, f.Class = stop.Reason, stop.Class
	case disk.Full(err):
		f.Reason, f.Kind = engine.DiskFull, fault.Transient
	}
	run := newRun(in.Pipeline.Name, in.Pipeline.Digest, engine.Failed)
	run.Failure = f
	if f.Reason.Interruption() {
		run.Status = engine.Canceled
	}
	return r.engine.Epilogue(ctx, *in, run)
}

func (r *runner) unpack(ctx context.Context, in *engine.Input, inputs []job.Input) error {
	packed := false
	for i, input := range inputs {
		if !input.Unpack {
			continue
		}
		packed = true
		if err := r.unpackOne(ctx, in, launch.PackedName(i), input.Name); err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return fmt.Errorf("input %d: %w", i+1, err)
		}
	}
	if !packed {
		return nil
	}
	return in.Call.Workspace.RemoveAll(job.Packed)
}

// unpackOne does what an Unzip task does, within the same limits.
func (r *runner) unpackOne(ctx context.Context, in *engine.Input, archive, folder string) error {
	w, err := modules.Probe(ctx, unzip.Module, &in.Call, map[string]any{"src": archive, "dest": folder})
	if err != nil {
		return err
	}
	if w.Disk > 0 && in.Host != nil {
		grant, err := in.Host.Reserve(ctx, engine.Need{Task: "inputs", Disk: w.Disk})
		if err != nil {
			return err
		}
		defer grant.Release()
	}
	if _, err := w.Run(ctx); err != nil {
		return err
	}
	return in.Call.Workspace.Remove(archive)
}
