package engine

import (
	"context"

	"github.com/millrace/millrace/modules/gpu"
)

// A Host is the machine that a run shares with other runs. In a child it is the worker at the other end of its event stream,
// else the machine itself. It is asked from several goroutines.
type Host interface {
	// Fit returns why this machine can't run a task that needs that, however long it waited: a *Stop whose reason is Unfit.
	// Nothing is reserved. The engine asks it for every task before the first one starts, so that a job which can't end
	// well here is given to another worker before it has cost anything.
	Fit(ctx context.Context, n Need) error
	// Reserve waits until what the task needs is free, and keeps it for the task until Release. It returns a *Stop with
	// reason Unfit where this machine can't give it any more. When a device of the grant fails, the host ends the context of
	// the whole run, with a *Stop whose reason is GPULost.
	Reserve(ctx context.Context, n Need) (Grant, error)
}

// A Need is what a task takes of its machine.
type Need struct {
	Task  string   `json:"task"`           // its label, for messages
	Tools []string `json:"tools,omitzero"` // names of external programs, as tool.Tool has them
	GPU   gpu.Need `json:"gpu,omitzero"`
	Disk  int64    `json:"disk,omitzero"` // bytes that it will write to the workspace, at most
	// Memory is about how many bytes it will hold. They are looked at, and not kept for it.
	Memory int64 `json:"memory,omitzero"`
	// Requires are labels that the machine must have, of the whole pipeline: Task is empty then.
	Requires map[string]string `json:"requires,omitzero"`
}

// A Grant is what a task was given.
type Grant struct {
	Devices []gpu.Device // none: it runs on the CPU
	Why     string       // why none, of a task that would rather have some
	Release func()       // gives all of it back, for good; never nil
}

// bare is a machine without GPUs, whose tools and disk nobody counts.
type bare struct{}

func (bare) Fit(_ context.Context, n Need) error {
	if n.GPU.Use != gpu.Required {
		return nil
	}
	return NoGPU(n, "no GPUs are counted here")
}

func (b bare) Reserve(ctx context.Context, n Need) (Grant, error) {
	return Grant{Why: "no GPUs are counted here", Release: func() {}}, b.Fit(ctx, n)
}
