//go:build linux

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/record"
)

// A pipeline that is changed or deleted while its job runs, and whose worker is killed then, goes on as it was.
func TestF45AChangedPipelineDoesNotTouchTheJobsThatHaveBegun(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	folder := t.TempDir()
	version := func(n string) string {
		return "name: any\ntasks:\n  - {module: Http, props: {url: '{{ ear }}/" + n + "'}}\n  - {module: Shell, props: {command: sleep, args: ['{{ nap }}']}}\n" +
			"  - {module: StdOut, props: {msg: version " + n + "}}\n"
	}
	write := func(name, n string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name+".yaml"), []byte(version(n)), 0o600))
	}
	heard := make(chan string, 10)
	ear := newEar(t, func(_ map[string]any, path string) { heard <- path })
	state := ear["state"].(map[string]any)
	state["nap"] = 2
	args := []string{"--pipelines", folder, "--allow-hosts=127.0.0.1", "--exit-when-idle=6s", "--slots=2"}
	write("mine", "one")
	write("gone", "none")
	m.job("begun", "mine", map[string]any{"state": state})
	m.job("bereft", "gone", map[string]any{"state": state})
	w := m.start(args...)
	require.ElementsMatch(t, []string{"/one", "/none"}, []string{hear(t, heard), hear(t, heard)})
	write("mine", "two")
	require.NoError(t, os.Remove(filepath.Join(folder, "gone.yaml")))
	require.NoError(t, w.cmd.Process.Signal(syscall.SIGKILL))
	_ = w.cmd.Wait() // killed, as it should be

	state["nap"] = 0
	m.job("later", "mine", map[string]any{"state": state})
	m.start(args...).end()
	require.ElementsMatch(t, []string{"/one", "/none", "/two"}, []string{hear(t, heard), hear(t, heard), hear(t, heard)})
	bereft := m.record("bereft")
	require.Equal(t, record.Succeeded, bereft.Status, bereft.Message)
	require.Equal(t, pipelines.Digest([]byte(version("none"))), bereft.Digest)
	begun := m.record("begun")
	require.Equal(t, record.Succeeded, begun.Status, begun.Message)
	require.Len(t, begun.Attempts, 2)
	require.Equal(t, pipelines.Digest([]byte(version("one"))), begun.Digest)
	require.Contains(t, m.log("begun"), "version one")
	require.Equal(t, pipelines.Digest([]byte(version("two"))), m.record("later").Digest)
	kept, err := filepath.Glob(filepath.Join(m.data, "store", "pipelines", "mine", "*"))
	require.NoError(t, err)
	require.Len(t, kept, 2)
	require.True(t, strings.HasSuffix(begun.Digest, filepath.Base(kept[0])) || strings.HasSuffix(begun.Digest, filepath.Base(kept[1])))
}
