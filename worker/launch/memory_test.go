package launch_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
)

// At lower concurrency there is more for it.
func TestF25AJobThatHasItsWorkerToItselfHasItsMemoryToo(t *testing.T) {
	p := newPool(t, func(c *launch.Config) { c.Machine = &launch.Machine{Memory: 200 << 20, MemoryAlone: 2 << 30} })
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
		{"another job's, while we killed this one", "say", `{"ask":{"id":1}}`, 1, engine.Crash, "(signal: killed): it asked for what makes no sense"},
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

// It would be killed in its slot, at the price of an attempt.
func TestF25WhatNeedsMoreThanASlotIsToRunAloneAtOnceAndWhatNeedsMoreThanTheWorkerIsRefused(t *testing.T) {
	machine := &launch.Machine{Memory: 100 << 20, MemoryAlone: 300 << 20}
	crowded := &engine.Failure{
		Kind: fault.Canceled, Reason: engine.Unfit, Task: "it", Busy: true, Alone: true,
		Message: `task "it" needs about 101 MiB of memory, more than the 100 MiB of a slot; the job goes back, to have the worker to itself`,
	}
	tooMuch := &engine.Failure{
		Kind: fault.Permanent, Reason: engine.TooLarge, Task: "it",
		Message: "the work needs about 301 MiB of memory, more than the 300 MiB that a job may use here with the worker to itself (MILLRACE_JOB_MEMORY, else 80% of what there is); give it a smaller input or a larger worker",
	}
	for name, l := range launchers(t, machine) {
		for _, tt := range []struct {
			mib   string
			alone bool
			want  *engine.Failure
		}{
			{"100", false, nil},
			{"101", false, crowded},
			{"301", false, tooMuch},
			{"300", true, nil},
			{"301", true, tooMuch},
		} {
			t.Run(fmt.Sprintf("%s: %s MiB, alone: %t", name, tt.mib, tt.alone), func(t *testing.T) {
				req := request("hold memory", tt.mib)
				req.Alone = tt.alone
				run, _ := launchOne(t, l, req)
				require.Equal(t, tt.want, run.Failure)
			})
		}
	}
}
