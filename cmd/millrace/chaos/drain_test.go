//go:build linux

package chaos_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/historytest"
)

// polling waits until a worker's long poll has come to the server.
func (w *fleetWorker) polling() {
	w.fleet.t.Helper()
	came := make(chan struct{})
	var once sync.Once
	w.queue.On(func(c historytest.Call, m historytest.Moment) *historytest.Fault {
		if c.Verb == "ReceiveMessage" && m == historytest.Came {
			once.Do(func() { close(came) })
		}
		return nil
	})
	hear(w.fleet.t, came)
}

func TestF05SIGTERMEndsAnIdleWorkerAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 2*time.Second)
	w := f.start(0)
	w.polling()
	w.term()
	w.end(5 * time.Second)
	f.verify()
}

// A receive that is under way when SIGTERM comes has hidden messages: they are handed back, not hidden for a lease.
func TestF06SIGTERMDuringAReceiveHandsItsMessagesBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 60*time.Second, "--slots=2")
	w := f.start(0)
	answered, pass := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.queue.On(func(c historytest.Call, m historytest.Moment) *historytest.Fault {
		if len(c.Messages) > 0 && m == historytest.Answered {
			once.Do(func() { close(answered) })
			<-pass
		}
		return nil
	})
	f.one("chaotic", "f06")
	hear(t, answered)
	w.term()
	time.AfterFunc(500*time.Millisecond, func() { close(pass) }) // SIGTERM is there by then
	w.end(10 * time.Second)
	visible, hidden := f.depth(f.url)
	require.Equal(t, 1, visible, "the message is there for the next worker (%d are hidden): %s", hidden, w.log)
	require.Zero(t, f.puts("f06/attempt-1"), "it was not begun")
	f.start(1)
	f.drained(20 * time.Second)
	f.stop()
	f.verify()
}

func TestF07SIGTERMLetsAJobFinishThatFitsTheGrace(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 2*time.Second, "--slots=2", "--grace=30s")
	running, open := f.gate()
	w := f.start(0)
	f.one("gated", "f07")
	hear(t, running)
	extended := make(chan struct{}, 1000)
	w.term()
	w.queue.On(func(c historytest.Call, m historytest.Moment) *historytest.Fault {
		if len(c.Changes) > 0 && !c.Changes[0].Delete && m == historytest.Answered {
			extended <- struct{}{}
		}
		return nil
	})
	for range 4 { // two thirds of a second each: longer than the lease
		hear(t, extended)
	}
	open()
	w.end(20 * time.Second)
	f.verify()
	require.Equal(t, 1, f.puts("f07/final"))
	require.Zero(t, f.puts("f07/attempt-2"))
	visible, hidden := f.depth(f.url)
	require.Zero(t, visible+hidden)
}

func TestF08SIGTERMHandsBackAJobThatDoesNotFitTheGrace(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 8*time.Second, "--slots=2", "--grace=1s")
	running, open := f.gate()
	w := f.start(0)
	f.one("gated", "f08")
	hear(t, running)
	w.term()
	w.end(15 * time.Second)
	require.Zero(t, f.puts("artifacts/"), "what a stopped job left is not published")
	require.Equal(t, 1, f.puts("f08/attempt-1.end"))
	back := f.calls(func(c historytest.Call) bool {
		return len(c.Changes) == 1 && c.Changes[0].Done && !c.Changes[0].Delete && c.Changes[0].Hidden <= 2*time.Second
	})
	require.Equal(t, 1, back, "the message is handed back, and not hidden until the lease ends")
	open()
	f.start(1)
	f.drained(30 * time.Second) // fauxqs gives it to the poll that the first worker left, which hides it once more
	f.stop()
	f.verify()
	require.Contains(t, string(f.object(f.key("f08/attempt-1.end"))), `"interrupted"`, "it costs the job nothing")
}

func TestF09ASecondSignalEndsTheWorkerAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 8*time.Second, "--slots=2", "--grace=1h")
	running, open := f.gate()
	w := f.start(0)
	f.one("gated", "f09")
	hear(t, running)
	w.term()
	w.says("draining")
	w.term()
	w.end(15 * time.Second)
	require.Zero(t, f.puts("artifacts/"))
	open()
	f.start(1)
	f.drained(30 * time.Second)
	f.stop()
	f.verify()
}

func TestF10AWholeFleetTerminatedAtOncePublishesNothingTwice(t *testing.T) {
	t.Parallel()
	const workers = 5
	f := newFleet(t, servertest.Fauxqs(t), 4*time.Second, "--slots=1", "--grace=200ms")
	running, open := f.gate()
	for i := range workers {
		f.start(i)
	}
	jobs := make([]historytest.Job, 2*workers)
	for i := range jobs {
		jobs[i] = historytest.Job{ID: "f10-" + string(letter(i)), Callback: i%2 == 0, Succeeds: true}
	}
	f.send("gated", jobs, nil)
	for range workers {
		hear(t, running)
	}
	f.stop()
	open()
	for i := range workers {
		f.start(i)
	}
	f.drained(30 * time.Second)
	f.stop()
	f.verify()
	require.Equal(t, len(jobs), f.puts("/final"))
}
