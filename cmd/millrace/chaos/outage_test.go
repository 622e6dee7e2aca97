//go:build linux

package chaos_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/historytest"
)

// answering has a server say the same to everything.
func answering(status int, code string) historytest.Hook {
	return func(_ historytest.Call, m historytest.Moment) *historytest.Fault {
		if m == historytest.Came {
			return &historytest.Fault{Status: status, Code: code}
		}
		return nil
	}
}

// warnings counts the lines of a worker's log about calls to the queue that failed.
func (w *fleetWorker) warnings() int { return strings.Count(w.log.String(), "queue call failed") }

// seenSince counts what came from a worker since a time.
func (w *fleetWorker) seenSince(since time.Time) int {
	return w.fleet.calls(func(c historytest.Call) bool { return c.Worker == w.name && c.Queue != "" && c.Came.After(since) })
}

// lets waits for a while in which nothing is to be done but by the workers.
func lets(d time.Duration) { <-time.After(d) }

func TestF15AStormOf503DelaysAJobAndLosesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 10*time.Second, "--slots=2")
	running, open := f.gate()
	w := f.start(0)
	f.one("gated", "f15")
	hear(t, running)
	w.queue.On(answering(503, "ServiceUnavailable"))
	began := time.Now()
	open()
	lets(4 * time.Second)
	require.Less(t, w.seenSince(began), 60, "it backs off")
	w.queue.On(nil)
	f.one("gated", "f15-later")
	f.drained(40 * time.Second)
	f.stop()
	f.verify()
	require.LessOrEqual(t, w.warnings(), 1, "%s", w.log)
	require.Zero(t, f.puts("f15/attempt-2"), "the job went on")
}

// Heartbeats have connections of their own, and pass while SQS throttles what takes messages.
func TestF15AReceiveThatIsThrottledHoldsNoHeartbeatUp(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 3*time.Second, "--slots=3")
	running, open := f.gate()
	w := f.start(0)
	f.one("gated", "f15")
	hear(t, running)
	extended := make(chan struct{}, 1000)
	w.queue.On(func(c historytest.Call, m historytest.Moment) *historytest.Fault {
		if c.Verb == "ReceiveMessage" && m == historytest.Came {
			return &historytest.Fault{Status: 400, Code: "ThrottlingException"}
		}
		if len(c.Changes) > 0 && m == historytest.Answered {
			extended <- struct{}{}
		}
		return nil
	})
	f.one("gated", "f15-later") // which ends the poll that is under way, and has the next one begin
	hear(t, running)
	for range 12 { // two a second: two leases
		hear(t, extended)
	}
	require.LessOrEqual(t, w.warnings(), 1, "%s", w.log)
	require.Zero(t, f.puts("f15/attempt-1.end"))
	w.queue.On(nil)
	open()
	f.drained(40 * time.Second)
	f.stop()
	f.verify()
	require.Contains(t, w.log.String(), "ThrottlingException")
	require.Equal(t, 2, f.puts("/attempt-1"))
	require.Zero(t, f.puts("/attempt-2"), "both went on")
}

func TestF16APartitionLongerThanTheLeaseStopsTheJobBeforeItEnds(t *testing.T) {
	t.Parallel()
	for name, toxic := range map[string]string{"silence": historytest.Silence, "resets": historytest.Resets} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, servertest.Fauxqs(t), 6*time.Second, "--slots=2")
			running, stopped := make(chan struct{}), make(chan time.Time, 1)
			f.receiver.Ear(func(_ string, gone <-chan struct{}) {
				close(running)
				<-gone
				stopped <- time.Now()
			})
			w := f.start(0)
			f.one("gated", "f16")
			hear(t, running)
			w.queue.Break(toxic)
			at := hear(t, stopped)
			require.Less(t, at.Sub(f.leased()), time.Duration(0), "the job has stopped, and its lease is not over")
			f.receiver.Ear(nil)
			hear(t, w.created("f16/attempt-1.end"))
			require.Zero(t, f.puts("artifacts/"))
			w.queue.Heal()
			f.drained(40 * time.Second)
			f.stop()
			f.verify()
			require.LessOrEqual(t, w.warnings(), 1, "%s", w.log)
			require.Equal(t, 1, f.puts("f16/final"))
		})
	}
}

// leased is when the lease ends that the queue granted first.
func (f *fleet) leased() (ends time.Time) {
	first := ""
	for _, c := range f.h.Calls() {
		if first == "" && len(c.Messages) > 0 {
			first, ends = c.Messages[0].Receipt, c.Answered.Add(f.h.Visibility)
		}
		for _, ch := range c.Changes {
			if ch.Done && ch.Receipt == first {
				ends = c.Answered.Add(ch.Hidden)
			}
		}
	}
	return ends
}

// created returns what is closed when the worker has created an object with this in its key.
func (w *fleetWorker) created(part string) <-chan struct{} {
	done := make(chan struct{}, 100)
	w.store.On(func(c historytest.Call, m historytest.Moment) *historytest.Fault {
		if m == historytest.Answered && c.Passed() && c.Verb == "PUT" && strings.Contains(c.Key, part) {
			done <- struct{}{}
		}
		return nil
	})
	return done
}

// Nothing answers and nothing is closed, neither queue nor store, and it stays so. Every call ends by a deadline of
// its own, connections are not piled up, and nothing keeps the worker from ending.
func TestF17ABlackHoleIsLeftBehind(t *testing.T) {
	t.Parallel()
	f := newFleet(t, servertest.Fauxqs(t), 3*time.Second, "--slots=2", "--grace=2s")
	running, open := f.gate()
	w := f.start(0)
	f.one("gated", "f17")
	hear(t, running)
	before := w.descriptors()
	w.queue.Break(historytest.Silence)
	w.store.Break(historytest.Silence)
	open()
	w.says("queue call failed")
	lets(3 * time.Second)
	require.Less(t, w.descriptors(), before+20)
	w.term()
	w.end(32 * time.Second) // the grace, and the half minute that is promised
	f.start(0)
	f.drained(60 * time.Second)
	f.stop()
	f.verify()
	require.Equal(t, 1, f.puts("f17/final"))
}

// descriptors is how many files and connections the worker has open.
func (w *fleetWorker) descriptors() int {
	open, err := os.ReadDir(filepath.Join("/proc", fmt.Sprint(w.cmd.Process.Pid), "fd"))
	require.NoError(w.fleet.t, err)
	return len(open)
}

func TestF46AQueueThatIsGoneOrAKeyThatIsRevokedLetsTheJobFinish(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		break_, mend  func(f *fleet, w *fleetWorker)
		word          string
		again, atMost int // deliveries of the job, requests while it is broken
	}{
		{"deleted", func(f *fleet, _ *fleetWorker) {
			_, err := f.sqs.DeleteQueue(f.t.Context(), &sqs.DeleteQueueInput{QueueUrl: &f.url})
			require.NoError(f.t, err)
		}, func(f *fleet, _ *fleetWorker) { f.create() }, "does not exist", 0, 20},
		{
			"revoked", func(_ *fleet, w *fleetWorker) { w.queue.On(answering(403, "AccessDeniedException")) },
			func(_ *fleet, w *fleetWorker) { w.queue.On(nil) }, "lack the permission", 0, 20,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, servertest.Fauxqs(t), 15*time.Second, "--slots=2")
			running, open := f.gate()
			w := f.start(0)
			f.one("gated", "f46")
			hear(t, running)
			final := w.created("f46/final")
			tt.break_(f, w)
			began := time.Now()
			open()
			hear(t, final)
			lets(4 * time.Second)
			require.LessOrEqual(t, w.seenSince(began), tt.atMost, "it backs off")
			select {
			case <-w.ended:
				t.Fatalf("the worker ended: %v: %s", w.err, w.log)
			default:
			}
			tt.mend(f, w)
			f.one("gated", "f46-later")
			f.drained(40 * time.Second)
			f.stop()
			f.verify()
			require.Contains(t, w.log.String(), tt.word)
			require.LessOrEqual(t, w.warnings(), 2, "%s", w.log)
			require.Zero(t, f.puts("f46/attempt-2"), "it is not done again")
		})
	}
}
