package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/pipelines/render"
)

// weigh is the props of a task that says beforehand what it will take.
type weigh struct {
	Input  int64  `json:"input,omitzero" doc:"Bytes to read."`
	Disk   int64  `json:"disk,omitzero" doc:"Bytes to write."`
	Memory int64  `json:"memory,omitzero" doc:"Bytes to hold."`
	Fail   string `json:"fail,omitzero" enum:"probe,panic,disk,memory,cpu,killed" doc:"What goes wrong."`
}

// Probe makes weigh a modules.Prober.
func (w *weigh) Probe(context.Context, *modules.Call) (modules.Demand, error) {
	switch w.Fail {
	case "probe":
		return modules.Demand{}, fault.As(fault.Permanent, errors.New("the file is no picture"))
	case "panic":
		panic("oh")
	}
	return modules.Demand{Input: w.Input, Disk: w.Disk, Memory: w.Memory}, nil
}

// A scale counts how often its module has worked.
type scale struct{ worked int }

func (s *scale) work(_ context.Context, _ *modules.Call, w weigh) (struct{}, error) {
	s.worked++
	switch w.Fail {
	case "disk":
		return struct{}{}, fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: "out", Err: syscall.ENOSPC})
	case "memory":
		return struct{}{}, &proc.OverError{Program: "gear", Over: proc.OverMemory, Limits: proc.Limits{Memory: 64 << 20}}
	case "killed":
		return struct{}{}, fmt.Errorf("frame 7: %w", &proc.KilledError{Message: "gear is gone"})
	case "cpu":
		return struct{}{}, &proc.OverError{Program: "gear", Over: proc.OverCPU, Limits: proc.Limits{CPU: 64}}
	}
	return struct{}{}, nil
}

func (s *scale) run(t *testing.T, limits engine.Limits, host engine.Host, doc string) *engine.Run {
	t.Helper()
	p, err := pipelines.Parse("t.yaml", []byte(doc))
	require.NoError(t, err)
	mods, err := modules.NewRegistry(modules.Define(modules.Spec{Name: "Weigh", Summary: "Says what it takes."}, s.work))
	require.NoError(t, err)
	state, err := render.NewState(t.Context(), render.Config{Document: p.State, Job: map[string]any{"id": "job-1"}})
	require.NoError(t, err)
	return engine.New(engine.Config{Modules: mods, Callbacks: mods, Limits: limits}).Run(t.Context(), engine.Input{
		Pipeline: p, State: state, Host: host, Report: engine.ReporterFunc(func(context.Context, engine.Event) {}),
	})
}

// ledger is a host whose disk is counted.
type ledger struct{ space *disk.Space }

func (l ledger) Fit(context.Context, engine.Need) error { return nil }

func (l ledger) Reserve(_ context.Context, n engine.Need) (engine.Grant, error) {
	release, err := l.space.Reserve("", n.Disk)
	return engine.Grant{Release: release}, err
}

func TestWhatIsTooMuchIsRefusedBeforeAnyWork(t *testing.T) {
	limits := engine.Limits{Input: 1 << 30}
	for _, tt := range []struct {
		name, props, message string
		reason               engine.Reason
	}{
		{
			"the input", "{input: 1073741825}",
			"the input is 1025 MiB, more than the 1024 MiB that are admitted (MILLRACE_MAX_INPUT); split it or make it smaller", engine.TooLarge,
		},
		{
			"as large an input as a hostile header claims", "{input: 9223372036854775807}",
			"the input is 8796093022208 MiB, more than the 1024 MiB that are admitted (MILLRACE_MAX_INPUT); split it or make it smaller", engine.TooLarge,
		},
		{"what can't be read", "{fail: probe}", "the file is no picture", ""},
		{"a probe that panics", "{fail: panic}", "module Weigh panicked: oh (a bug in the module; the stack is in the log)", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s scale
			run := s.run(t, limits, nil, "tasks: [{module: Weigh, retry: 3, props: "+tt.props+"}]")
			require.Equal(t, engine.Failed, run.Status)
			require.Equal(t, tt.reason, run.Failure.Reason)
			require.Equal(t, fault.Permanent, run.Failure.Kind)
			require.Equal(t, tt.message, run.Failure.Message)
			require.Equal(t, 1, run.Tasks[0].Tries)
			require.Zero(t, s.worked)
		})
	}
}

func TestWhatIsAdmittedRuns(t *testing.T) {
	var s scale
	limits := engine.Limits{Input: 1 << 30}
	run := s.run(t, limits, nil, "tasks: [{module: Weigh, props: {input: 1073741824, memory: 2147483648}}, {module: Weigh}]")
	require.Equal(t, engine.Succeeded, run.Status)
	run = s.run(t, engine.Limits{}, nil, "tasks: [{module: Weigh, props: {input: 9000000000000000000, memory: 9000000000000000000}}]")
	require.Equal(t, engine.Succeeded, run.Status, "0 is no limit")
	require.Equal(t, 3, s.worked)
}

func TestADeclaredDiskIsReservedWhileTheTaskRuns(t *testing.T) {
	dir := t.TempDir()
	free, err := disk.New(dir, 0).Free()
	require.NoError(t, err)
	host := ledger{disk.New(dir, free-8<<30)}
	var s scale
	run := s.run(t, engine.Limits{}, host, "tasks: [{module: Weigh, props: {disk: 6442450944}}, {module: Weigh, props: {disk: 6442450944}}]")
	require.Equal(t, engine.Succeeded, run.Status, "the first gave its disk back")
	_, err = host.space.Reserve("", 6<<30) // another job's
	require.NoError(t, err)
	run = s.run(t, engine.Limits{}, host, "tasks: [{module: Weigh, props: {disk: 6442450944}}]")
	require.Equal(t, engine.DiskFull, run.Failure.Reason)
	require.Equal(t, fault.Transient, run.Failure.Kind)
	require.Contains(t, run.Failure.Message, "the task needs 6144 MiB of disk")
	require.Equal(t, 2, s.worked)
}

// A task that may fail has not failed when it can have the worker to itself.
func TestADeclaredMemoryIsTheHostsToJudge(t *testing.T) {
	for _, doc := range []string{"tasks: [{module: Weigh, props: {memory: 7}}]", "tasks: [{module: Weigh, throw: false, props: {memory: 7}}]"} {
		var s scale
		run := s.run(t, engine.Limits{}, crowded{}, doc)
		require.Equal(t, engine.Canceled, run.Status)
		require.True(t, run.Failure.Alone)
		require.Equal(t, "7 bytes", run.Failure.Message)
		require.Zero(t, s.worked)
	}
}

// A crowded host has room for a task that runs alone.
type crowded struct{}

func (crowded) Fit(context.Context, engine.Need) error { return nil }

func (crowded) Reserve(_ context.Context, n engine.Need) (engine.Grant, error) {
	if n.Memory == 0 {
		return engine.Grant{Release: func() {}}, nil
	}
	return engine.Grant{}, &engine.Stop{Reason: engine.Unfit, Busy: true, Alone: true, Message: fmt.Sprintf("%d bytes", n.Memory)}
}

// What a program did to be stopped is the name of the outcome.
func TestF25ExhaustedResourcesAreNamed(t *testing.T) {
	for _, tt := range []struct {
		fail   string
		reason engine.Reason
		kind   fault.Kind
	}{
		{"disk", engine.DiskFull, fault.Transient},
		{"memory", engine.TooLarge, fault.Permanent},
		{"cpu", engine.Timeout, fault.Unknown},
		{"killed", engine.Killed, fault.Unknown},
	} {
		t.Run(tt.fail, func(t *testing.T) {
			run := new(scale).run(t, engine.Limits{}, nil, "tasks: [{module: Weigh, props: {fail: "+tt.fail+"}}]")
			require.Equal(t, tt.reason, run.Failure.Reason)
			require.Equal(t, tt.kind, run.Failure.Kind)
		})
	}
}
