//go:build linux

package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

// nosy is a job that looks for what an earlier one left, then leaves all it can. Every fiftieth leaves a process too,
// which costs the time in which it might have ended by itself.
const nosy = `
name: nosy
state: {left: "", n: 0, data: ""}
tasks:
  - name: look
    module: Shell
    register: look
    props:
      command: sh
      args:
        - -c
        - |
          echo "files: $(find .. -mindepth 1 | sort)"
          echo "state: {{ left }}"
          echo "folder: $(pwd)"
          echo "umask: $(umask)"
          echo "descriptors:" $(ls /proc/self/fd)
          echo "processes:" $([ $(({{ n }} % 50)) != 1 ] || grep -l '^sleep.3600.MARK' /proc/[0-9]*/cmdline)
          echo "child: $PPID"
          export -p
  - name: leave
    module: Shell
    register: leave
    props:
      command: sh
      args:
        - -c
        - |
          umask 777; export LEFT=1
          mkdir -p locked ../locked $TMPDIR/deep $HOME/deep; ln -s / root
          for dir in . .. $TMPDIR $HOME; do : > $dir/here; : > $dir/.hidden; done
          for dir in /tmp /var/tmp /dev/shm /run ../.. /; do
            if ( : > $dir/nosy.MARK ) 2>/dev/null; then echo "wrote in $dir"; fi
          done
          [ $(({{ n }} % 50)) != 0 ] || setsid sleep 3600.MARK &
  - {module: Now, props: {key: left}}
callbacks:
  onEnd: [{module: Http, props: {url: "{{ ear }}/{{ job.id }}"}}]
`

// A process that runs job after job of one pipeline and customer keeps nothing of any of them, and no memory.
func TestThreeHundredJobsInOneProcessLeaveNothingToEachOther(t *testing.T) {
	t.Parallel()
	const jobs = 300
	m := newMill(t)
	mark := fmt.Sprintf("%d", os.Getpid())
	doc := strings.ReplaceAll(nosy, "MARK", mark)
	memory := make(map[string]float64) // of the child at the end of each job, MiB
	ended := make(chan string, 1)
	var pid atomic.Int64
	ear := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, c := range childrenOf(int(pid.Load())) {
			memory[r.URL.Path] = max(memory[r.URL.Path], anonymous(c))
		}
		ended <- r.URL.Path
	}))
	defer ear.Close()
	state := func(n int) map[string]any {
		return map[string]any{"ear": ear.URL, "n": n, "data": strings.Repeat(fmt.Sprint(n), 50_000)}
	}
	for n := range jobs {
		m.job(fmt.Sprintf("nosy-%d", n), doc, map[string]any{"customerId": "ann", "state": state(n)})
	}
	m.job("bob", doc, map[string]any{"customerId": "bob", "state": state(1)})
	m.job("other", doc+"\n# another digest\n", map[string]any{"customerId": "bob", "state": state(1)})

	w := m.start("--slots=1", "--isolation=pipeline", "--reuse=1000", "--allow-hosts=127.0.0.1")
	pid.Store(int64(w.cmd.Process.Pid))
	for range jobs + 2 {
		hear(t, ended)
	}
	w.signal()
	w.end()

	first := look(t, m, "nosy-0")
	for n := range jobs {
		require.Equal(t, first, look(t, m, fmt.Sprintf("nosy-%d", n)), "job %d", n)
	}
	bob, other := look(t, m, "bob"), look(t, m, "other")
	require.NotEqual(t, child(first), child(bob), "another customer's")
	require.NotEqual(t, child(bob), child(other), "another pipeline's")
	require.Empty(t, survivors("3600."+mark))

	// The middle of each half, not its peak: a garbage collector that got no processor for a moment is no leak.
	middle := func(from, to int) float64 {
		var all []float64
		for n := from; n < to; n++ {
			all = append(all, memory[fmt.Sprintf("/nosy-%d", n)])
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	a, b := middle(0, jobs/2), middle(jobs/2, jobs)
	t.Logf("RssAnon of the child: %.1f MiB in the first half, %.1f in the second", a, b)
	require.Less(t, b, 1.1*a+1, "MiB")
}

// look is what a nosy job saw.
func look(t *testing.T, m *mill, id string) string {
	t.Helper()
	rec := m.record(id)
	require.Equal(t, record.Succeeded, rec.Status, "%s: %s", id, rec.Message)
	require.Equal(t, "", rec.Result["leave"].(map[string]any)["stdout"], "nothing outside its folder can be written")
	seen, _ := rec.Result["look"].(map[string]any)["stdout"].(string)
	require.Contains(t, seen, "files: ../home\n../tmp\n../workspace\nstate: \n")
	require.Contains(t, seen, "descriptors: 0 1 2 3\nprocesses:\n", "the last is the folder that ls reads")
	require.NotContains(t, seen, "LEFT")
	return strings.Join(slices.DeleteFunc(strings.Split(seen, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "export JOB_ID=") || strings.HasPrefix(line, "export MILLRACE_PROC=")
	}), "\n")
}

// child is the line of what a nosy job saw that names the process it ran in.
func child(seen string) string {
	_, rest, _ := strings.Cut(seen, "child: ")
	line, _, _ := strings.Cut(rest, "\n")
	return line
}
