//go:build linux

package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/gear"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/record"
)

// startOnDisk starts a worker whose workspaces lie on a small disk of its own, in memory: options are tmpfs's.
func (m *mill) startOnDisk(options string, args ...string) *running {
	m.t.Helper()
	run := filepath.Join(m.data, "run")
	require.NoError(m.t, os.MkdirAll(run, 0o700))
	mount := `mount -t tmpfs -o mode=700,` + options + ` tmpfs "$0" && exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", mount, run, binary}, m.args(args)...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 { // root of a namespace of its own may mount, too
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	return m.begin(cmd)
}

// F23, F24: one job fills the disk, and leaves it so. Another that must write then fails by that name and publishes nothing,
// a third that need not ends well, and when the first is over there is room again.
func TestAFullDiskIsNamedAndHarmsNobodyElse(t *testing.T) {
	for _, tt := range []struct{ name, options, fill string }{
		{"no space", "size=24m", "cat /dev/zero > big"},
		{"no inode", "size=1g,nr_inodes=2000", "i=0; while : > f$i; do i=$((i+1)); done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, flags := newMill(t), t.TempDir()
			writeGear(t, filepath.Join(flags, "part.stl"))
			said := make(chan string, 8)
			ear := newEar(t, func(_ map[string]any, path string) { said <- path })
			wait := func(flag string) string {
				return "until [ -e " + filepath.Join(flags, flag) + " ]; do sleep 0.05; done"
			}
			raise := func(flag string) { require.NoError(t, os.WriteFile(filepath.Join(flags, flag), nil, 0o644)) }
			m.job("hog", steps(`(`+tt.fill+`) 2>/dev/null; true`, `module: Http
    props: {url: "{{ ear }}/full"}`, sh(wait("done"))), ear)
			m.job("writer", steps("cp "+filepath.Join(flags, "part.stl")+" .", `module: Http
    props: {url: "{{ ear }}/copied"}`, sh(wait("full")),
				"module: STL2OBJ\n    props: {src: part.stl, dest: outputs/part.obj}"), ear)
			m.job("sibling", steps(wait("full"), sh("echo fine")), ear)

			w := m.startOnDisk(tt.options, "--slots=3", "--min-free=0", "--allow-hosts=127.0.0.1", "--read-paths="+flags, "--report=never")
			for left := map[string]bool{"/full": true, "/copied": true}; len(left) > 0; delete(left, hear(t, said)) {
			}
			raise("full")
			for left := map[string]bool{"/writer": true, "/sibling": true}; len(left) > 0; delete(left, hear(t, said)) {
			}
			raise("done")
			require.Equal(t, "/hog", hear(t, said))
			m.job("next", steps("cp "+filepath.Join(flags, "part.stl")+" .", "module: STL2OBJ\n    props: {src: part.stl, dest: outputs/part.obj}"), ear)
			require.Equal(t, "/next", hear(t, said))
			w.signal()
			w.end()

			rec := m.record("writer")
			require.Equal(t, record.Dead, rec.Status, rec.Message)
			require.Equal(t, engine.DiskFull, rec.Reason)
			require.Contains(t, rec.Message, "no space left on device")
			require.Empty(t, rec.Artifacts)
			for _, id := range []string{"hog", "sibling", "next"} {
				require.Equal(t, record.Succeeded, m.record(id).Status, m.record(id).Message)
			}
			require.Contains(t, m.log("sibling"), "fine")
			require.Len(t, m.record("next").Artifacts, 1)
		})
	}
}

// steps is a pipeline: a script, then tasks, then a word to the ear.
func steps(first string, tasks ...string) string {
	return "tasks:\n  - " + strings.Join(append([]string{sh(first)}, tasks...), "\n  - ") + `
callbacks:
  onEnd: [{module: Http, props: {url: "{{ ear }}/{{ job.id }}"}}]
`
}

// sh is a task that runs a script.
func sh(script string) string {
	return "module: Shell\n    props:\n      command: sh\n      args:\n        - -c\n        - |\n          " + script
}

func writeGear(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = gear.STL(f, gear.Options{Teeth: 18})
	require.NoError(t, errors.Join(err, f.Close()))
}
