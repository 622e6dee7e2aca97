//go:build linux

package main_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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

// One job fills the disk, and leaves it so. One that must write then, itself or by a program, fails by that name and
// publishes nothing, one that need not ends well, and when the first is over there is room again.
func TestF23F24AFullDiskIsNamedAndHarmsNobodyElse(t *testing.T) {
	for _, tt := range []struct{ name, options, fill string }{
		{"no space", "size=24m", "cat /dev/zero > big"},
		{"no inode", "size=1g,nr_inodes=2000", "i=0; while : > f$i; do i=$((i+1)); done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, flags := newMill(t), t.TempDir()
			writeGear(t, filepath.Join(flags, "part.stl"))
			ear, said, release := holdingEar(t, "/writer", "/program", "/sibling")
			wait := func(flag string) string {
				return "until [ -e " + filepath.Join(flags, flag) + " ]; do sleep 0.05; done"
			}
			raise := func(flag string) { require.NoError(t, os.WriteFile(filepath.Join(flags, flag), nil, 0o644)) }
			say := func(word string) string { return "module: Http\n    props: {url: '{{ ear }}/" + word + "'}" }
			copied := "cp " + filepath.Join(flags, "part.stl") + " ."
			convert := "module: STL2OBJ\n    props: {src: part.stl, dest: outputs/part.obj}"
			m.job("hog", steps(wait("fill"), sh("("+tt.fill+") 2>/dev/null; true"), say("full"), sh(wait("done"))), ear)
			write := "module: Template\n    props: {template: \"" + strings.Repeat("words ", 1000) + "\", dest: outputs/words.txt}"
			m.job("writer", steps("true", say("writer-up"), sh(wait("full")), write), ear)
			m.job("program", steps(copied, say("program-up"), sh(wait("full")+"; cat part.stl > copy.stl")), ear)
			m.job("sibling", steps("true", say("sibling-up"), sh(wait("full")+"; echo fine")), ear)

			w := m.startOnDisk(tt.options, "--slots=4", "--min-free=0", "--allow-hosts=127.0.0.1", "--read-paths="+flags, "--report=never")
			heard := func(words ...string) { hearAll(t, said, words) }
			heard("/writer-up", "/program-up", "/sibling-up")
			raise("fill")
			heard("/full")
			raise("full")
			heard("/writer", "/program", "/sibling")
			release()
			raise("done")
			heard("/hog")
			m.job("next", steps(copied, convert), ear)
			heard("/next")
			w.signal()
			w.end()

			for _, id := range []string{"writer", "program"} {
				rec := m.record(id)
				require.Equal(t, record.Dead, rec.Status, rec.Message)
				require.Equal(t, engine.DiskFull, rec.Reason, rec.Message)
				require.Contains(t, rec.Message, "no space left on device")
				require.Empty(t, rec.Artifacts)
			}
			for _, id := range []string{"hog", "sibling", "next"} {
				require.Equal(t, record.Succeeded, m.record(id).Status, m.record(id).Message)
			}
			require.Contains(t, m.log("sibling"), "fine")
			require.Len(t, m.record("next").Artifacts, 1)
		})
	}
}

// holdingEar hears words, and answers some of them no sooner than release is called: until then the job is not over, and what it
// has written is there.
func holdingEar(t *testing.T, hold ...string) (ear map[string]any, said <-chan string, release func()) {
	t.Helper()
	words, held := make(chan string, 8), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		words <- r.URL.Path
		if slices.Contains(hold, r.URL.Path) {
			<-held
		}
	}))
	release = sync.OnceFunc(func() { close(held) })
	t.Cleanup(func() { release(); s.Close() })
	return map[string]any{"state": map[string]any{"ear": s.URL}}, words, release
}

// hearAll waits until all of the words are heard, in any order, and nothing else is.
func hearAll(t *testing.T, said <-chan string, words []string) {
	t.Helper()
	for left := slices.Clone(words); len(left) > 0; {
		word := hear(t, said)
		require.Contains(t, left, word)
		left = slices.DeleteFunc(left, func(w string) bool { return w == word })
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
