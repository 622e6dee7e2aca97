//go:build linux

package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

const (
	mebi      = 1 << 20
	cutAtSize = "[output cut after 8388608 bytes]"
	cutLine   = "[line cut after 65536 bytes]"
)

// hostilePrograms are what a job may run, and what becomes of it.
var hostilePrograms = []struct {
	name   string
	script string // MARK is a number that only this case's programs know
	more   string
	status record.Status
	log    string
	within time.Duration // of the task
}{
	{"deaf to SIGTERM", `trap "" TERM; while :; do sleep MARK; done`, "timeout: 1", record.Dead, "", 7 * time.Second},
	{"forks twice into sessions of its own", `setsid setsid sh -c "trap '' TERM; sleep MARK" & setsid sleep MARK & exit 0`, "", record.Succeeded, "", 5 * time.Second},
	{"forks without a trace", `env -i /usr/bin/setsid /bin/sh -c "/bin/sleep MARK & exit" & wait`, "", record.Succeeded, "", 5 * time.Second},
	{"leaves stdout to a grandchild", `sleep MARK & echo up`, "", record.Succeeded, `"line":"up"`, 5 * time.Second},
	{"a gigabyte of lines", `yes "no end in sight, and nothing to see here either, however long one looks at it and whoever does: MARK" | head -c 1G`, "", record.Succeeded, cutAtSize, time.Minute},
	{"a gigabyte of short lines", `yes | head -c 1G`, "", record.Succeeded, "[output cut after 100000 lines]", time.Minute},
	{"a gigabyte of long lines", `yes "$(head -c 8000 /dev/zero | tr '\0' x)" | head -c 1G`, "", record.Succeeded, cutAtSize, time.Minute},
	{"one endless line", `head -c 200M /dev/zero | tr '\0' x`, "", record.Succeeded, cutLine, time.Minute},
	{"one endless line as its reason to fail", `head -c 200M /dev/zero | tr '\0' x >&2; exit 3`, "", record.Dead, cutLine, time.Minute},
	{"NULs", `head -c 9M /dev/zero`, "", record.Succeeded, `\\x00\\x00`, time.Minute},
	{"garbage", `printf 'a\000b\377\376\303\n'; head -c 3M /dev/urandom`, "", record.Succeeded, `"a\\x00b\\xff\\xfe\\xc3"`, time.Minute},
}

// Whatever a job's program does, it is gone when its task is over, its record and its log are as they should be, and
// neither the worker nor another job notices.
func TestHostileProgramsHarmNobody(t *testing.T) {
	for i, tt := range hostilePrograms {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mark := fmt.Sprintf("3600.%d%03d", os.Getpid(), i)
			m := newMill(t)
			var left []string
			ended := make(chan string, 4)
			ear := newEar(t, func(ear map[string]any, path string) {
				if path == "/hostile" {
					left = survivors(mark)
					m.job("next", script("echo fine", ""), ear) // in the place where the hostile one ran
				}
				ended <- path
			})
			m.job("hostile", script(strings.ReplaceAll(tt.script, "MARK", mark), tt.more), ear)
			m.job("sibling-1", script("echo fine", ""), ear)
			m.job("sibling-2", script("sleep 1; echo fine", ""), ear)
			w := m.start("--slots=2", "--allow-hosts=127.0.0.1", "--job-memory=768Mi")
			stop := watchMemory(w.cmd.Process.Pid)
			for range cap(ended) {
				hear(t, ended)
			}
			peak := stop()
			w.signal()
			w.end()

			rec := m.record("hostile")
			require.Equal(t, tt.status, rec.Status, rec.Message)
			require.Less(t, len(rec.Message), 6<<10)
			require.Less(t, rec.Tasks[0].Ended.Sub(rec.Tasks[0].Started), tt.within)
			require.Empty(t, left, "nothing survives the task")
			require.Empty(t, append(survivors(mark), survivors(m.data)...))
			require.Less(t, peak.worker, 40.0, "MiB")
			t.Logf("worker %.0f MiB, child %.0f MiB", peak.worker, peak.child)
			log := m.log("hostile")
			require.Contains(t, log, tt.log)
			require.Less(t, len(log), 64*mebi)
			require.True(t, utf8.ValidString(log) && !strings.Contains(log, "\x00"))
			for _, id := range []string{"sibling-1", "sibling-2", "next"} {
				require.Equal(t, record.Succeeded, m.record(id).Status, "%s: %s", id, m.record(id).Message)
			}
		})
	}
}

// napping is a job whose program naps for as many seconds as the ear says.
const napping = `
name: napping
tasks:
  - {name: ask, module: Http, register: nap, props: {url: "{{ ear }}/nap"}}
  - {name: sleep, module: Shell, props: {command: sh, args: [-c, "echo begun; sleep {{ nap.data }}; mkdir -p outputs; echo slept > outputs/out"]},
     callbacks: {onStdout: [{module: Http, props: {url: "{{ ear }}/begun"}}]}}
`

// SIGTERM: what fits into the grace ends, what does not is handed back at no cost, and a second one cuts the grace.
func TestADrainCostsNoJobAnything(t *testing.T) {
	for _, tt := range []struct {
		name, nap, grace string
		signals          int
		attempts         int
		within           time.Duration // from the signal to the end
	}{
		{"a job that fits ends", "1", "20s", 1, 1, 15 * time.Second},
		{"a job that does not is handed back", "600", "1s", 1, 2, 8 * time.Second},
		{"a second signal is obeyed at once", "600", "300s", 2, 2, 8 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMill(t)
			ear, begun := newAlarm(t, tt.nap)
			m.job("napping", napping, ear)
			w := m.start("--allow-hosts=127.0.0.1", "--grace="+tt.grace)
			hear(t, begun)
			at := time.Now()
			w.signal()
			w.until("draining")
			for range tt.signals - 1 {
				w.signal()
			}
			log := w.end()
			require.Less(t, time.Since(at), tt.within)
			require.Empty(t, append(survivors(m.data), dirNames(t, filepath.Join(m.data, "run"))...))

			if tt.attempts > 1 {
				m.start("--allow-hosts=127.0.0.1", "--exit-when-idle=3s").end()
			}
			rec := m.record("napping")
			require.Equal(t, record.Succeeded, rec.Status, "%s\n%s", rec.Message, log)
			require.Len(t, rec.Attempts, tt.attempts)
			require.Len(t, rec.Artifacts, 2, "what it made, and the report")
			if tt.attempts > 1 {
				require.Equal(t, record.AttemptInterrupted, rec.Attempts[0].Status, "a free attempt: the job may be tried once")
			}
			depth, err := m.queue.Depth(t.Context())
			require.NoError(t, err)
			require.Equal(t, queue.Depth{}, depth)
		})
	}
}

// newAlarm is the ear of a napping job: the first nap is as long as given, the next ones are over at once.
func newAlarm(t *testing.T, nap string) (ear map[string]any, begun <-chan struct{}) {
	t.Helper()
	starts := make(chan struct{}, 2)
	var naps atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/begun":
			starts <- struct{}{}
		case naps.Add(1) == 1:
			_, _ = io.WriteString(w, nap)
		default:
			_, _ = io.WriteString(w, "0")
		}
	}))
	t.Cleanup(s.Close)
	return map[string]any{"state": map[string]any{"ear": s.URL}}, starts
}

func dirNames(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	for _, e := range mustReadDir(t, dir) {
		names = append(names, e.Name())
	}
	return names
}
