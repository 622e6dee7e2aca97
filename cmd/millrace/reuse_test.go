//go:build linux

package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
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
          echo "files: $(find . $TMPDIR $HOME /tmp/nosy* /dev/shm/nosy* -mindepth 1 2>/dev/null | tr '\n' ' ')"
          echo "processes: $(cat /proc/[0-9]*/cmdline | tr '\0' ' ' | grep -c '[3]600\.MARK')"
          echo "state: {{ left }}"
          echo "environment: $(env | sed 's/=.*//' | grep -v '^_$' | sort | tr '\n' ' ')"
          echo "umask: $(umask), folder: $(pwd)"
          echo "child: $PPID"
  - {name: descriptors, module: Shell, register: descriptors, props: {command: ls, args: [/proc/self/fd]}}
  - name: leave
    module: Shell
    register: leave
    props:
      command: sh
      args:
        - -c
        - |
          umask 0; export LEFT=1
          mkdir -p deep/er locked && touch here deep/er/there .hidden $TMPDIR/tmp $HOME/.home locked/in && chmod 0 locked
          ln -s / root; mkfifo fifo
          for f in /tmp/nosy.MARK /dev/shm/nosy.MARK /var/tmp/nosy.MARK; do touch $f 2>/dev/null && echo "wrote $f"; done
          [ $(({{ n }} % 50)) = 0 ] && setsid sleep 3600.MARK & true
  - {module: Now, props: {key: left}}
callbacks:
  onEnd: [{module: Http, props: {url: "{{ ear }}/{{ job.id }}"}}]
`

// A process that runs job after job of one pipeline and customer keeps nothing of any of them, and no memory.
func TestThreeHundredJobsInOneProcessLeaveNothingToEachOther(t *testing.T) {
	const jobs = 800
	m := newMill(t)
	mark := fmt.Sprintf("%d", os.Getpid())
	doc := strings.ReplaceAll(nosy, "MARK", mark)
	memory := make(map[string]float64) // of the child at the end of each job, MiB
	ended := make(chan string, 1)
	var pid int
	ear := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, c := range childrenOf(pid) {
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
	pid = w.cmd.Process.Pid
	for range jobs + 2 {
		hear(t, ended)
	}
	w.signal()
	w.end()

	first := look(t, m, "nosy-0")
	t.Log(first)
	for n := range jobs {
		require.Equal(t, first, look(t, m, fmt.Sprintf("nosy-%d", n)), "job %d", n)
	}
	bob, other := look(t, m, "bob"), look(t, m, "other")
	require.NotEqual(t, child(first), child(bob), "another customer's")
	require.NotEqual(t, child(bob), child(other), "another pipeline's")
	require.Empty(t, survivors("3600."+mark))

	peak := func(from, to int) (p float64) {
		for n := from; n < to; n++ {
			p = max(p, memory[fmt.Sprintf("/nosy-%d", n)])
		}
		return p
	}
	for n := 0; n < jobs; n += 20 { t.Log(n, peak(n, n+20)) }
	a, b := peak(0, jobs/2), peak(jobs/2, jobs)
	t.Logf("RssAnon of the child: %.1f MiB at most in the first half, %.1f in the second", a, b)
	require.Less(t, b, 1.1*a+3, "MiB")
}

// look is what a nosy job saw.
func look(t *testing.T, m *mill, id string) string {
	t.Helper()
	rec := m.record(id)
	require.Equal(t, record.Succeeded, rec.Status, "%s: %s", id, rec.Message)
	require.Equal(t, "", rec.Result["leave"].(map[string]any)["stdout"], "nothing outside its folder can be written")
	require.Equal(t, "0\n1\n2\n3\n", rec.Result["descriptors"].(map[string]any)["stdout"], "the last is the folder that ls reads")
	seen, _ := rec.Result["look"].(map[string]any)["stdout"].(string)
	require.Contains(t, seen, "files: \n")
	require.Contains(t, seen, "processes: 0\n")
	require.Contains(t, seen, "state: \n")
	return seen
}

// child is the line of what a nosy job saw that names the process it ran in.
func child(seen string) string {
	_, line, _ := strings.Cut(seen, "child: ")
	return line
}
