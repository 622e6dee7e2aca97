//go:build e2e && linux

package e2e_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/record"
)

// A napping job writes to its output all the time while it sleeps: one that is stopped leaves a part of it.
const naps = `
name: sleeper
params: {seconds: {type: integer}}
tasks:
  - module: Shell
    props:
      command: sh
      args: [-c, "mkdir -p outputs && for i in $(seq {{ seconds }}); do head -c 10000 /dev/zero >>outputs/nap.bin; sleep 1; done"]
`

// eachSecond is what one writes, in bytes.
const eachSecond = 10_000

// An attendance is which pods of a class there were, and how many at most at once.
type attendance struct {
	mu    sync.Mutex
	most  int             // guarded by mu
	begun map[string]bool // guarded by mu: by UID; true is one that was told to stop
	err   error           // guarded by mu: of the last look
}

// attend looks at the pods twice a second until the test ends.
func (m *mill) attend(class string) *attendance {
	a := &attendance{begun: map[string]bool{}}
	ctx, stop := context.WithCancel(m.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			all, err := listPods(ctx, m.name, "millrace/class="+class)
			a.look(all, err)
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
	m.t.Cleanup(func() {
		stop()
		wg.Wait()
	})
	return a
}

func (a *attendance) look(all []kubePod, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
	if err != nil {
		return
	}
	ready, there := 0, map[string]bool{}
	for _, p := range all {
		there[p.Meta.UID] = true
		a.begun[p.Meta.UID] = a.begun[p.Meta.UID] || !p.alive()
		if p.alive() && p.ready() {
			ready++
		}
	}
	for uid := range a.begun {
		a.begun[uid] = a.begun[uid] || !there[uid]
	}
	a.most = max(a.most, ready)
}

// counts returns how many pods were ready at once at most, and how many were told to stop.
func (a *attendance) counts(t *testing.T) (most, stopped int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	require.NoError(t, a.err)
	for _, gone := range a.begun {
		if gone {
			stopped++
		}
	}
	return a.most, stopped
}

// A tally is what became of jobs.
type tally struct {
	finals, succeeded         int
	interrupted, failed, died int // attempts
	partial                   int // objects of outputs that are not whole
}

// count reads the store: every record, and every object that was published. size is what each output must have.
func (m *mill) count(ids []string, size int64) tally {
	m.t.Helper()
	var n tally
	for _, r := range m.finals(ids) {
		if r.Status == record.Succeeded {
			n.succeeded++
		}
		if r.Folded != nil {
			n.interrupted += r.Folded.Interrupted
		}
		for _, a := range r.Attempts {
			switch a.Status {
			case record.AttemptInterrupted:
				n.interrupted++
			case record.AttemptFailed:
				n.failed++
			case record.AttemptDied:
				n.died++
			}
		}
	}
	for info, err := range m.store.List(m.t.Context(), "", "") {
		require.NoError(m.t, err)
		if strings.HasPrefix(info.Key, "jobs/") && strings.HasSuffix(info.Key, "/final") {
			n.finals++
		}
		if strings.HasPrefix(info.Key, "artifacts/") && strings.HasSuffix(info.Key, "/nap.bin") && info.Size != size {
			n.partial++
		}
	}
	return n
}

// settled says that nothing is left in a queue, nor was given up.
func (m *mill) settled(class string) bool {
	m.t.Helper()
	d, err := m.queues[class].Depth(m.t.Context())
	require.NoError(m.t, err)
	return d.Visible == 0 && d.InFlight == 0 && d.Delayed == 0 && d.Dead <= 0
}
