package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/callback"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/record"
)

const secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// A plant is a worker on the embedded queue and a folder store, whose jobs are a func.
type plant struct {
	t       *testing.T
	driver  *localqueue.Driver
	records *record.Book
	cfg     worker.Config
	runs    atomic.Int32 // how often a job was run
}

// newPlant makes one. do is what running a job does; it gets the job's state.
func newPlant(t *testing.T, do func(ctx context.Context, workspace string, req *launch.Request) *engine.Run) *plant {
	t.Helper()
	dir := t.TempDir()
	p := &plant{t: t}
	var err error
	p.driver, err = localqueue.Open(t.Context(), localqueue.Config{Path: filepath.Join(dir, "queue.db"), Visibility: time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { p.driver.Close() })
	store, err := dirblob.Open(filepath.Join(dir, "store"))
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	p.records = record.New(store, time.Now)
	jobs := filepath.Join(dir, "run")
	require.NoError(t, os.Mkdir(jobs, 0o700))
	p.cfg = worker.Config{
		Feed: feedOn(t, p.driver), Records: p.records, Pipelines: catalogue{}, Log: slog.New(slog.DiscardHandler), Name: "w1", Slots: 4, Inline: true,
		Grace: time.Second, Patience: 100 * time.Millisecond, ExitWhenIdle: 100 * time.Millisecond,
		Launcher: &launch.Inline{Root: jobs, Run: func(ctx context.Context, d launch.Dir, req *launch.Request, _ engine.Reporter) *engine.Run {
			p.runs.Add(1)
			return do(ctx, d.Workspace(), req)
		}},
	}
	return p
}

// feedOn returns a feed of one queue.
func feedOn(t *testing.T, d queue.Driver) *queue.Feed {
	t.Helper()
	q, err := queue.New(queue.Config{Driver: d, Visibility: time.Second})
	require.NoError(t, err)
	f, err := queue.NewFeed(queue.FeedConfig{Sources: []queue.Source{{Queue: q}}})
	require.NoError(t, err)
	return f
}

type catalogue struct{}

func (catalogue) Document(name string) ([]byte, string, string, error) {
	if name == "nothing" {
		return nil, "", "", fault.As(fault.Permanent, errors.New(`pipeline "nothing" is unknown`))
	}
	return []byte("tasks: []"), name + ".yaml", "sha256:x", nil
}

func succeed(context.Context, string, *launch.Request) *engine.Run {
	return &engine.Run{Status: engine.Succeeded, Total: 1, Tasks: []engine.TaskRun{{Name: "t", Module: "M", Status: engine.Succeeded}}}
}

func fail(k fault.Kind) func(context.Context, string, *launch.Request) *engine.Run {
	return func(context.Context, string, *launch.Request) *engine.Run {
		return &engine.Run{Status: engine.Failed, Failure: &engine.Failure{Kind: k, Task: "t", Message: "it broke"}}
	}
}

func (p *plant) send(body map[string]any) string {
	p.t.Helper()
	b, err := json.Marshal(body)
	require.NoError(p.t, err)
	id, err := p.driver.Send(p.t.Context(), queue.Draft{Body: b})
	require.NoError(p.t, err)
	if given, ok := body["id"].(string); ok {
		return given
	}
	return id
}

// run runs the worker until the queue is dry.
func (p *plant) run() { p.runUntil(p.t.Context()) }

func (p *plant) runUntil(ctx context.Context) {
	p.t.Helper()
	w, err := worker.New(p.cfg)
	require.NoError(p.t, err)
	require.NoError(p.t, w.Run(ctx, p.t.Context()))
}

func (p *plant) load(id string) *record.Record {
	p.t.Helper()
	r, err := p.records.Load(p.t.Context(), id)
	require.NoError(p.t, err)
	return r
}

func (p *plant) depth() queue.Depth {
	p.t.Helper()
	d, err := p.driver.Depth(p.t.Context())
	require.NoError(p.t, err)
	return d
}

// again makes a message that was nacked with a delay visible at once, as time would.
func (p *plant) again(id string) {
	p.t.Helper()
	p.send(map[string]any{"id": id, "pipeline": "p"})
}

func TestASucceededJobIsRecordedPublishedAndAcked(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		require.NoError(t, os.MkdirAll(filepath.Join(ws, "outputs/sub"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(ws, "outputs/sub/a.txt"), []byte("hello"), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(ws, "kept-to-itself"), []byte("x"), 0o600))
		require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(ws, "outputs/link")))
		require.NoError(t, syscall.Mkfifo(filepath.Join(ws, "outputs/pipe"), 0o600))
		return succeed(ctx, ws, req)
	})
	id := p.send(map[string]any{"pipeline": "p", "cid": "c-1", "customerId": "acme"})
	p.run()
	r := p.load(id)
	require.Equal(t, record.Succeeded, r.Status)
	require.Equal(t, "c-1", r.CID)
	require.Equal(t, "acme", r.CustomerID)
	require.Len(t, r.Attempts, 1)
	require.Len(t, r.Artifacts, 1, "links and pipes are left out, and what is not in outputs stays")
	require.Equal(t, "sub/a.txt", r.Artifacts[0].Path)
	require.Equal(t, int64(5), r.Artifacts[0].Size)
	require.Equal(t, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", r.Artifacts[0].SHA256)
	require.Equal(t, queue.Depth{}, p.depth())
}

func TestAJobThatLeavesTooManyFilesFailsForGood(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		require.NoError(t, os.MkdirAll(filepath.Join(ws, "outputs"), 0o700))
		for i := range 10_001 {
			f, err := os.Create(filepath.Join(ws, "outputs", strconv.Itoa(i)))
			require.NoError(t, errors.Join(err, f.Close()))
		}
		return succeed(ctx, ws, req)
	})
	id := p.send(map[string]any{"pipeline": "p"})
	p.run()
	require.Equal(t, record.Failed, p.load(id).Status)
	require.Contains(t, p.load(id).Message, "more than 10000 files")
	require.Equal(t, queue.Depth{Dead: 1}, p.depth())
}

func TestWhatCanNeverPassIsBuriedAfterOneAttempt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		body map[string]any
		ran  int32
		want string
	}{
		{"a permanent failure", map[string]any{"pipeline": "p"}, 1, "it broke"},
		{"an unknown pipeline", map[string]any{"pipeline": "nothing"}, 0, `pipeline "nothing" is unknown`},
		{"no job at all", map[string]any{"colour": "blue"}, 0, "colour"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, fail(fault.Permanent))
			id := p.send(tt.body)
			p.run()
			require.Equal(t, tt.ran, p.runs.Load())
			r := p.load(id)
			require.Equal(t, record.Failed, r.Status)
			require.Contains(t, r.Message, tt.want)
			require.Equal(t, queue.Depth{Dead: 1}, p.depth())
			dead, err := p.driver.Dead(t.Context(), 10)
			require.NoError(t, err)
			require.Contains(t, dead[0].Reason, tt.want)
		})
	}
}

func TestAnInlinePipelineIsRefusedUnlessTheOperatorAllowsIt(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Inline = false
	id := p.send(map[string]any{"tasks": []any{map[string]any{"module": "Debug"}}})
	p.run()
	require.Equal(t, record.Failed, p.load(id).Status)
	require.Contains(t, p.load(id).Message, "MILLRACE_INLINE")
}

// P29, V42: the attempts are ours to count.
func TestAFailedJobIsTriedUntilItsAttemptsAreUsedUp(t *testing.T) {
	t.Parallel()
	var last []bool
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		last = append(last, req.Last)
		return fail(fault.Unknown)(ctx, ws, req)
	})
	id := p.send(map[string]any{"id": "tries", "pipeline": "p", "max_attempts": 2})
	p.run()
	require.Equal(t, record.Retrying, p.load(id).Status)
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth())
	p.send(map[string]any{"id": id, "pipeline": "p", "max_attempts": 2})
	p.run()
	r := p.load(id)
	require.Equal(t, record.Dead, r.Status)
	require.Len(t, r.Attempts, 2)
	require.Equal(t, []bool{false, true}, last, "the job is told which attempt is its last")
}

// G5.
func TestInterruptionsAreFree(t *testing.T) {
	t.Parallel()
	started := make(chan struct{}, 1)
	p := newPlant(t, func(ctx context.Context, _ string, _ *launch.Request) *engine.Run {
		started <- struct{}{}
		<-ctx.Done()
		return &engine.Run{Status: engine.Canceled, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
	})
	p.cfg.Grace = 50 * time.Millisecond
	id := p.send(map[string]any{"id": "interrupted", "pipeline": "p", "max_attempts": 1})
	for n := 1; n <= 3; n++ {
		ctx, stop := context.WithCancel(t.Context())
		go func() { <-started; stop() }()
		p.runUntil(ctx)
		r := p.load(id)
		require.Equal(t, record.Retrying, r.Status)
		require.Len(t, r.Attempts, n)
		require.Equal(t, record.AttemptInterrupted, r.Attempts[n-1].Status)
		require.Zero(t, p.depth().Dead)
		p.again(id)
	}
}

func TestADrainLetsAJobFinishThatFits(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		close(started)
		time.Sleep(300 * time.Millisecond)
		return succeed(ctx, ws, req)
	})
	id := p.send(map[string]any{"pipeline": "p"})
	ctx, stop := context.WithCancel(t.Context())
	go func() { <-started; stop() }()
	p.runUntil(ctx)
	require.Equal(t, record.Succeeded, p.load(id).Status)
}

// Killed after the commit, before the delete.
func TestF03ARedeliveryAfterTheCommitComputesNothing(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	id := p.send(map[string]any{"id": "once", "pipeline": "p"})
	p.run()
	p.again(id) // as if the worker had died before it acked
	p.run()
	require.EqualValues(t, 1, p.runs.Load())
	require.Equal(t, queue.Depth{}, p.depth())
	require.Len(t, p.load(id).Attempts, 1)
}

// The second copy of a job that runs here is handed back.
func TestF14ADuplicateOfARunningJobIsNotRun(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		time.Sleep(300 * time.Millisecond)
		return succeed(ctx, ws, req)
	})
	id := p.send(map[string]any{"id": "twin", "pipeline": "p"})
	p.again(id)
	p.run()
	require.EqualValues(t, 1, p.runs.Load())
	require.Equal(t, record.Succeeded, p.load(id).Status)
}

func TestACancelReachesARunningJobAndAQueuedOne(t *testing.T) {
	t.Parallel()
	started := make(chan struct{}, 1)
	p := newPlant(t, func(ctx context.Context, _ string, _ *launch.Request) *engine.Run {
		started <- struct{}{}
		<-ctx.Done()
		return &engine.Run{Status: engine.Canceled, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
	})
	running, queued := p.send(map[string]any{"id": "running", "pipeline": "p"}), ""
	go func() {
		<-started
		if err := p.records.Cancel(context.Background(), "running", "enough"); err != nil {
			t.Error(err)
		}
	}()
	p.run()
	require.NoError(t, p.records.Cancel(t.Context(), "queued", "never mind"))
	queued = p.send(map[string]any{"id": "queued", "pipeline": "p"})
	p.run()
	require.Equal(t, record.Cancelled, p.load(running).Status)
	require.Contains(t, p.load(running).Message, "enough")
	require.Equal(t, record.Cancelled, p.load(queued).Status)
	require.EqualValues(t, 1, p.runs.Load())
	require.Equal(t, queue.Depth{}, p.depth())
}

func TestAJobPastItsDeadlineIsStopped(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, _ string, _ *launch.Request) *engine.Run {
		<-ctx.Done()
		return &engine.Run{Status: engine.Failed, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
	})
	id := p.send(map[string]any{"pipeline": "p", "deadline": "100ms", "max_attempts": 1})
	p.run()
	require.Equal(t, record.Dead, p.load(id).Status)
	require.Contains(t, p.load(id).Message, "past its deadline of 100ms")
}

// die claims attempts at a job that nobody ends.
func (p *plant) die(id string, n int, alone bool) {
	p.t.Helper()
	for range n {
		c := record.Claim{Worker: "dead", Alone: func(record.History) (bool, error) { return alone, nil }}
		_, err := p.records.Claim(p.t.Context(), jobOf(id), c)
		require.NoError(p.t, err)
	}
}

// G8, F26: without a culprit it takes five deaths and three more alone.
func TestAJobThatKilledWorkersWhileAloneIsQuarantined(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.die("killer", 5, false)
	p.die("killer", 3, true)
	id := p.send(map[string]any{"id": "killer", "pipeline": "p"})
	p.run()
	require.Equal(t, record.Dead, p.load(id).Status)
	require.Contains(t, p.load(id).Message, "quarantined")
	require.Zero(t, p.runs.Load())
	require.Equal(t, 1, p.depth().Dead)
}

func TestAJobThatWasOnlyUnluckyIsNotQuarantined(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.die("unlucky", 20, false) // beside others: any of them may have done it, or a bad node
	id := p.send(map[string]any{"id": "unlucky", "pipeline": "p"})
	p.run()
	require.Equal(t, record.Succeeded, p.load(id).Status)
	require.True(t, p.load(id).Attempts[20].Alone)
}

func TestTwoSuspectsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		time.Sleep(200 * time.Millisecond)
		return succeed(ctx, ws, req)
	})
	p.die("a", 5, false)
	p.die("b", 5, false)
	p.send(map[string]any{"id": "a", "pipeline": "p"})
	p.send(map[string]any{"id": "b", "pipeline": "p"})
	p.run()
	done := 0
	for _, id := range []string{"a", "b"} {
		if p.load(id).Status == record.Succeeded {
			done++
		}
	}
	require.Equal(t, 1, done, "one ran")
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth(), "the other waits its turn")
}

func TestAJobThatMayKillItsWorkerHasItToItself(t *testing.T) {
	t.Parallel()
	var running atomic.Int32
	var beside []int32
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		n := running.Add(1)
		defer running.Add(-1)
		time.Sleep(30 * time.Millisecond)
		if req.Job.ID == "suspect" {
			beside = append(beside, n, running.Load())
		}
		return succeed(ctx, ws, req)
	})
	p.die("suspect", 5, false)
	for range 12 {
		p.send(map[string]any{"pipeline": "p"})
	}
	id := p.send(map[string]any{"id": "suspect", "pipeline": "p"})
	for range 12 {
		p.send(map[string]any{"pipeline": "p"})
	}
	p.run()
	require.Equal(t, record.Succeeded, p.load(id).Status)
	require.Equal(t, []int32{1, 1}, beside)
	require.EqualValues(t, 25, p.runs.Load())
}

// A receiver answers callbacks as it is told and keeps their ids.
type receiver struct {
	mu     sync.Mutex
	ids    []string
	status int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	_, _ = io.Copy(io.Discard, req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids = append(r.ids, req.Header.Get("webhook-id"))
	w.Header().Set("Retry-After", "3600") // so that there is one try
	w.WriteHeader(r.status)
}

func (r *receiver) answer(status int) { r.mu.Lock(); r.status = status; r.mu.Unlock() }

func TestACallbackThatDoesNotGetThroughGoesToTheOutboxAndTheMessageAway(t *testing.T) {
	t.Parallel()
	rec := &receiver{status: http.StatusInternalServerError}
	srv := httptest.NewServer(rec)
	defer srv.Close()
	p := newPlant(t, succeed)
	p.cfg.Callbacks = &callback.Sender{Client: srv.Client(), Secrets: []string{secret}, Log: slog.New(slog.DiscardHandler)}
	id := p.send(map[string]any{"id": "told", "pipeline": "p", "callback": map[string]any{"url": srv.URL}})
	p.run()
	require.Equal(t, queue.Depth{}, p.depth(), "acked: the outbox has the callback")
	r := p.load(id)
	require.Equal(t, record.Succeeded, r.Status, "the outcome stands")
	require.Nil(t, r.Callback)
	require.Equal(t, 1, r.Owed.Tries)
	require.Contains(t, r.Owed.Error, "500")
	require.WithinDuration(t, time.Now().Add(time.Hour), r.Owed.Next, time.Minute)

	rec.answer(http.StatusOK)
	p.again(id) // as if the worker had died before it acked
	p.run()
	require.EqualValues(t, 1, p.runs.Load(), "the job is not run again")
	require.Len(t, rec.ids, 1, "what is in the outbox is not sent because its message came back")
	require.Equal(t, r, p.load(id))
}

func TestAReceiverThatIsGoneIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	rec := &receiver{status: http.StatusGone}
	srv := httptest.NewServer(rec)
	defer srv.Close()
	p := newPlant(t, succeed)
	p.cfg.Callbacks = &callback.Sender{Client: srv.Client(), Secrets: []string{secret}, Log: slog.New(slog.DiscardHandler)}
	id := p.send(map[string]any{"pipeline": "p", "callback": map[string]any{"url": srv.URL}})
	p.run()
	require.Len(t, rec.ids, 1)
	require.Contains(t, p.load(id).Callback.Error, "410")
	require.Equal(t, queue.Depth{}, p.depth())
}

func TestAWorkerOfNoUseEndsWhenItsJobsHave(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		close(began)
		return succeed(ctx, ws, req)
	})
	p.cfg.Slots = 2
	asked := 0
	p.cfg.Ready = func() error {
		if asked++; asked == 1 {
			return nil
		}
		<-began
		return fmt.Errorf("%w: its GPU is gone", worker.ErrOver)
	}
	p.again("last")
	w, err := worker.New(p.cfg)
	require.NoError(t, err)
	require.ErrorIs(t, w.Run(t.Context(), t.Context()), worker.ErrOver)
	require.Equal(t, record.Succeeded, p.load("last").Status)
}

func TestNothingIsReceivedWhileTheWorkerIsNotReady(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Ready = func() error { return errors.New("disk full") }
	p.cfg.ExitWhenIdle = 0
	p.send(map[string]any{"pipeline": "p"})
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	p.runUntil(ctx)
	require.Equal(t, queue.Depth{Visible: 1}, p.depth())
}

// A job's outputs are the job's doing: what can't be published fails it, and neither its worker nor its budget.
func TestOutputsThatCannotBePublishedFailTheirJobForGood(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(t *testing.T, ws string)
		want string
	}{
		{"outputs is a file", func(t *testing.T, ws string) {
			require.NoError(t, os.WriteFile(filepath.Join(ws, "outputs"), nil, 0o600))
		}, "is no folder"},
		{"a name that no store takes", func(t *testing.T, ws string) {
			require.NoError(t, os.MkdirAll(filepath.Join(ws, "outputs"), 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(ws, "outputs", `a\b`), nil, 0o600))
		}, "give the file another name"},
		{"more bytes than it may", func(t *testing.T, ws string) {
			require.NoError(t, os.MkdirAll(filepath.Join(ws, "outputs"), 0o700))
			f, err := os.Create(filepath.Join(ws, "outputs/sparse"))
			require.NoError(t, err)
			require.NoError(t, errors.Join(f.Truncate(21<<30), f.Close()))
		}, "more than 20480 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
				tt.make(t, ws)
				return succeed(ctx, ws, req)
			})
			id := p.send(map[string]any{"pipeline": "p"})
			p.run()
			require.Equal(t, record.Failed, p.load(id).Status)
			require.Contains(t, p.load(id).Message, tt.want)
			require.EqualValues(t, 1, p.runs.Load())
		})
	}
}

func TestABugInTheWorkerCostsOneJobAnAttempt(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(context.Context, string, *launch.Request) *engine.Run { panic("out of cheese") })
	id := p.send(map[string]any{"pipeline": "p"})
	p.run()
	require.Equal(t, record.Retrying, p.load(id).Status)
	require.Contains(t, p.load(id).Message, "out of cheese")
	require.Equal(t, engine.Bug, p.load(id).Attempts[0].Reason, "no crash: it is not the job's doing")
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth())
}

// A late driver delivers its messages just as the worker is told to stop.
type late struct {
	*localqueue.Driver
	stop context.CancelFunc
}

func (d late) Receive(ctx context.Context, n int, wait time.Duration) ([]queue.Message, error) {
	ms, err := d.Driver.Receive(ctx, n, wait)
	if len(ms) > 0 {
		d.stop()
	}
	return ms, err
}

func TestAMessageThatComesWithTheStopIsHandedBackAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.send(map[string]any{"pipeline": "p"})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	p.cfg.Feed = feedOn(t, late{p.driver, stop})
	p.runUntil(ctx)
	require.Zero(t, p.runs.Load())
	require.Equal(t, queue.Depth{Visible: 1}, p.depth())
}

// A thief takes every lease away at its first heartbeat.
type thief struct{ *localqueue.Driver }

func (thief) Extend(context.Context, queue.Receipt, time.Duration) error { return queue.ErrLeaseLost }

// What the job left is not published either.
func TestF11ALostLeaseStopsTheJobAndNothingIsPublished(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, ws string, _ *launch.Request) *engine.Run {
		require.NoError(t, os.MkdirAll(filepath.Join(ws, "outputs"), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(ws, "outputs/a.txt"), []byte("late"), 0o600))
		<-ctx.Done()
		return succeed(ctx, ws, nil) // it does not even notice
	})
	id := p.send(map[string]any{"pipeline": "p"})
	p.cfg.Feed = feedOn(t, thief{p.driver})
	p.cfg.ExitWhenIdle = 0
	ctx, stop := context.WithTimeout(t.Context(), 700*time.Millisecond) // before the message comes back
	defer stop()
	p.runUntil(ctx)
	r := p.load(id)
	require.Equal(t, record.Retrying, r.Status, "no outcome is recorded")
	require.Equal(t, record.AttemptInterrupted, r.Attempts[0].Status)
	require.Empty(t, r.Artifacts)
	require.Equal(t, queue.Depth{InFlight: 1}, p.depth(), "the message is not ours to answer")
}

func TestALeaseLostAfterTheGraceIsSeenToo(t *testing.T) {
	t.Parallel()
	started := make(chan struct{})
	p := newPlant(t, func(ctx context.Context, ws string, _ *launch.Request) *engine.Run {
		close(started)
		<-ctx.Done()                       // the grace is over
		time.Sleep(600 * time.Millisecond) // and the job goes on, past its lease
		return succeed(ctx, ws, nil)
	})
	p.cfg.Grace = 50 * time.Millisecond
	id := p.send(map[string]any{"pipeline": "p"})
	p.cfg.Feed = feedOn(t, thief{p.driver})
	ctx, stop := context.WithCancel(t.Context())
	go func() { <-started; stop() }()
	p.runUntil(ctx)
	require.Equal(t, record.Retrying, p.load(id).Status, "no outcome is recorded")
}

func TestACallbackThatNeverCanBeSentIsGivenUpAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Callbacks = &callback.Sender{Client: egress.NewClient(egress.Policy{}), Secrets: []string{secret}, Log: slog.New(slog.DiscardHandler)}
	id := p.send(map[string]any{"pipeline": "p", "callback": map[string]any{"url": "http://127.0.0.1:9/"}})
	p.run()
	require.Contains(t, p.load(id).Callback.Error, "MILLRACE_ALLOW_HOSTS")
	require.Equal(t, queue.Depth{}, p.depth())
}

func TestACallbackWaitsForAsLongAsItsReceiverAsks(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1200")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer srv.Close()
	p := newPlant(t, succeed)
	p.cfg.Callbacks = &callback.Sender{Client: srv.Client(), Secrets: []string{secret}, Log: slog.New(slog.DiscardHandler)}
	id := p.send(map[string]any{"pipeline": "p", "callback": map[string]any{"url": srv.URL}})
	p.run()
	require.Equal(t, queue.Depth{}, p.depth())
	require.WithinDuration(t, time.Now().Add(20*time.Minute), p.load(id).Owed.Next, time.Minute)
}
