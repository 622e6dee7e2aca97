//go:build linux

package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

func TestAnInputThatIsTooLargeIsRefusedBeforeTheWork(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	m.send(`{"id": "small", "pipeline": {"tasks": [
		{"module": "Shell", "props": {"command": "sh", "args": ["-c", "head -c 1M /dev/zero > in"]}}, {"module": "Zip", "props": {"src": "in", "dest": "all.zip"}}]}}`)
	m.send(`{"id": "large", "pipeline": {"tasks": [
		{"module": "Shell", "props": {"command": "sh", "args": ["-c", "head -c 3M /dev/zero > in"]}}, {"module": "Zip", "props": {"src": "in", "dest": "all.zip"}}]}}`)
	m.work("--max-input=2Mi")
	require.Equal(t, record.Succeeded, m.record("small").Status, m.record("small").Message)
	rec := m.record("large")
	require.Equal(t, record.Failed, rec.Status)
	require.Equal(t, engine.TooLarge, rec.Reason)
	require.Contains(t, rec.Message, "the input is 3 MiB, more than the 2 MiB that are admitted (MILLRACE_MAX_INPUT); split it or make it smaller")
	require.Len(t, rec.Attempts, 1)
}

// A tool over what the operator lets it have is stopped, and the outcome says so.
func TestF25AToolOverTheOperatorsLimitIsStoppedByName(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	m.send(`{"id": "greedy", "pipeline": {"tasks": [
		{"module": "ImageMagick", "props": {"dest": "out.png", "args": "-size 3000x3000 plasma: -blur 0x20"}}]}}`)
	m.work("--tool-limits=ImageMagick=16Mi/1h")
	rec := m.record("greedy")
	require.Equal(t, engine.TooLarge, rec.Reason, rec.Message)
	require.Equal(t, record.Failed, rec.Status)
	require.Len(t, rec.Attempts, 1, "it has the same limit each time")
	require.Contains(t, rec.Message, "ImageMagick used more than 16 MiB of memory, and was stopped; give it less to do, or raise its limit (MILLRACE_TOOL_LIMITS)")
}
