package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
)

func TestTheLiveLineNamesAllTasksThatRun(t *testing.T) {
	var out, errs bytes.Buffer
	p := &progress{out: &out, err: &errs, live: true}
	last := func() string {
		all := errs.String()
		return all[strings.LastIndexAny(all, "\n\r")+1:]
	}
	now := time.Now()
	start := func(i int, name string) {
		p.Report(t.Context(), engine.Event{Kind: engine.TaskStarted, Task: i, Name: name, Module: "Shell", Time: now})
	}
	start(0, "shrink")
	require.Equal(t, "… shrink", last())
	for i, name := range []string{"draw", "", "crop", "zip"} {
		start(i+1, name)
	}
	require.Equal(t, "\x1b[K… shrink, draw, #2 Shell, 2 more", last())
	p.Report(t.Context(), engine.Event{Kind: engine.TaskStdout, Task: 1, Line: "a line"})
	require.Equal(t, "a line\n", out.String())
	ended := &engine.TaskRun{Status: engine.Succeeded, Started: now, Ended: now.Add(time.Second)}
	for _, i := range []int{0, 2, 3, 4} {
		p.Report(t.Context(), engine.Event{Kind: engine.TaskEnded, Task: i, TaskRun: ended})
	}
	require.Equal(t, "… draw", last())
	p.Report(t.Context(), engine.Event{Kind: engine.TaskEnded, Task: 1, Name: "draw", TaskRun: ended})
	require.True(t, strings.HasSuffix(errs.String(), "✓ draw 1s\n"), "nothing runs, so no line is live")
}
