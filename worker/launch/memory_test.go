package launch_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
)

// At lower concurrency there is more for it.
func TestF25AJobThatHasItsWorkerToItselfHasItsMemoryToo(t *testing.T) {
	p := newPool(t, func(c *launch.Config) { c.Memory, c.MemoryAlone = 200<<20, 2<<30 })
	req := request("hoard", "")
	req.Alone = true
	run, _ := launchOne(t, p, req)
	require.Equal(t, engine.Succeeded, run.Status, "%+v", run.Failure)
}

// Nobody can be made to believe the job's own word, or it had the worker to itself whenever it liked.
func TestF25AJobThatTheKernelKillsForMemoryIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name, do, arg string
		kills         int64 // by the kernel, while the job runs
		reason        engine.Reason
		says          string
	}{
		{"its process", "die", "", 1, engine.OOM, "the process that ran the job died (signal: killed): memory ran out, and the kernel killed for it;"},
		{"its process, by somebody else", "die", "", 0, engine.Crash, "the process that ran the job died (signal: killed)"},
		{"a program", "claim", "killed", 1, engine.OOM, "sure: memory ran out, and the kernel killed for it;"},
		{"a program, by somebody else", "claim", "killed", 0, engine.Killed, "sure"},
		{"another job's, while this one crashed", "crash", "", 1, engine.Crash, "panic: out of cheese"},
		{"another job's, while this one lied", "claim", "oom", 1, "", "sure"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var kills atomic.Int64
			kills.Store(5)
			p := newPool(t, func(c *launch.Config) { c.Machine = &launch.Machine{Killed: kills.Load} })
			req := request(tt.do, tt.arg)
			var blamed []engine.Reason
			req.Blame = func(_ context.Context, f engine.Failure) { blamed = append(blamed, f.Reason) }
			out, err := p.Launch(t.Context(), req, engine.ReporterFunc(func(_ context.Context, ev engine.Event) {
				if ev.Kind == engine.TaskStarted {
					kills.Add(tt.kills)
				}
			}))
			require.NoError(t, err)
			out.Close()
			require.Equal(t, engine.Failed, out.Run.Status)
			require.Equal(t, tt.reason, out.Run.Failure.Reason)
			require.Equal(t, fault.Unknown, out.Run.Failure.Kind)
			require.Contains(t, out.Run.Failure.Message, tt.says)
			if tt.do != "claim" {
				require.Equal(t, []engine.Reason{tt.reason}, blamed)
			}
		})
	}
}

func TestF25AProgramThatTheKernelKillsForMemoryIsNamedInTheWorkersOwnProcess(t *testing.T) {
	var kills atomic.Int64
	l := &launch.Inline{
		Root: t.TempDir(), Machine: &launch.Machine{Killed: kills.Load},
		Run: func(context.Context, launch.Dir, *launch.Request, engine.Reporter) *engine.Run {
			kills.Add(1)
			return &engine.Run{Status: engine.Failed, Failure: &engine.Failure{Reason: engine.Killed, Message: "gear is gone"}}
		},
	}
	out, err := l.Launch(t.Context(), request("", ""), nil)
	require.NoError(t, err)
	out.Close()
	require.Equal(t, engine.OOM, out.Run.Failure.Reason)
}
