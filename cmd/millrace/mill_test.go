//go:build linux

package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/record"
)

// A mill is a queue and a store of its own, to send messages to, start workers on and read records from.
type mill struct {
	t     *testing.T
	data  string
	queue *localqueue.Driver
	env   []string // of workers, besides PATH
}

func newMill(t *testing.T, env ...string) *mill {
	t.Helper()
	data := t.TempDir()
	d, err := localqueue.Open(t.Context(), localqueue.Config{Path: filepath.Join(data, "queue.db"), Visibility: 5 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return &mill{t: t, data: data, queue: d, env: env}
}

// send puts a message into the queue and returns its ID.
func (m *mill) send(body string) string {
	m.t.Helper()
	id, err := m.queue.Send(m.t.Context(), queue.Draft{Body: []byte(body)})
	require.NoError(m.t, err)
	return id
}

// job sends a job that is tried once; extra is more of its message. It may be called from any goroutine.
func (m *mill) job(id, pipeline string, extra map[string]any) {
	m.t.Helper()
	fields := maps.Clone(extra)
	if fields == nil {
		fields = map[string]any{}
	}
	fields["id"], fields["pipeline"], fields["max_attempts"] = id, pipeline, 1
	body, err := json.Marshal(fields)
	if err == nil {
		_, err = m.queue.Send(context.Background(), queue.Draft{Body: body})
	}
	if err != nil {
		m.t.Errorf("send %s: %v", id, err)
	}
}

// record is a job's record as it stands.
func (m *mill) record(id string) *record.Record {
	m.t.Helper()
	store, err := dirblob.Open(filepath.Join(m.data, "store"))
	require.NoError(m.t, err)
	rec, err := record.New(store, time.Now).Load(m.t.Context(), id)
	require.NoError(m.t, err, id)
	return rec
}

// log is a job's log as it is stored.
func (m *mill) log(id string) string {
	m.t.Helper()
	chunks, err := filepath.Glob(filepath.Join(m.data, "store", "jobs", "*", id, "log-*"))
	require.NoError(m.t, err)
	var all strings.Builder
	for _, c := range chunks {
		b, err := os.ReadFile(c)
		require.NoError(m.t, err)
		all.Write(b)
	}
	return all.String()
}

// A running is a worker under way.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string     // of its log
	log   strings.Builder // what was read of it
}

// start starts a worker.
func (m *mill) start(args ...string) *running {
	m.t.Helper()
	return m.begin(exec.Command(binary, m.args(args)...))
}

// args are those of a worker.
func (m *mill) args(more []string) []string {
	return append([]string{"work", "--data", m.data, "--visibility=5s"}, more...)
}

// begin starts what becomes a worker. It inherits a descriptor that is none of its jobs' business.
func (m *mill) begin(cmd *exec.Cmd) *running {
	m.t.Helper()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, m.env...)
	inherited, err := os.Open(m.data)
	require.NoError(m.t, err)
	defer inherited.Close()
	cmd.ExtraFiles = []*os.File{inherited}
	pipe, err := cmd.StderrPipe()
	require.NoError(m.t, err)
	require.NoError(m.t, cmd.Start())
	r := &running{t: m.t, cmd: cmd, lines: make(chan string, 10_000)}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(r.lines)
		for lines := bufio.NewReader(pipe); ; {
			line, err := lines.ReadString('\n')
			r.lines <- line
			if err != nil {
				return
			}
		}
	})
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill() // where the test has failed, else it is gone
		wg.Wait()
	})
	return r
}

// until reads the worker's log up to a line with that text.
func (r *running) until(text string) {
	r.t.Helper()
	for line := range r.lines {
		r.log.WriteString(line)
		if strings.Contains(line, text) {
			return
		}
	}
	r.t.Fatalf("the worker ended before it said %q: %s", text, &r.log)
}

// end waits for the worker, which must end well, and returns its log.
func (r *running) end() string {
	r.t.Helper()
	for line := range r.lines {
		r.log.WriteString(line)
	}
	require.NoError(r.t, r.cmd.Wait(), "%s", &r.log)
	return r.log.String()
}

func (r *running) signal() {
	r.t.Helper()
	require.NoError(r.t, r.cmd.Process.Signal(syscall.SIGTERM))
}

// work runs a worker until the queue is empty and returns its log.
func (m *mill) work(args ...string) string {
	m.t.Helper()
	return m.start(append(args, "--exit-when-idle=1s")...).end()
}

// A watch is the most anonymous memory that a worker and any of its children were seen to use, in MiB.
type watch struct{ worker, child float64 }

// watchMemory looks at a worker's memory until stop is called.
func watchMemory(pid int) (stop func() watch) {
	var w watch
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(5 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-quit:
				return
			case <-t.C:
				w.worker = max(w.worker, anonymous(pid))
				for _, c := range childrenOf(pid) {
					w.child = max(w.child, anonymous(c))
				}
			}
		}
	})
	return func() watch { close(quit); wg.Wait(); return w }
}

// anonymous is a process's RssAnon in MiB; 0 where there is none.
func anonymous(pid int) float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	if f := strings.Fields(rest); len(f) > 0 {
		kib, _ := strconv.ParseFloat(f[0], 64)
		return kib / 1024
	}
	return 0
}

func childrenOf(pid int) []int {
	var pids []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, l := range lists {
		b, _ := os.ReadFile(l)
		for f := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// script is a pipeline of one task, which runs a shell script; more is what else the task has. It tells the ear when the
// run is over.
func script(text, more string) string {
	quoted, _ := json.Marshal(text) // a string always can
	return fmt.Sprintf(`
name: script
tasks:
  - name: it
    module: Shell
    register: out
    props: {command: sh, args: [-c, %s]}
    %s
callbacks:
  onEnd: [{module: Http, props: {url: "{{ ear }}/{{ job.id }}"}}]
`, quoted, more)
}

// newEar is a server that hears the callbacks of scripts: said is called for each, one at a time, while the job waits.
// What it returns, and said is given, goes into the message of a job that should tell it.
func newEar(t *testing.T, said func(ear map[string]any, path string)) map[string]any {
	t.Helper()
	var mu sync.Mutex
	s := httptest.NewUnstartedServer(nil)
	ear := map[string]any{"state": map[string]any{"ear": "http://" + s.Listener.Addr().String()}}
	s.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		said(ear, r.URL.Path)
	})
	s.Start()
	t.Cleanup(s.Close)
	return ear
}

// hear returns what comes next from a channel that an ear's function fills.
func hear[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing was heard for a minute")
		panic("unreachable")
	}
}
