//go:build linux

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/gear"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/worker/record"
)

// portrait is a job that draws a model and lists the programs beside it.
const portrait = `
name: portrait
tasks:
  - {module: Shell, register: beside, props: {command: sh, args: [-c, "cat /proc/$PPID/task/*/children 2>&1 || true"]}}
  - {module: Shell, props: {command: cp, args: [GEAR, gear.stl]}}
  - {module: ScreenshotGenerator, register: shot, props: {src: gear.stl, dest: gear.png, config: {width: 64, height: 64}}}
callbacks: {}
`

// warmed waits until what a worker's one child has started is there, of each kind one, and returns it and the child.
func warmed(t *testing.T, w *running) (child int, programs []int) {
	t.Helper()
	await(t, func() bool {
		children := childrenOf(w.cmd.Process.Pid)
		if len(children) != 1 {
			return false
		}
		child, programs = children[0], childrenOf(children[0])
		var names []string
		for _, pid := range programs {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			first, _, _ := strings.Cut(string(line), "\x00")
			names = append(names, filepath.Base(first))
		}
		slices.Sort(names)
		return slices.Equal(names, []string{"chromium-headless-shell", "python"})
	})
	return child, programs
}

// await waits for what nothing tells of.
func await(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); {
		require.True(t, time.Now().Before(end))
		pause(t.Context(), 10*time.Millisecond)
	}
}

// gone waits until none of the processes runs any more.
func gone(t *testing.T, pids []int) {
	t.Helper()
	await(t, func() bool {
		return !slices.ContainsFunc(pids, func(pid int) bool {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // a zombie has none
			return len(line) > 0
		})
	})
}

func TestWhatAProcessStartsWhileItWaitsIsItsJobsAlone(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	m.env = append(m.env, "MILLRACE_TOOLS="+toolsHere(t))
	model := filepath.Join(t.TempDir(), "gear.stl")
	f, err := os.Create(model)
	require.NoError(t, err)
	_, err = gear.STL(f, gear.Options{Teeth: 18})
	require.NoError(t, err)
	require.NoError(t, f.Close())
	doc := strings.ReplaceAll(portrait, "GEAR", model)
	args := []string{"--slots=1", "--warm=chromium,blender", "--read-paths=" + filepath.Dir(model)}
	draw := func(w *running, id string) string {
		m.job(id, doc, nil)
		w.until("job settled")
		rec := m.record(id)
		require.Equal(t, record.Succeeded, rec.Status, rec.Message)
		require.Equal(t, "three", rec.Result["shot"].(map[string]any)["renderer"])
		return rec.Result["beside"].(map[string]any)["stdout"].(string)
	}

	w := m.start(append(args, "--isolation=pipeline")...)
	child, first := warmed(t, w)
	all := proc.Descendants(child) // Chromium is several
	beside := draw(w, "first")
	for _, pid := range first {
		require.Contains(t, " "+beside+" ", fmt.Sprintf(" %d ", pid), "it was there before its job")
	}
	gone(t, all)
	same, second := warmed(t, w)
	require.Equal(t, child, same, "the process has the next job of the same kind")
	require.Empty(t, intersect(first, second), "and new programs")

	// Whoever dies, the programs go too.
	all = proc.Descendants(child)
	process, err := os.FindProcess(child)
	require.NoError(t, err)
	require.NoError(t, process.Kill())
	gone(t, append(all, child))
	draw(w, "second")
	_, _ = warmed(t, w)
	all = proc.Descendants(w.cmd.Process.Pid)
	require.NoError(t, w.cmd.Process.Kill())
	gone(t, all)
	_ = w.cmd.Wait()

	w = m.start(args...)
	_, _ = warmed(t, w)
	all = proc.Descendants(w.cmd.Process.Pid)
	w.signal()
	w.end()
	gone(t, all)
	require.Empty(t, survivors(m.data))
}

func intersect(a, b []int) []int {
	return slices.DeleteFunc(slices.Clone(a), func(x int) bool { return !slices.Contains(b, x) })
}
