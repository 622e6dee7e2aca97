package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/chromium"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/onnx"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/worker/launch"
)

// lull is how long a process waits for its job before it starts programs for it: where one job follows on the other, they would
// take the processors from the one that is under way.
const lull = 100 * time.Millisecond

// warmConfig says what the processes of jobs start while they wait.
type warmConfig struct {
	Warm []string `flag:"warm" default:"" doc:"programs that the process of a job starts while it waits for the job, comma-separated: blender, chromium; docs/tools.md has what that costs"`
}

// warmTools are those that can be started in advance.
func warmTools() map[string]tool.Tool {
	return map[string]tool.Tool{"blender": tool.Blender(), "chromium": tool.Chromium()}
}

func (c *warmConfig) complete(isolation string, from func(string) string) []error {
	var errs []error
	for _, name := range c.Warm {
		if _, ok := warmTools()[name]; !ok {
			errs = append(errs, fmt.Errorf("%s: %q can't be started in advance; there are blender and chromium", from("warm"), name))
		}
	}
	if c.Warm != nil && isolation == "none" {
		errs = append(errs, fmt.Errorf("%s: with isolation none no process waits for a job; choose isolation job or pipeline", from("warm")))
	}
	return errs
}

// present leaves out what this machine lacks, and says so.
func (c *warmConfig) present(ctx context.Context, tools *tool.Set, log *slog.Logger) []string {
	var all []string
	for _, name := range slices.Compact(slices.Sorted(slices.Values(c.Warm))) {
		_, err := tools.Find(ctx, warmTools()[name])
		if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
			log.WarnContext(ctx, "tool not warmed", "tool", lacks.Tool.Name, "err", lacks)
			continue
		}
		all = append(all, name)
	}
	return all
}

// A standby is the programs that a job keeps for its next task.
type standby struct {
	blender  *blender.Warm
	chromium *chromium.Warm
	onnx     *onnx.Warm

	awake    context.CancelFunc // keeps those from being started that are not yet
	stop     context.CancelFunc // ends the start of those that are
	starting sync.WaitGroup
}

func newStandby() *standby {
	return &standby{blender: blender.NewWarm(), chromium: chromium.NewWarm(), onnx: onnx.NewWarm(), awake: func() {}, stop: func() {}}
}

// keep returns the programs of a run, which must be closed when it is over.
func (r *runner) keep() *standby {
	p := r.ready
	r.ready = nil
	if p == nil {
		return newStandby()
	}
	p.awake()
	return p
}

// close ends the programs. Those that use them have ended.
func (p *standby) close() {
	p.stop()
	p.starting.Wait()
	p.awake()
	p.blender.Close()
	p.chromium.Close()
	p.onnx.Close()
}

// warmUp starts programs for the next run, soon and behind the caller's back. One that can't be started is left to the task that
// needs it, which says why.
func (r *runner) warmUp(names []string, dir launch.Dir) {
	p := newStandby()
	quiet, awake := context.WithTimeout(context.Background(), lull)
	ctx, stop := context.WithCancel(context.Background())
	p.awake, p.stop = awake, stop
	env := gpu.Environ(append(slices.Clone(r.programs), dir.Environ()...), nil)
	starts := map[string]func(context.Context) error{
		"blender":  blender.Blender{Tools: r.tools, Exec: r.exec, Env: env, Warm: p.blender}.Ready,
		"chromium": chromium.Chromium{Tools: r.tools, Exec: r.exec, Env: env, Warm: p.chromium}.Ready,
	}
	for _, name := range names {
		p.starting.Go(func() {
			if <-quiet.Done(); errors.Is(quiet.Err(), context.DeadlineExceeded) {
				_ = starts[name](ctx)
			}
		})
	}
	r.ready = p
}
