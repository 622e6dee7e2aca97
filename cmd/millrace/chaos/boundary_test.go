//go:build linux

package chaos_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/historytest"
)

// A boundary is a place between two steps of a message's life, as the servers see it.
type boundary struct {
	name string
	each bool // every job of a message comes there
	here func(c historytest.Call, m historytest.Moment) bool
}

var boundaries = []boundary{
	{"after receive, before the worker knows", false, func(c historytest.Call, m historytest.Moment) bool {
		return m == historytest.Answered && (len(c.Messages) > 0 || c.State == "held" && c.Create)
	}},
	{"after receive, before the claim", true, func(c historytest.Call, m historytest.Moment) bool {
		return m == historytest.Came && claims(c)
	}},
	{"after the claim", true, func(c historytest.Call, m historytest.Moment) bool { return m == historytest.Answered && claims(c) }},
	{"after output", true, func(c historytest.Call, m historytest.Moment) bool {
		return m == historytest.Answered && c.Verb == http.MethodPut && strings.HasPrefix(c.Key, "artifacts/")
	}},
	{"before commit", true, func(c historytest.Call, m historytest.Moment) bool { return m == historytest.Came && commits(c) }},
	{"after commit", true, func(c historytest.Call, m historytest.Moment) bool { return m == historytest.Answered && commits(c) }},
	{"before delete", false, func(c historytest.Call, m historytest.Moment) bool { return m == historytest.Came && deletes(c) }},
	{"after delete", false, func(c historytest.Call, m historytest.Moment) bool { return m == historytest.Answered && deletes(c) }},
}

func claims(c historytest.Call) bool {
	return c.Verb == http.MethodPut && strings.Contains(c.Key, "/attempt-") && !strings.HasSuffix(c.Key, ".end")
}

func commits(c historytest.Call) bool {
	return c.Verb == http.MethodPut && strings.HasSuffix(c.Key, "/final")
}

func deletes(c historytest.Call) bool {
	return len(c.Changes) > 0 && c.Changes[0].Delete || c.State == "done" // which settles a message in a bucket
}

// killAt kills the worker when it comes to a boundary for the first time; what it said there last is never answered.
// The channel is closed then.
func (w *fleetWorker) killAt(b boundary) <-chan struct{} {
	reached := make(chan struct{})
	var once sync.Once
	hook := func(c historytest.Call, m historytest.Moment) *historytest.Fault {
		if !b.here(c, m) {
			return nil
		}
		once.Do(func() {
			w.strike()
			close(reached)
		})
		return &historytest.Fault{}
	}
	w.queue.On(hook)
	w.store.On(hook)
	return reached
}

// gate makes gated jobs wait: each comes as an ID on running, and goes on when open is called.
func (f *fleet) gate() (running <-chan string, open func()) {
	ids, opened := make(chan string, 1000), make(chan struct{})
	f.receiver.Ear(func(job string, gone <-chan struct{}) {
		ids <- job
		select {
		case <-opened:
		case <-gone:
		}
	})
	return ids, sync.OnceFunc(func() { close(opened) })
}

func TestF01AWorkerKilledWhileATaskRunsLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 2*time.Second, "--slots=2")
	running, open := f.gate()
	w := f.start(0)
	f.one("gated", "f01")
	require.Equal(t, "f01", hear(t, running))
	w.kill()
	open()
	f.start(0)
	f.drained(20 * time.Second)
	f.stop()
	f.verify()
	require.Equal(t, 1, f.puts("f01/attempt-1"))
	require.Equal(t, 1, f.puts("f01/attempt-2"))
	require.Equal(t, 1, f.puts("f01/final"))
	require.Zero(t, f.puts("artifacts/f01/1/"), "the dead attempt published nothing")
}

// Whatever the step at which a worker is killed, the job is committed once, and what was committed is not
// done again.
func TestF02F03AWorkerKilledAtAnyBoundaryCommitsOnce(t *testing.T) {
	t.Parallel()
	for _, b := range boundaries {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, servertest.Fauxqs(t), 2*time.Second, "--slots=1")
			w := f.start(0)
			reached := w.killAt(b)
			f.one("chaotic", "f02")
			hear(t, reached)
			<-w.ended
			committed, published := f.puts("f02/final") == 1, f.puts("artifacts/")
			f.start(0)
			f.drained(30 * time.Second)
			f.stop()
			f.verify()
			require.Equal(t, 1, f.puts("f02/final"))
			if committed {
				require.Zero(t, f.puts("f02/attempt-2"), "what is committed is not done again")
				require.Equal(t, published, f.puts("artifacts/"))
			}
		})
	}
}

// At a second job's boundary the first one of the message is over, and stays so; none is lost with the message, none is done
// again that was committed.
func TestAWorkerKilledAtAnyBoundaryOfAMessageWithSeveralJobsCommitsEachOnce(t *testing.T) {
	t.Parallel()
	for _, b := range boundaries {
		for nth := 1; nth == 1 || b.each && nth == 2; nth++ {
			t.Run(fmt.Sprintf("%s, time %d", b.name, nth), func(t *testing.T) {
				t.Parallel()
				f := newFleet(t, servertest.Fauxqs(t), 2*time.Second, "--slots=1")
				w := f.start(0)
				reached := w.killAt(b.after(nth - 1))
				var jobs []historytest.Job
				for _, id := range []string{"one", "two", "three"} {
					jobs = append(jobs, historytest.Job{ID: id, Callback: true, Succeeds: true, Shares: true})
				}
				f.send("chaotic", jobs, nil)
				hear(t, reached)
				<-w.ended
				committed := map[string]bool{}
				for _, j := range jobs {
					committed[j.ID] = f.puts("/"+j.ID+"/final") == 1
				}
				f.start(0)
				f.drained(40 * time.Second)
				f.stop()
				f.verify()
				for _, j := range jobs {
					require.Equal(t, 1, f.puts("/"+j.ID+"/final"))
					if committed[j.ID] {
						require.Zero(t, f.puts("/"+j.ID+"/attempt-2"), "what is committed is not done again")
					}
				}
				require.Empty(t, f.h.Dead)
			})
		}
	}
}

// after is the boundary once it was come to so often, by another job each time.
func (b boundary) after(times int) boundary {
	var mu sync.Mutex
	seen := map[string]bool{}
	return boundary{b.name, b.each, func(c historytest.Call, m historytest.Moment) bool {
		if !b.here(c, m) {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		job, _, _ := strings.Cut(strings.TrimPrefix(c.Key, "artifacts/"), "/")
		if strings.HasPrefix(c.Key, "jobs/") {
			job = strings.Split(c.Key, "/")[2]
		}
		seen[job] = true
		return len(seen) > times
	}}
}

func TestF04AWorkerKilledAfterTheCallbackMayCallAgainAndDoesNotRunAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 2*time.Second, "--slots=1")
	w := f.start(0)
	var once sync.Once
	f.receiver.On(func(string) int {
		once.Do(w.strike)
		return http.StatusNoContent
	})
	f.one("chaotic", "f04")
	<-w.ended
	f.start(0)
	f.drained(20 * time.Second)
	f.stop()
	f.verify() // the id is the same, and so on
	require.Zero(t, f.puts("f04/attempt-2"))
	require.GreaterOrEqual(t, len(f.h.Callbacks()), 1)
}

func TestASpotNodeThatKillsTwoSecondsAfterSIGTERMLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 2*time.Second, "--slots=1", "--grace=30s")
	running, open := f.gate()
	w := f.start(0)
	f.one("gated", "spot")
	hear(t, running)
	w.term()
	select {
	case <-w.ended:
		t.Fatal("the job still runs, and the grace is not over")
	case <-time.After(2 * time.Second):
	}
	w.kill()
	open()
	f.start(0)
	f.drained(20 * time.Second)
	f.stop()
	f.verify()
	require.Equal(t, 1, f.puts("spot/final"))
}

// One message, two workers at once. One commits, the other is superseded.
func TestF13TwoWorkersWithTheSameMessageCommitOnce(t *testing.T) {
	t.Parallel()
	// A lease so long that the first worker does not notice, before it is done, that it was lost.
	f := newFleet(t, servertest.Fauxqs(t), 30*time.Second, "--slots=1")
	running, open := f.gate()
	first, second := f.start(0), f.start(1)
	first.says("worker ready") // both of them: to start may take longer than a heartbeat
	second.says("worker ready")
	f.one("gated", "f13")
	hear(t, running)
	f.reveal()
	hear(t, running)
	open()
	first.says("f13 pipeline=gated")
	second.says("f13 pipeline=gated")
	f.stop()
	f.verify()
	require.Equal(t, 2, f.puts("f13/attempt-1")+f.puts("f13/attempt-2"), "both ran")
	require.Equal(t, 1, f.puts("f13/final"))
	require.Equal(t, 1, strings.Count(first.log.String()+second.log.String(), "attempt superseded"))
}

// The memory that a job takes takes its worker down too. Each time the worker is gone as soon as it has left word of
// who is to blame. The second time it was alone; then it is not run again.
func TestF26AJobWhoseMemoryKillsItsWorkersIsQuarantined(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 2*time.Second, "--slots=2", "--job-memory=128Mi")
	blamed := boundary{"after the crumb", false, func(c historytest.Call, m historytest.Moment) bool {
		return m == historytest.Answered && c.Verb == http.MethodPut && strings.Contains(c.Key, "/crumb-")
	}}
	w := f.start(0)
	reached := w.killAt(blamed)
	f.send("greedy", []historytest.Job{{ID: "f26", Callback: true}}, nil)
	hear(t, reached)
	<-w.ended
	w = f.start(0)
	reached = w.killAt(blamed)
	hear(t, reached)
	<-w.ended
	require.Equal(t, 2, f.puts("f26/attempt-"))
	f.start(0)
	f.one("chaotic", "f26-sibling")
	f.drained(20 * time.Second)
	f.stop()
	f.verify()
	require.Equal(t, 1, f.h.Dead["f26"])
	require.Equal(t, 2, f.puts("f26/crumb-"), "it was not run a third time")
	require.Equal(t, 1, f.puts("f26-sibling/attempt-"), "the others have nothing to do with it")
	final := string(f.object(f.key("f26/final")))
	require.Contains(t, final, `"quarantine"`)
	require.Contains(t, final, "its worker died too")
	require.Contains(t, string(f.object(f.key("f26/attempt-2"))), `"alone":true`)
}
