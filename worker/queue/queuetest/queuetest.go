// Package queuetest holds what every queue.Driver promises. Each driver runs it in its own tests.
package queuetest

import (
	"cmp"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/queue"
)

// together is how many cases of a driver in real time run at once.
const together = 8

// Options describe the driver under test.
type Options struct {
	// Visibility is how long the drivers that open returns hide a message. At least 1 s for a broker of whole seconds.
	Visibility time.Duration
	// Wait is how long to wait for a message that is there or is not; default 20 s. Longer than it takes the broker to
	// show what was sent.
	Wait time.Duration
	// Virtual drivers know the time from package time alone: their cases run in a synctest bubble and take no time.
	Virtual bool
	// Reopen closes a driver and opens another one on the same messages. Without it durability is not tested.
	Reopen func(t *testing.T, d queue.Driver) queue.Driver
	// HandedBackInFlight says that the broker counts what was handed back for later as in flight (SQS), not as delayed.
	HandedBackInFlight bool
	// Deviations are the cases, by name, that this server can't pass, and why. A promise must be green on another server
	// of the same driver: Kept says whether it is.
	Deviations map[string]string
}

// Kept checks that of the servers a driver runs on at least one has no deviation for each promise.
func Kept(t *testing.T, servers ...Options) {
	t.Helper()
	for _, c := range cases {
		green := slices.ContainsFunc(servers, func(o Options) bool { return o.Deviations[c.name] == "" })
		require.True(t, green, "no server keeps the promise: %s", c.name)
	}
}

// Run holds the driver to its promises. open returns one whose queue is empty and nobody else's; it ends with t.
func Run(t *testing.T, open func(t *testing.T) queue.Driver, o Options) {
	require.Positive(t, o.Visibility, "queuetest: Options.Visibility is not set")
	for name, reason := range o.Deviations {
		known := slices.ContainsFunc(cases, func(c promise) bool { return c.name == name })
		require.True(t, known && reason != "", "queuetest: %q is no case, or has no reason to deviate", name)
	}
	var wg sync.WaitGroup
	turns := make(chan struct{}, together)
	for _, c := range cases {
		if o.Virtual {
			t.Run(c.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { c.keep(t, open, o) }) })
			continue
		}
		wg.Go(func() { // they wait more than they work: t.Parallel would let as many of them as there are cores
			turns <- struct{}{}
			defer func() { <-turns }()
			t.Run(c.name, func(t *testing.T) { c.keep(t, open, o) })
		})
	}
	wg.Wait()
}

// keep runs the case, or says why not.
func (c promise) keep(t *testing.T, open func(t *testing.T) queue.Driver, o Options) {
	if reason := o.Deviations[c.name]; reason != "" {
		t.Logf("DEVIATION, not run here: %s: %s", c.name, reason)
		return
	}
	c.run(&bench{T: t, Driver: open(t), Options: o})
}

type promise struct {
	name string
	run  func(*bench)
}

var cases = []promise{
	{"a message arrives as it was sent", arrives},
	{"a body may hold any bytes, or none", anyBytes},
	{"a body of 1 MiB arrives", largeBody},
	{"ten attributes arrive", tenAttributes},
	{"an empty queue is not an error", empty},
	{"receive returns at most what was asked for", atMost},
	{"messages come roughly in the order they were sent", inOrder},
	{"a received message is hidden until its lease ends", hidden},
	{"a delayed message is hidden until its delay is over", delayed},
	{"a waiting receive gets what is sent meanwhile", wakes},
	{"an extended lease lasts longer", extended},
	{"a nacked message comes back at once", nackedNow},
	{"a nacked message comes back after its delay", nackedLater},
	{"every delivery is counted and has its own receipt", deliveries},
	{"an acked message never comes back", acked},
	{"acks are answered one by one", mixedAcks},
	{"a stale receipt changes nothing", stale},
	{"a receipt of nobody changes nothing", foreign},
	{"a buried message leaves the queue", buried},
	{"depth counts what is visible, in flight, delayed and dead", depth},
	{"a cancelled receive hides nothing", cancelled},
	{"receivers at the same time never share a message", concurrent},
	{"one message of a group is in flight at a time, in order", groups},
	{"what was sent outlives the driver", durable},
}

// A bench is a driver under test.
type bench struct {
	*testing.T
	queue.Driver
	Options
}

func (b *bench) send(body string) string {
	b.Helper()
	id, err := b.Send(b.Context(), queue.Draft{Body: []byte(body)})
	require.NoError(b, err)
	return id
}

// receive returns up to max messages, asking again while a broker gives fewer than there must be.
func (b *bench) receive(max int) []queue.Message {
	b.Helper()
	var ms []queue.Message
	for range 5 {
		got, err := b.Receive(b.Context(), max-len(ms), b.wait())
		require.NoError(b, err)
		if ms = append(ms, got...); len(ms) == max {
			break
		}
	}
	return ms
}

// one receives the only message there must be.
func (b *bench) one() queue.Message {
	b.Helper()
	ms := b.receive(1)
	require.Len(b, ms, 1, "the queue gives no message")
	return ms[0]
}

// none checks that nothing is visible.
func (b *bench) none() {
	b.Helper()
	d, err := b.Depth(b.Context())
	require.NoError(b, err)
	require.Zero(b, d.Visible, "a message is visible")
}

func (b *bench) wait() time.Duration { return cmp.Or(b.Wait, 20*time.Second) }

// pass lets time go by. Brokers that are real need real time.
func (b *bench) pass(d time.Duration) { time.Sleep(d) }

// expire outlasts every lease.
func (b *bench) expire() { b.pass(b.Visibility + b.Visibility/4) }

func bodies(ms []queue.Message) []string {
	var ss []string
	for _, m := range ms {
		ss = append(ss, string(m.Body))
	}
	return ss
}
