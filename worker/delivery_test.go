package worker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// batch is a message that asks for a job of each ID: a batch of CloudEvents. rest stands in each of them.
func batch(rest string, ids ...string) string {
	var events []string
	for i, id := range ids {
		events = append(events, fmt.Sprintf(`{"specversion":"1.0","id":"e%d","source":"/test","type":"job","data":{"id":%q,"pipeline":"p"%s}}`, i, id, rest))
	}
	return "[" + strings.Join(events, ",") + "]"
}

// A shift is what running the jobs of a message does, by their IDs; those that are not there pass. It notes which ran, in order.
type shift struct {
	does map[string]func(ctx context.Context, n int) *engine.Run // n is how often the job ran, this time too

	mu      sync.Mutex
	ran     []string // guarded by mu, as all below
	times   map[string]int
	running int
	most    int // at once
}

func (s *shift) run(ctx context.Context, ws string, req *launch.Request) *engine.Run {
	s.mu.Lock()
	if s.times == nil {
		s.times = map[string]int{}
	}
	id := req.Job.ID
	s.ran = append(s.ran, id)
	s.times[id]++
	n := s.times[id]
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.running--
		s.mu.Unlock()
	}()
	if do := s.does[id]; do != nil {
		return do(ctx, n)
	}
	time.Sleep(time.Second)
	return succeed(ctx, ws, req)
}

// once fails at first.
func once(k fault.Kind) func(context.Context, int) *engine.Run {
	return func(ctx context.Context, n int) *engine.Run {
		if n == 1 {
			return fail(k)(ctx, "", nil)
		}
		return succeed(ctx, "", nil)
	}
}

func always(k fault.Kind) func(context.Context, int) *engine.Run {
	return func(ctx context.Context, _ int) *engine.Run { return fail(k)(ctx, "", nil) }
}

func (b *bench) status(id string) record.Status {
	b.t.Helper()
	r, err := b.cfg.Records.Load(b.t.Context(), id)
	require.NoError(b.t, err)
	return r.Status
}

// told has the bench note what its worker tells of attempts.
func (b *bench) told() *[]string {
	var told []string
	b.cfg.Settled = func(s worker.Settlement) { told = append(told, s.Outcome) }
	return &told
}

func TestTheJobsOfAMessageRunOneAfterTheOtherAndItIsDeletedOnce(t *testing.T) {
	t.Parallel()
	var s shift
	onBench(t, s.run, as, func(b *bench) {
		b.cfg.Slots = 4
		told := b.told()
		b.send(batch("", "a", "b", "c"))
		b.stop(time.Minute, 0)
		require.Equal(t, []string{"a", "b", "c"}, s.ran)
		require.Equal(t, 1, s.most)
		require.Equal(t, []string{"ack"}, b.answers)
		require.Equal(t, []string{"succeeded", "succeeded", "succeeded"}, *told)
		for _, id := range s.ran {
			require.Equal(t, record.Succeeded, b.status(id))
		}
	})
}

func TestAMessageComesAgainForTheJobThatNeedsItAndTheOthersAreSkipped(t *testing.T) {
	t.Parallel()
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"b": once(fault.Transient)}}
	onBench(t, s.run, as, func(b *bench) {
		told := b.told()
		b.send(batch("", "a", "b", "c"))
		b.stop(5*time.Minute, 0)
		require.Equal(t, []string{"a", "b", "c", "b"}, s.ran)
		require.Equal(t, []string{"nack", "ack"}, b.answers)
		require.Equal(t, []string{"succeeded", "retried", "succeeded", "succeeded"}, *told, "each end is told once")
	})
}

// The job that failed for good keeps its outcome while another has attempts left; people find both in the reason.
func TestAMessageIsBuriedForTheJobsThatFailedOnceAllAreOver(t *testing.T) {
	t.Parallel()
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"a": always(fault.Permanent), "b": once(fault.Transient), "d": always(fault.Permanent)}}
	onBench(t, s.run, as, func(b *bench) {
		b.send(batch("", "a", "b", "c", "d"))
		b.stop(5*time.Minute, 0)
		require.Equal(t, []string{"a", "b", "c", "d", "b"}, s.ran)
		require.Equal(t, []string{"nack", "bury"}, b.answers)
		require.Equal(t, []string{`2 of its 4 jobs failed: a: task "t": it broke; d: task "t": it broke`}, b.reasons)
		require.Equal(t, record.Failed, b.status("a"))
		require.Equal(t, record.Succeeded, b.status("b"))
		require.Equal(t, record.Succeeded, b.status("c"))
	})
}

func TestTheReasonOfAMessageNamesTenJobsAtMost(t *testing.T) {
	t.Parallel()
	s := shift{does: map[string]func(context.Context, int) *engine.Run{}}
	var ids []string
	for i := range 25 {
		ids = append(ids, fmt.Sprintf("j%02d", i))
		s.does[ids[i]] = always(fault.Permanent)
	}
	onBench(t, s.run, as, func(b *bench) {
		b.send(batch("", ids...))
		b.stop(5*time.Minute, 0)
		require.Equal(t, []string{"bury"}, b.answers)
		require.Contains(t, b.reasons[0], "25 of its 25 jobs failed: j00: ")
		require.Contains(t, b.reasons[0], "; j09: ")
		require.NotContains(t, b.reasons[0], "j10")
		require.Regexp(t, "; and 15 more$", b.reasons[0])
	})
}

// One that came before its time would pay for an attempt that can't pass.
func TestAMessageWaitsForTheLastOfTheJobsThatNeedIt(t *testing.T) {
	t.Parallel()
	fails := func(ctx context.Context, n int) *engine.Run {
		if n > 1 {
			return succeed(ctx, "", nil)
		}
		return &engine.Run{Status: engine.Failed, Failure: &engine.Failure{Kind: fault.Transient, Message: "come back later", After: 10 * time.Minute}}
	}
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"a": fails, "b": once(fault.Transient)}}
	onBench(t, s.run, as, func(b *bench) {
		b.send(batch("", "a", "b"))
		b.stop(8*time.Minute, 0)
		require.Equal(t, []string{"a", "b"}, s.ran)
		b.stop(10*time.Minute, 0)
		require.Equal(t, []string{"nack", "ack"}, b.answers)
	})
}

func TestACancelStopsOneJobOfAMessageAndNotTheOthers(t *testing.T) {
	t.Parallel()
	var records *record.Book
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"b": func(ctx context.Context, _ int) *engine.Run {
		require.NoError(t, records.Cancel(t.Context(), "b", "enough"))
		require.NoError(t, records.Cancel(t.Context(), "d", "enough"))
		<-ctx.Done()
		return &engine.Run{Status: engine.Canceled, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
	}}}
	onBench(t, s.run, as, func(b *bench) {
		records = b.cfg.Records
		b.send(batch("", "a", "b", "c", "d"))
		b.stop(5*time.Minute, 0)
		require.Equal(t, []string{"a", "b", "c"}, s.ran, "what is canceled before its turn has none")
		require.Equal(t, []string{"ack"}, b.answers)
		require.Equal(t, record.Cancelled, b.status("b"))
		require.Equal(t, record.Succeeded, b.status("c"))
		require.Equal(t, record.Cancelled, b.status("d"))
	})
}

func TestADrainLetsTheJobEndThatHasItsTurnAndBeginsNoOtherOfItsMessage(t *testing.T) {
	t.Parallel()
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"b": func(ctx context.Context, _ int) *engine.Run {
		time.Sleep(10 * time.Second)
		return succeed(ctx, "", nil)
	}}}
	onBench(t, s.run, as, func(b *bench) {
		b.send(batch("", "a", "b", "c", "d"))
		require.Less(t, b.stop(5*time.Second, 0), 10*time.Second)
		require.Equal(t, []string{"a", "b"}, s.ran)
		require.Equal(t, []string{"nack"}, b.answers)
		b.stop(time.Minute, 0)
		require.Equal(t, []string{"a", "b", "c", "d"}, s.ran)
		require.Equal(t, []string{"nack", "ack"}, b.answers)
	})
}

// The second job would be stopped before its deadline, for the time that the first has taken.
func TestAJobThatMayTakeLongerThanItsMessageCanBeHeldHasItsTurnInTheNextDelivery(t *testing.T) {
	t.Parallel()
	long := func(ctx context.Context, _ int) *engine.Run {
		select {
		case <-ctx.Done():
			return &engine.Run{Status: engine.Failed, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
		case <-time.After(3 * time.Hour):
			return succeed(ctx, "", nil)
		}
	}
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"a": long, "b": long}}
	onBench(t, s.run, as, func(b *bench) {
		b.cfg.Feed = b.feed(&limited{b, 5 * time.Hour})
		b.send(batch("", "a", "b"))
		b.stop(7*time.Hour, 0)
		require.Equal(t, []string{"a", "b"}, s.ran)
		require.Equal(t, []string{"nack", "ack"}, b.answers)
		require.Equal(t, record.Succeeded, b.status("b"))
	})
}

// The others of its message would never have more time, however often that comes.
func TestAJobThatMayTakeAsLongAsItsMessageCanBeHeldHasItsTurnWhateverTheOthersDo(t *testing.T) {
	t.Parallel()
	long := func(ctx context.Context, n int) *engine.Run {
		select {
		case <-ctx.Done():
			return &engine.Run{Status: engine.Failed, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
		case <-time.After(2 * time.Hour):
			return succeed(ctx, "", nil)
		}
	}
	lost := func(ctx context.Context, n int) *engine.Run {
		_ = long(ctx, n)
		return &engine.Run{Status: engine.Failed, Failure: &engine.Failure{Reason: engine.Unfit, Message: "none of its doing"}}
	}
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"a": lost, "b": long, "c": long}}
	onBench(t, s.run, as, func(b *bench) {
		b.cfg.Feed = b.feed(&limited{b, 5 * time.Hour})
		b.send(batch(`,"deadline":"24h"`, "a", "b", "c"))
		b.stop(10*time.Hour, 0)
		require.Equal(t, record.Succeeded, b.status("b"))
		require.Equal(t, record.Succeeded, b.status("c"))
		require.Equal(t, record.Retrying, b.status("a"))
	})
}

// A limited queue lets no message be held for longer.
type limited struct {
	*bench
	most time.Duration
}

func (l *limited) Receive(ctx context.Context, most int, wait time.Duration) ([]queue.Message, error) {
	ms, err := l.bench.Receive(ctx, most, wait)
	for i := range ms {
		ms[i].Limit = time.Now().Add(l.most)
	}
	return ms, err
}

func TestALostLeaseEndsTheTurnsOfAMessageUnanswered(t *testing.T) {
	t.Parallel()
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"b": func(ctx context.Context, n int) *engine.Run {
		if n == 1 {
			<-ctx.Done()
			return &engine.Run{Status: engine.Canceled, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
		}
		return succeed(ctx, "", nil)
	}}}
	onBench(t, s.run, as, func(b *bench) {
		b.send(batch("", "a", "b", "c"))
		b.cfg.Feed = b.feed(&deafened{bench: b, until: time.Now().Add(40 * time.Second)})
		b.stop(3*time.Minute, 0)
		require.Equal(t, []string{"a", "b", "b", "c"}, s.ran)
		require.Equal(t, []string{"ack"}, b.answers)
		require.Equal(t, 2, b.received)
	})
}

func TestAMessageThatAsksForAJobTwiceGetsItOnce(t *testing.T) {
	t.Parallel()
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"a": once(fault.Transient)}}
	onBench(t, s.run, as, func(b *bench) {
		b.send(batch("", "a", "a", "b", "a"))
		b.stop(time.Minute, 0)
		require.Equal(t, []string{"a", "b", "a"}, s.ran)
		require.Equal(t, []string{"nack", "ack"}, b.answers)
	})
}

// gpuClass makes the worker one of the class light, and returns the queue of the class gpu.
func (b *bench) gpuClass() *bench {
	b.t.Helper()
	there := &bench{t: b.t, messages: map[string]*queue.Message{}}
	q, err := queue.New(queue.Config{Driver: there})
	require.NoError(b.t, err)
	b.cfg.Classes = map[string]*queue.Queue{"gpu": q}
	b.cfg.Labels = map[string]string{"class": "light"}
	return there
}

// A worker has it that has the labels; the message may come again for others.
func TestAJobOfAMessageIsSentOnToItsClassAsAMessageOfItsOwnAndOnce(t *testing.T) {
	t.Parallel()
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"a": once(fault.Transient)}}
	onBench(t, s.run, as, func(b *bench) {
		there := b.gpuClass()
		whole := strings.TrimSuffix(batch("", "a"), "]") + "," + strings.TrimPrefix(batch(`,"requires":{"class":"gpu"},"state":{"x":1}`, "g"), "[")
		b.send(whole)
		b.stop(5*time.Minute, 0)
		require.Equal(t, []string{"a", "a"}, s.ran)
		require.Equal(t, []string{"nack", "ack"}, b.answers)
		sent := there.take(10)
		require.Len(t, sent, 1)
		j, err := job.One(sent[0])
		require.NoError(t, err)
		require.Equal(t, "g", j.ID)
		require.Equal(t, map[string]any{"x": int64(1)}, j.State)
		require.Equal(t, []string{"gpu"}, j.Forwarded)
	})
}

// What becomes of it is its own message's to say, which may wait, or lie in another dead-letter queue.
func TestAJobThatWasSentOnIsNotRunWhenItsFirstMessageIsSentAgain(t *testing.T) {
	t.Parallel()
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"a": always(fault.Permanent)}}
	onBench(t, s.run, as, func(b *bench) {
		there := b.gpuClass()
		whole := strings.TrimSuffix(batch("", "a"), "]") + "," + strings.TrimPrefix(batch(`,"requires":{"class":"gpu"}`, "g"), "[")
		b.send(whole)
		b.stop(5*time.Minute, 0)
		require.Equal(t, []string{"bury"}, b.answers)
		require.Len(t, there.messages, 1)
		marked, ok := job.MarkAgain(nil, job.Mark([]byte("now")))
		require.True(t, ok)
		_, err := b.Send(t.Context(), queue.Draft{Body: []byte(whole), Attributes: marked})
		require.NoError(t, err)
		b.stop(5*time.Minute, 0)
		require.Equal(t, []string{"a", job.AgainID("a", job.Mark([]byte("now")))}, s.ran)
		require.Len(t, there.messages, 1)
	})
}

func TestWhatWasSentAgainRunsTheJobsThatHadFailedAndNoOther(t *testing.T) {
	t.Parallel()
	mended := false
	breaks := func(ctx context.Context, _ int) *engine.Run {
		if mended {
			return succeed(ctx, "", nil)
		}
		return fail(fault.Permanent)(ctx, "", nil)
	}
	mark := job.Mark([]byte("now"))
	s := shift{does: map[string]func(context.Context, int) *engine.Run{"b": breaks}}
	onBench(t, s.run, as, func(b *bench) {
		b.send(batch("", "a", "b"))
		b.stop(time.Minute, 0)
		require.Equal(t, []string{"bury"}, b.answers)
		mended = true
		marked, ok := job.MarkAgain(nil, mark)
		require.True(t, ok)
		_, err := b.Send(t.Context(), queue.Draft{Body: []byte(batch("", "a", "b")), Attributes: marked})
		require.NoError(t, err)
		b.stop(time.Minute, 0)
		require.Equal(t, []string{"a", "b", job.AgainID("b", mark)}, s.ran)
		require.Equal(t, []string{"bury", "ack"}, b.answers)
		require.Equal(t, record.Succeeded, b.status(job.AgainID("b", mark)))
	})
}

func TestWhileTheStoreTakesNoClaimsTheOtherJobsOfAMessageAreLeftAlone(t *testing.T) {
	t.Parallel()
	var s shift
	down := hangs(func(key string) bool { return strings.Contains(key, "/attempt-") })
	onBench(t, s.run, down, func(b *bench) {
		ids := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		b.send(batch("", ids...))
		b.stop(5*time.Minute, 0)
		require.Empty(t, s.ran)
		require.Contains(t, b.answers, "nack")
		require.NotContains(t, b.answers, "ack")
	})
}
