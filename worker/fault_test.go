package worker_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/record"
)

// A flaky store fails writes under keys that end or begin in a way, so many times; negative is always.
type flaky struct {
	blob.Store
	match func(key string) bool

	kind  fault.Kind // of its errors; empty is transient
	mu    sync.Mutex
	fails int // guarded by mu
	asked int // guarded by mu: how often it failed
}

func (f *flaky) fail(key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.match(key) || f.fails == 0 {
		return nil
	}
	f.fails--
	f.asked++
	return fault.As(cmp.Or(f.kind, fault.Transient), errors.New("the store is having a moment"))
}

func (f *flaky) failed() int { f.mu.Lock(); defer f.mu.Unlock(); return f.asked }

func (f *flaky) Create(ctx context.Context, key string, b []byte) error {
	if err := f.fail(key); err != nil {
		return err
	}
	return f.Store.Create(ctx, key, b)
}

func (f *flaky) Put(ctx context.Context, key string, r io.Reader, o blob.PutOptions) (blob.Info, error) {
	if err := f.fail(key); err != nil {
		return blob.Info{}, err
	}
	return f.Store.Put(ctx, key, r, o)
}

// onFlaky puts a flaky store under the plant's records.
func (p *plant) onFlaky(fails int, match func(key string) bool) *flaky {
	p.t.Helper()
	store, err := dirblob.Open(p.t.TempDir())
	require.NoError(p.t, err)
	p.t.Cleanup(func() { store.Close() })
	f := &flaky{Store: store, match: match, fails: fails}
	p.records = record.New(f, time.Now)
	p.cfg.Records = p.records
	return f
}

func finals(key string) bool { return strings.HasSuffix(key, "/final") }
func claims(key string) bool {
	return strings.Contains(key, "/attempt-") && !strings.HasSuffix(key, ".end")
}
func artifacts(key string) bool { return strings.HasPrefix(key, "artifacts/") }

func leave(t *testing.T) func(context.Context, string, *launch.Request) *engine.Run {
	return func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		require.NoError(t, os.MkdirAll(filepath.Join(ws, "outputs"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(ws, "outputs/a.txt"), []byte("x"), 0o600))
		return succeed(ctx, ws, req)
	}
}

func TestAnOutcomeIsOfferedAgainToAStoreThatFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		match func(string) bool
	}{{"at the commit", finals}, {"at an artifact", artifacts}} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, leave(t))
			p.cfg.Patience = 10 * time.Second
			store := p.onFlaky(2, tt.match)
			id := p.send(map[string]any{"pipeline": "p"})
			p.run()
			require.Equal(t, 2, store.failed())
			require.EqualValues(t, 1, p.runs.Load())
			require.Equal(t, record.Succeeded, p.load(id).Status)
			require.Len(t, p.load(id).Artifacts, 1)
			require.Equal(t, queue.Depth{}, p.depth())
		})
	}
}

func TestAStoreThatTakesNoOutcomeCostsTheJobNoAttempt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		match func(string) bool
		kind  fault.Kind
	}{
		{"no commit", finals, fault.Transient},
		{"no artifact", artifacts, fault.Transient},
		{"commits are refused", finals, fault.Permanent},
		{"artifacts are refused", artifacts, fault.Permanent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, leave(t))
			p.onFlaky(-1, tt.match).kind = tt.kind
			id := p.send(map[string]any{"pipeline": "p", "max_attempts": 1})
			p.run()
			require.Equal(t, record.Retrying, p.load(id).Status)
			require.Equal(t, record.AttemptInterrupted, p.load(id).Attempts[0].Status)
			require.Equal(t, queue.Depth{Delayed: 1}, p.depth())
		})
	}
}

// A store that refuses is no better: its messages are healthy.
func TestAStoreThatIsDownIsNotAskedForEveryMessage(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.Transient, fault.Permanent} {
		t.Run(string(kind), func(t *testing.T) {
			p := newPlant(t, succeed)
			p.cfg.ExitWhenIdle, p.cfg.Slots = 0, 2
			store := p.onFlaky(-1, claims)
			store.kind = kind
			for range 20 {
				p.send(map[string]any{"pipeline": "p"})
			}
			ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer stop()
			p.runUntil(ctx)
			require.Zero(t, p.runs.Load())
			require.LessOrEqual(t, p.depth().Delayed, 4, "those that were taken before the first claim had failed, a slot's worth or two")
			require.Zero(t, p.depth().Dead)
			require.GreaterOrEqual(t, store.failed(), 1)
		})
	}
}

// No other worker can do better with a record that is damaged.
func TestAJobWhoseRecordIsDamagedIsBuried(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	store := p.onFlaky(0, claims)
	_, err := p.records.Claim(t.Context(), jobOf("torn"), record.Claim{Worker: "dead"})
	require.NoError(t, err)
	for in, err := range store.List(t.Context(), "jobs/", "") {
		require.NoError(t, err)
		_, err = store.Put(t.Context(), in.Key, strings.NewReader("{"), blob.PutOptions{})
		require.NoError(t, err)
	}
	p.send(map[string]any{"id": "torn", "pipeline": "p"})
	p.run()
	dead, err := p.driver.Dead(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Contains(t, dead[0].Reason, "is damaged: unexpected end of JSON input; remove it to have the job run again")
}

// Work is stopped within a heartbeat of the loss, which is a third of the lease; nothing is published or committed.
func TestF11ALostLeaseStopsTheJobWithinAHeartbeat(t *testing.T) {
	t.Parallel()
	var took time.Duration
	var why error
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		began := time.Now()
		<-ctx.Done()
		took, why = time.Since(began), context.Cause(ctx)
		return leave(t)(ctx, ws, req) // it claims success all the same
	})
	p.cfg.Feed = feedOn(t, thief{p.driver}) // the first extension, a third into the lease, says that it is lost
	p.cfg.ExitWhenIdle = 0
	id := p.send(map[string]any{"pipeline": "p"})
	ctx, stop := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer stop()
	p.runUntil(ctx)
	var s *engine.Stop
	require.ErrorAs(t, why, &s)
	require.Equal(t, engine.LeaseLost, s.Reason)
	require.Less(t, took, 660*time.Millisecond, "a heartbeat, and another")
	require.Equal(t, record.AttemptInterrupted, p.load(id).Attempts[0].Status)
	require.Empty(t, p.load(id).Artifacts)
	_, err := p.records.Final(t.Context(), id)
	require.ErrorIs(t, err, record.ErrNotFound)
}

// F11: the lease goes while the outcome waits for a store that fails.
func TestALeaseLostDuringTheCommitEndsIt(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Patience, p.cfg.ExitWhenIdle = 10*time.Second, 0
	p.onFlaky(-1, finals)
	p.cfg.Feed = feedOn(t, thief{p.driver})
	id := p.send(map[string]any{"pipeline": "p"})
	ctx, stop := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer stop()
	p.runUntil(ctx)
	require.Equal(t, record.Retrying, p.load(id).Status)
	require.Equal(t, record.AttemptInterrupted, p.load(id).Attempts[0].Status)
	require.Equal(t, 1, p.depth().InFlight+p.depth().Visible, "the message is somebody else's to answer")
}

// A voided driver finds every receipt invalid when it is answered with, once.
type voided struct {
	*localqueue.Driver
	once *sync.Once
}

func (d voided) Ack(ctx context.Context, rs []queue.Receipt) []error {
	errs := make([]error, len(rs))
	d.once.Do(func() {
		for i := range errs {
			errs[i] = queue.ErrLeaseLost
		}
	})
	if errs[0] != nil {
		return errs
	}
	return d.Driver.Ack(ctx, rs)
}

// An invalid receipt is a lost lease and no crash; the next delivery finds the record and runs nothing.
func TestF03F12AnInvalidReceiptAtTheAckIsALostLease(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Feed = feedOn(t, voided{p.driver, new(sync.Once)})
	p.cfg.ExitWhenIdle = 2 * time.Second // past the lease, which nobody extends any more
	id := p.send(map[string]any{"pipeline": "p"})
	p.run()
	require.Equal(t, record.Succeeded, p.load(id).Status)
	require.EqualValues(t, 1, p.runs.Load())
	require.Len(t, p.load(id).Attempts, 1)
	require.Equal(t, queue.Depth{}, p.depth())
}

// F13: two workers have the message at once. One commits; the other publishes nothing, sends no callback and hands
// the message back, in case the first died before it did.
func TestOfTwoWorkersThatRunAJobOneCommitsAndCallsBack(t *testing.T) {
	t.Parallel()
	rec := &receiver{status: http.StatusOK}
	srv := httptest.NewServer(rec)
	defer srv.Close()
	both := make(chan struct{})
	var once sync.Once
	p := newPlant(t, nil)
	launcher := p.cfg.Launcher.(*launch.Inline)
	launcher.Run = func(ctx context.Context, d launch.Dir, req *launch.Request, _ engine.Reporter) *engine.Run {
		if p.runs.Add(1) == 2 {
			once.Do(func() { close(both) })
		}
		<-both
		return leave(t)(ctx, d.Workspace(), req)
	}
	p.cfg.Callbacks = &callback.Sender{Client: srv.Client(), Secrets: []string{secret}, Log: slog.New(slog.DiscardHandler)}
	p.cfg.Slots = 1
	for range 2 {
		p.send(map[string]any{"id": "twin", "pipeline": "p", "callback": map[string]any{"url": srv.URL}})
	}
	var workers sync.WaitGroup
	for range 2 {
		p.cfg.Feed = feedOn(t, p.driver)
		w, err := worker.New(p.cfg)
		require.NoError(t, err)
		workers.Go(func() {
			if err := w.Run(t.Context(), t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	r := p.load("twin")
	require.Equal(t, record.Succeeded, r.Status)
	require.Len(t, r.Artifacts, 1)
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth(), "the loser's")
	require.Len(t, rec.ids, 1)
}
