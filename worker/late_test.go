package worker_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// A bench is a worker in a bubble: its queue is in memory, where time is virtual, and it notes how messages are answered.
type bench struct {
	t    *testing.T
	cfg  worker.Config
	runs int

	mu       sync.Mutex
	messages map[string]*queue.Message // guarded by mu: what is there, by receipt; Deadline is when it is visible
	answers  []string                  // guarded by mu
	reasons  []string                  // guarded by mu: of burials
	received int                       // guarded by mu: deliveries
}

var _ queue.Driver = (*bench)(nil)

// onBench calls test with a bench in a bubble. wrap is put round its store, run is what running a job does.
func onBench(t *testing.T, run func(context.Context, string, *launch.Request) *engine.Run, wrap func(blob.Store) blob.Store, test func(b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, messages: map[string]*queue.Message{}}
		store, err := dirblob.Open(t.TempDir())
		require.NoError(t, err)
		defer store.Close()
		b.cfg = worker.Config{
			Feed: b.feed(b), Records: record.New(wrap(store), time.Now), Pipelines: catalogue{}, Log: slog.New(slog.DiscardHandler), Name: "w",
			Launcher: &launch.Inline{Root: t.TempDir(), Run: func(ctx context.Context, d launch.Dir, req *launch.Request, _ engine.Reporter) *engine.Run {
				b.runs++
				return run(ctx, d.Workspace(), req)
			}},
		}
		test(b)
	})
}

func (b *bench) feed(d queue.Driver) *queue.Feed {
	q, err := queue.New(queue.Config{Driver: d})
	require.NoError(b.t, err)
	feed, err := queue.NewFeed(queue.FeedConfig{Sources: []queue.Source{{Queue: q}}})
	require.NoError(b.t, err)
	return feed
}

// as is a store as it is.
func as(s blob.Store) blob.Store { return s }

func (b *bench) send(body string) {
	_, err := b.Send(b.t.Context(), queue.Draft{Body: []byte(body)})
	require.NoError(b.t, err)
}

// stop runs the worker, tells it to stop after d, and once more after second where that is not 0. It returns how long the
// worker went on.
func (b *bench) stop(d, second time.Duration) time.Duration {
	w, err := worker.New(b.cfg)
	require.NoError(b.t, err)
	ctx, stop := context.WithTimeout(b.t.Context(), d)
	defer stop()
	hard, kill := context.WithCancel(b.t.Context())
	defer kill()
	if second > 0 {
		defer time.AfterFunc(d+second, kill).Stop()
	}
	began := time.Now()
	require.NoError(b.t, w.Run(ctx, hard))
	return time.Since(began) - d
}

func (b *bench) Receive(ctx context.Context, most int, wait time.Duration) ([]queue.Message, error) {
	for end := time.Now().Add(wait); ; {
		if ms := b.take(most); len(ms) > 0 || !time.Now().Before(end) {
			return ms, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

func (b *bench) take(most int) []queue.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ms []queue.Message
	for _, m := range b.messages {
		if len(ms) == most || m.Deadline.After(time.Now()) {
			continue
		}
		b.received++
		m.Delivery++
		m.Deadline = time.Now().Add(30 * time.Second)
		ms = append(ms, *m)
	}
	return ms
}

// answer notes an answer; the message is gone where after is negative.
func (b *bench) answer(r queue.Receipt, verb string, after time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = append(b.answers, verb)
	b.messages[string(r)].Deadline = time.Now().Add(after)
	if after < 0 {
		delete(b.messages, string(r))
	}
}

func (b *bench) Ack(_ context.Context, rs []queue.Receipt) []error {
	for _, r := range rs {
		b.answer(r, "ack", -1)
	}
	return make([]error, len(rs))
}

func (b *bench) Nack(_ context.Context, r queue.Receipt, after time.Duration) error {
	b.answer(r, "nack", after)
	return nil
}

func (b *bench) Bury(_ context.Context, m queue.Message, reason string) error {
	b.mu.Lock()
	b.reasons = append(b.reasons, reason)
	b.mu.Unlock()
	b.answer(m.Receipt, "bury", -1)
	return nil
}

func (b *bench) Extend(_ context.Context, r queue.Receipt, d time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages[string(r)].Deadline = time.Now().Add(d)
	return nil
}

func (b *bench) Depth(context.Context) (queue.Depth, error) { return queue.Depth{}, nil }

func (b *bench) Send(_ context.Context, d queue.Draft) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := fmt.Sprint("m", len(b.messages))
	b.messages[id] = &queue.Message{ID: id, Receipt: queue.Receipt(id), Body: d.Body, Attributes: d.Attributes, Enqueued: time.Now()}
	return id, nil
}

// A hanging store does not answer writes under some keys.
type hanging struct {
	blob.Store
	match func(key string) bool
}

func hangs(match func(key string) bool) func(blob.Store) blob.Store {
	return func(s blob.Store) blob.Store { return hanging{s, match} }
}

func (h hanging) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (blob.Info, error) {
	if h.match(key) {
		<-ctx.Done()
		return blob.Info{}, context.Cause(ctx)
	}
	return h.Store.Put(ctx, key, r, o)
}

func (h hanging) Create(ctx context.Context, key string, body []byte) error {
	if h.match(key) {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return h.Store.Create(ctx, key, body)
}

// A silent receiver never answers.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// docs/queues.md asks for 30 s beyond the grace. The job ends just within its grace, and what follows hangs; the broker
// has its answer all the same, and the job pays nothing.
func TestWhatFollowsAJobEndsInTimeForTheAnswer(t *testing.T) {
	t.Parallel()
	const grace = 20 * time.Second
	late := func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		time.Sleep(time.Minute + grace - time.Second)
		return leave(t)(ctx, ws, req)
	}
	outcomes := func(key string) bool { return finals(key) || strings.HasSuffix(key, ".end") }
	after := func(key string) bool { return artifacts(key) || strings.HasPrefix(key, "jobs/") && !claims(key) }
	for _, tt := range []struct {
		name  string
		store func(blob.Store) blob.Store
		want  record.Status
	}{
		{"a store that takes no artifact", hangs(artifacts), record.Retrying},
		{"a store that takes no outcome", hangs(outcomes), record.Running},
		{"a store that takes nothing after the claim", hangs(after), record.Running},
		{"a receiver that is silent", as, record.Succeeded},
	} {
		for second, limit := range map[time.Duration]time.Duration{0: grace + 25*time.Second, grace: grace + 5*time.Second} {
			t.Run(fmt.Sprint(tt.name, second), func(t *testing.T) {
				onBench(t, late, tt.store, func(b *bench) {
					b.cfg.CallbackURL = "https://example.com/"
					b.cfg.Callbacks = &callback.Sender{Client: &http.Client{Transport: silent{}}, Secrets: []string{secret}, Log: slog.New(slog.DiscardHandler)}
					b.send(`{"id": "j", "pipeline": "p", "max_attempts": 1}`)
					require.LessOrEqual(t, b.stop(time.Minute, second), limit)
					require.Equal(t, []string{"nack"}, b.answers)
					r, err := b.cfg.Records.Load(t.Context(), "j")
					require.NoError(t, err)
					require.Equal(t, tt.want, r.Status)
				})
			})
		}
	}
}

// The store hangs from when the receiver has its callback.
func TestTheOutboxHoldsUpNoWorkerThatIsToldToStopAtOnce(t *testing.T) {
	t.Parallel()
	var taken bool
	onBench(t, succeed, hangs(func(string) bool { return taken }), func(b *bench) {
		a, err := b.cfg.Records.Claim(t.Context(), jobOf("j"), record.Claim{Worker: "w"})
		require.NoError(t, err)
		_, err = a.Commit(t.Context(), record.Outcome{Status: record.Succeeded})
		require.NoError(t, err)
		require.NoError(t, b.cfg.Records.Owe(t.Context(), record.Entry{Job: "j", URL: "https://example.com/"},
			record.Owed{Round: 1, Time: time.Now(), Tries: 3, Next: time.Now()}))
		b.cfg.Callbacks = &callback.Sender{Client: &http.Client{Transport: taking(func() { taken = true })}, Secrets: []string{secret}, Log: slog.New(slog.DiscardHandler)}
		require.LessOrEqual(t, b.stop(5*time.Second, time.Second), 6*time.Second)
		require.True(t, taken)
	})
}

// A taking receiver takes what it is sent, and has something done then.
type taking func()

func (do taking) RoundTrip(r *http.Request) (*http.Response, error) {
	do()
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// G8, however many slots there are and however long a poll lasts.
func TestASuspectHasAnIdleWorkerToItselfSoon(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{2, 16} {
		t.Run(fmt.Sprint(slots, " slots"), func(t *testing.T) {
			onBench(t, succeed, as, func(b *bench) {
				b.cfg.Slots = slots
				for range 2 {
					a, err := b.cfg.Records.Claim(t.Context(), jobOf("suspect"), record.Claim{Worker: "dead"})
					require.NoError(t, err)
					require.NoError(t, a.Blame(t.Context(), engine.Failure{Reason: engine.OOM, Message: "too much memory"}))
				}
				b.send(`{"id": "suspect", "pipeline": "p"}`)
				b.stop(30*time.Second, 0)
				require.Equal(t, 1, b.runs)
				require.Equal(t, []string{"ack"}, b.answers)
			})
		})
	}
}

// One delivery is enough to ask whether a store is back; each counts in SQS.
func TestAStoreThatIsDownCostsADeliveryAMinute(t *testing.T) {
	t.Parallel()
	down := func(s blob.Store) blob.Store { return &flaky{Store: s, match: claims, fails: -1} }
	onBench(t, succeed, down, func(b *bench) {
		b.cfg.Slots = 8
		for range 100 {
			b.send(`{"pipeline": "p"}`)
		}
		b.stop(30*time.Minute, 0)
		require.LessOrEqual(t, b.received, 8+36)
		require.NotContains(t, b.answers, "bury")
	})
}
