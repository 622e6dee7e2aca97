//go:build linux && cgo

package launch_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
)

// eventsVar names the FIFO on which the fake driver is told what fails. Where it is set, the test runs with that driver.
const eventsVar = "FAKE_EVENTS"

// withFakeDriver runs the calling test again in a process whose dynamic linker finds a fake libnvidia-ml.so.1, and says
// whether this is that process.
func withFakeDriver(t *testing.T) bool {
	t.Helper()
	if os.Getenv(eventsVar) != "" {
		return true
	}
	header, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml/pkg/nvml").Output()
	require.NoError(t, err)
	dir := t.TempDir()
	out, err := exec.Command("gcc", "-shared", "-fPIC", "-DNVML_NO_UNVERSIONED_FUNC_DEFS=1", "-I", strings.TrimSpace(string(header)),
		"-o", filepath.Join(dir, "libnvidia-ml.so.1"), "../../modules/gpu/testdata/nvml.c").CombinedOutput()
	require.NoError(t, err, "%s", out)
	fifo := filepath.Join(dir, "events")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), eventsVar+"="+fifo, "LD_LIBRARY_PATH="+dir, "FAKE_COUNT=2")
	out, err = cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

// The whole way, from a child to the driver.
func TestE5F44JobsShareTheGPUsOfTheirWorker(t *testing.T) {
	if !withFakeDriver(t) {
		return
	}
	lost := make(chan error, 1)
	pool := gpu.NewPool(gpu.Config{Failed: func(err *gpu.LostError) { lost <- err }})
	t.Cleanup(pool.Close)
	machine := &launch.Machine{GPUs: pool}
	p := newPool(t, func(c *launch.Config) { c.Machine, c.Slots = machine, 2 })
	launched := func(count int, then string, rep engine.Reporter) *engine.Run {
		out, err := p.Launch(t.Context(), request("gpus", fmt.Sprint(count, " ", then)), rep)
		require.NoError(t, err)
		out.Close()
		return out.Run
	}

	run := launched(2, "", new(lines))
	require.Equal(t, engine.Succeeded, run.Status, "%+v", run.Failure)
	require.Equal(t, "GPU-0 GPU-1", run.Result["has"])
	require.GreaterOrEqual(t, run.GPUSeconds, 0.1, "two of them, for 50 ms")
	require.Zero(t, machine.Leased())

	asks := request("gpus", "")
	asks.Job.Requires = map[string]string{"gpus": "2"}
	require.NoError(t, machine.FitNumber(t.Context(), asks))
	asks.Job.Requires["gpus"] = "3"
	require.ErrorContains(t, machine.FitNumber(t.Context(), asks), "the job requires gpus=3: ")

	run = launched(2, "die", new(lines))
	require.Equal(t, engine.Crash, run.Failure.Reason)
	require.Positive(t, run.GPUSeconds, "the worker has counted")
	require.Zero(t, machine.Leased(), "a child that dies gives back what it had")

	run = launched(3, "", new(lines))
	require.Equal(t, engine.Unfit, run.Failure.Reason)
	require.Contains(t, run.Failure.Message, `task "it" needs 3 GPUs: it has only 2`)

	all, err := pool.Lease(t.Context(), gpu.Need{Use: gpu.Required, Count: 2}, func(error) {})
	require.NoError(t, err)
	machine.Patience = 200 * time.Millisecond
	run = launched(1, "", new(lines))
	require.Equal(t, engine.Unfit, run.Failure.Reason)
	require.Empty(t, run.Failure.Class, "it need not go elsewhere")
	require.True(t, run.Failure.Busy)
	require.Equal(t, `task "it" needs a GPU: every GPU that would do is in use, and was so for 200ms; the job goes back to its queue`, run.Failure.Message)
	machine.Patience = 0
	all.Release()

	run = launched(1, "wait", engine.ReporterFunc(func(_ context.Context, ev engine.Event) {
		if ev.Line == "has them" {
			require.NoError(t, os.WriteFile(os.Getenv(eventsVar), []byte("0 79\n"), 0))
		}
	}))
	require.Equal(t, engine.Canceled, run.Status)
	require.Equal(t, engine.GPULost, run.Failure.Reason)
	require.Contains(t, run.Failure.Message, "GPU-0 failed: XID 79, the GPU has fallen off the bus")
	require.ErrorContains(t, <-lost, "XID 79")

	run = launched(1, "", new(lines))
	require.Equal(t, "GPU-1", run.Result["has"], "the other one serves on")
	run = launched(2, "", new(lines))
	require.Equal(t, engine.Unfit, run.Failure.Reason)
	require.Equal(t, engine.GPUClass, run.Failure.Class)
	require.Contains(t, run.Failure.Message, "only 1 would do")
}

func TestTasksOfOneJobWaitForEachOthersGPUs(t *testing.T) {
	if !withFakeDriver(t) {
		return
	}
	pool := gpu.NewPool(gpu.Config{})
	t.Cleanup(pool.Close)
	m := &launch.Machine{GPUs: pool, Patience: 200 * time.Millisecond}
	_, s := m.Share(t.Context(), new(launch.Request), launch.Dir{})
	defer s.Close()
	need := engine.Need{Task: "a", GPU: gpu.Need{Use: gpu.Required, Count: 2}}
	first, err := s.Reserve(t.Context(), need)
	require.NoError(t, err)
	got := make(chan error, 1)
	go func() {
		_, err := s.Reserve(t.Context(), need)
		got <- err
	}()
	select {
	case err := <-got:
		require.Fail(t, "it did not wait", "%v", err)
	case <-time.After(1500 * time.Millisecond): // many times its patience, and long enough to be known to wait
	}
	require.NoError(t, m.Fit(t.Context(), new(launch.Request), need), "other jobs have nobody before them")
	first.Release()
	require.NoError(t, <-got)

	_, other := m.Share(t.Context(), new(launch.Request), launch.Dir{})
	defer other.Close()
	_, err = other.Reserve(t.Context(), need)
	require.ErrorContains(t, err, "every GPU that would do is in use, and was so for 200ms")
}

func TestATaskThatPrefersAGPUGetsAnIdleOneHoweverLongItsTrialTakes(t *testing.T) {
	if !withFakeDriver(t) {
		return
	}
	pool := gpu.NewPool(gpu.Config{Encode: func(context.Context, gpu.Device) error {
		<-time.After(5500 * time.Millisecond) // more than such a task waits for others
		return nil
	}})
	t.Cleanup(pool.Close)
	_, s := (&launch.Machine{GPUs: pool}).Share(t.Context(), new(launch.Request), launch.Dir{})
	defer s.Close()
	g, err := s.Reserve(t.Context(), engine.Need{GPU: gpu.Need{Use: gpu.Preferred, Encoder: true}})
	require.NoError(t, err)
	require.Len(t, g.Devices, 1, g.Why)
}

func TestAJobBeginsWhereItsGPUIsFreeWhoeverWaitsForMore(t *testing.T) {
	if !withFakeDriver(t) {
		return
	}
	pool := gpu.NewPool(gpu.Config{})
	t.Cleanup(pool.Close)
	m := &launch.Machine{GPUs: pool}
	one := engine.Need{Task: "one", GPU: gpu.Need{Use: gpu.Required}}
	both := engine.Need{Task: "both", GPU: gpu.Need{Use: gpu.Required, Count: 2}}
	_, first := m.Share(t.Context(), new(launch.Request), launch.Dir{})
	defer first.Close()
	_, err := first.Reserve(t.Context(), one)
	require.NoError(t, err)
	require.NoError(t, m.Fit(t.Context(), new(launch.Request), both), "it would be the first that waits")
	ctx, cancel := context.WithCancel(t.Context())
	_, second := m.Share(ctx, new(launch.Request), launch.Dir{})
	defer second.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, err := second.Reserve(ctx, both)
		if err == nil {
			t.Error("it got what another has")
		}
	}()
	<-time.After(1500 * time.Millisecond) // long enough to be known to wait
	require.NoError(t, m.Fit(t.Context(), new(launch.Request), one), "a GPU is free")
	require.ErrorContains(t, m.Fit(t.Context(), new(launch.Request), both), "every GPU that would do is in use, and another job waits for one")
	_, third := m.Share(t.Context(), new(launch.Request), launch.Dir{})
	defer third.Close()
	_, err = third.Reserve(t.Context(), one)
	require.NoError(t, err)
	require.Error(t, m.Fit(t.Context(), new(launch.Request), one), "none is free any more")
	cancel()
	<-ended
	require.NoError(t, m.Fit(t.Context(), new(launch.Request), one), "it would be the first that waits")
}
