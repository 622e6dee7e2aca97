package worker_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/payload"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/record"
)

func TestAJobRunsWhereItsWorkerHasWhatItRequires(t *testing.T) {
	t.Parallel()
	labels := map[string]string{"class": "gpu", "gpu.product": "NVIDIA A100-SXM4-80GB", "gpus": "2", "memory": "64Gi", "Zone": "eu-1", "cuda": "12.10", "cpus": "4"}
	for _, tt := range []struct {
		name     string
		requires any
		fits     bool
	}{
		{"nothing is required", nil, true},
		{"text in another case", map[string]any{"class": "GPU", "zone": "EU-1"}, true},
		{"other text", map[string]any{"zone": "eu-2"}, false},
		{"text that is a part of it", map[string]any{"zone": "eu"}, false},
		{"a label that it has not", map[string]any{"arch": "arm64"}, false},
		{"any value", map[string]any{"zone": "*"}, true},
		{"any value of a label that it has not", map[string]any{"arch": "*"}, false},
		{"a wildcard in the middle", map[string]any{"gpu.product": "nvidia*a100*"}, true},
		{"a wildcard in front", map[string]any{"gpu.product": "*-80gb"}, true},
		{"a wildcard that does not match", map[string]any{"gpu.product": "nvidia*h100*"}, false},
		{"fewer than it has", map[string]any{"gpus": 1}, true},
		{"as many as it has", map[string]any{"gpus": "2"}, true},
		{"more than it has", map[string]any{"gpus": 2.5}, false},
		{"a smaller size in another unit", map[string]any{"memory": "65000M"}, true},
		{"a larger size", map[string]any{"memory": "65Gi"}, false},
		{"thousandths", map[string]any{"cpus": "500m"}, true},
		{"more thousandths than it has", map[string]any{"cpus": "4001m"}, false},
		{"an older version", map[string]any{"cuda": "12.4"}, true},
		{"a newer version", map[string]any{"cuda": "12.10.1"}, false},
		{"a version of fewer parts", map[string]any{"cuda": 12}, true},
		{"a number of something else", map[string]any{"zone": 1}, false},
		{"a list", []any{"gpus=1", "zone=eu-1"}, true},
		{"one of two that it has not", []any{"gpus=1", "zone=eu-2"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlant(t, succeed)
			p.cfg.Labels, p.cfg.ExitWhenIdle = labels, 100*time.Millisecond
			body := map[string]any{"pipeline": "p"}
			if tt.requires != nil {
				body["requires"] = tt.requires
			}
			p.send(body)
			p.run()
			if tt.fits {
				require.EqualValues(t, 1, p.runs.Load())
				return
			}
			require.Zero(t, p.runs.Load())
			require.Equal(t, queue.Depth{Delayed: 1}, p.depth())
		})
	}
}

func TestAClassIsANameThoughItLooksLikeANumber(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Labels = map[string]string{"class": "3"}
	p.send(map[string]any{"pipeline": "p", "class": "2"})
	p.run()
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth())
}

func TestAJobThatAWorkerCannotRunIsHiddenLongerEachTimeAndPaysNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := newPlant(t, succeed)
	p.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	id := p.send(map[string]any{"pipeline": "p", "requires": map[string]any{"nvme": 1}, "max_attempts": 1})
	p.run()
	require.Empty(t, p.load(id).Attempts, "it is not claimed")
	require.Equal(t, 1, strings.Count(log.String(), "message released"))
	require.Contains(t, log.String(), "the job requires nvme=1, and this worker has no such label")
	hidden := p.hidden()
	require.InDelta(t, 30, hidden.Seconds(), 5)

	// The same message, after as many deliveries as it takes to be hidden for the longest.
	p.cfg.Feed = feedOn(t, often{p.driver})
	p.send(map[string]any{"pipeline": "p", "requires": map[string]any{"nvme": 1}})
	p.run()
	require.InDelta(t, 15*60, p.hidden().Seconds(), 100)
}

// An often driver delivers each message for the twentieth time.
type often struct{ *localqueue.Driver }

func (d often) Receive(ctx context.Context, n int, wait time.Duration) ([]queue.Message, error) {
	ms, err := d.Driver.Receive(ctx, n, wait)
	for i := range ms {
		ms[i].Delivery = 20
	}
	return ms, err
}

// hidden is how long the message stays hidden that does so longest.
func (p *plant) hidden() (longest time.Duration) {
	p.t.Helper()
	ms, err := p.driver.Peek(p.t.Context(), 10)
	require.NoError(p.t, err)
	for _, m := range ms {
		longest = max(longest, m.Hidden)
	}
	return longest
}

// classQueue makes the queue of a class of workers.
func classQueue(t *testing.T) (*localqueue.Driver, *queue.Queue) {
	t.Helper()
	d, err := localqueue.Open(t.Context(), localqueue.Config{Path: filepath.Join(t.TempDir(), "gpu.db"), Visibility: time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	q, err := queue.New(queue.Config{Driver: d, Visibility: time.Second})
	require.NoError(t, err)
	return d, q
}

func TestAJobIsSentOnToAClassOnce(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	_, q := classQueue(t)
	p.cfg.Labels = map[string]string{"class": "cpu"}
	own, err := queue.New(queue.Config{Driver: p.driver, Visibility: time.Second})
	require.NoError(t, err)
	p.cfg.Classes = map[string]*queue.Queue{"gpu": own, "tpu": q} // a slip of the operator's: it leads back here
	p.send(map[string]any{"pipeline": "p", "class": "gpu"})
	p.run()
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth())
}

func TestAJobIsSentToNoClassTwice(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	heavy, q := classQueue(t)
	p.cfg.Labels, p.cfg.Classes = map[string]string{"class": "cpu"}, map[string]*queue.Queue{"heavy": q}
	send := func(id, been string) {
		_, err := p.driver.Send(t.Context(), queue.Draft{
			Body:       []byte(`{"pipeline": "p", "class": "heavy", "id": "` + id + `"}`),
			Attributes: map[string]string{"job.forward": `{"id":"` + id + `","classes":[` + been + `]}`},
		})
		require.NoError(t, err)
	}
	send("once", `"gpu"`)
	p.run()
	require.Zero(t, p.depth())
	d, err := heavy.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, d.Visible)
	send("twice", `"heavy","gpu"`)
	p.run()
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth(), "heavy had it, and sent it on")
}

// A shut driver takes nothing.
type shut struct{ *localqueue.Driver }

func (shut) Send(context.Context, queue.Draft) (string, error) {
	return "", errors.New("the queue is gone")
}

func TestAJobThatCannotBeSentOnStaysWhereItIs(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	driver, _ := classQueue(t)
	q, err := queue.New(queue.Config{Driver: shut{driver}, Visibility: time.Second})
	require.NoError(t, err)
	p.cfg.Classes = map[string]*queue.Queue{"gpu": q}
	id := p.send(map[string]any{"pipeline": "p", "class": "gpu"})
	p.run()
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth())
	require.Contains(t, p.load(id).Message, "this worker has no such label; the queue of class gpu does not take it: the queue is gone")
}

func TestALabelThatNoJobCouldNameIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Labels = map[string]string{"a b": "c"}
	_, err := worker.New(p.cfg)
	require.ErrorContains(t, err, `"a b" is no name of a label`)
}

// What is not known is no reason to try.
func TestE4NothingIsReceivedWhileAResourcesStateIsUnknown(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	p.cfg.Ready = func() error { return errors.New("the GPU's state can't be read") }
	p.cfg.ExitWhenIdle = 0
	p.send(map[string]any{"pipeline": "p"})
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	p.runUntil(ctx)
	ms, err := p.driver.Peek(t.Context(), 1)
	require.NoError(t, err)
	require.Zero(t, ms[0].Delivery)
}

func TestAPackedMessageIsRunAndOneThatCannotBeUnpackedIsBuried(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(`{"pipeline": "p", "id": "packed"}`))
	require.NoError(t, errors.Join(err, w.Close()))
	p := newPlant(t, succeed)
	for _, body := range []string{base64.StdEncoding.EncodeToString(b.Bytes()), "no gzip"} {
		_, err = p.driver.Send(t.Context(), queue.Draft{Body: []byte(body), Attributes: map[string]string{"content-encoding": "gzip"}})
		require.NoError(t, err)
	}
	p.run()
	require.Equal(t, record.Succeeded, p.load("packed").Status)
	require.Equal(t, queue.Depth{Dead: 1}, p.depth())
	dead, err := p.driver.Dead(t.Context(), 1)
	require.NoError(t, err)
	require.Contains(t, dead[0].Reason, "is not gzip in base64")
	require.Equal(t, "no gzip", string(dead[0].Body), "it is buried as it came")
}

func TestAMessageMayBeAsLongAsPayloadsMayWhereItLiesInABucket(t *testing.T) {
	t.Parallel()
	const n = 4900 << 10 / len(`<é\n`)
	body := []byte(`{"pipeline": "p", "id": "long", "state": {"text": "` + strings.Repeat(`<é\n`, n) + `"}}`)
	p := newPlant(t, func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		if req.Job.State["text"] != strings.Repeat("<é\n", n) {
			return &engine.Run{Status: engine.Failed, Failure: engine.Fail(ctx, "t", errors.New("the text arrived changed"))}
		}
		return succeed(ctx, ws, req)
	})
	p.cfg.Payloads = payload.Resolver{Buckets: []string{"b"}, Fetch: func(context.Context, string, string, int64) ([]byte, error) { return body, nil }}
	_, err := p.driver.Send(t.Context(), queue.Draft{Body: []byte(`["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b", "s3Key": "k"}]`)})
	require.NoError(t, err)
	p.run()
	r := p.load("long")
	require.Equal(t, record.Succeeded, r.Status, r.Message)
}

func TestAMessageWhoseBucketIsDownIsHandedBackAtNoCost(t *testing.T) {
	t.Parallel()
	p := newPlant(t, succeed)
	down := true
	p.cfg.Payloads = payload.Resolver{Buckets: []string{"b"}, Fetch: func(context.Context, string, string, int64) ([]byte, error) {
		if down {
			return nil, fault.As(fault.Transient, errors.New("bucket is down"))
		}
		return []byte(`{"pipeline": "p", "id": "far"}`), nil
	}}
	pointer := queue.Draft{Body: []byte(`["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b", "s3Key": "k"}]`)}
	_, err := p.driver.Send(t.Context(), pointer)
	require.NoError(t, err)
	p.run()
	require.Equal(t, queue.Depth{Delayed: 1}, p.depth())
	require.Zero(t, p.runs.Load())
	down = false
	_, err = p.driver.Send(t.Context(), pointer) // as if its time had come
	require.NoError(t, err)
	p.run()
	require.Len(t, p.load("far").Attempts, 1)
}

// A lender lets a message be held for a while only.
type lender struct {
	*localqueue.Driver
	limit time.Duration
}

func (d lender) Receive(ctx context.Context, n int, wait time.Duration) ([]queue.Message, error) {
	ms, err := d.Driver.Receive(ctx, n, wait)
	for i := range ms {
		ms[i].Limit = time.Now().Add(d.limit)
	}
	return ms, err
}

func TestAJobIsStoppedBeforeItsQueueTakesTheMessageBack(t *testing.T) {
	t.Parallel()
	p := newPlant(t, func(ctx context.Context, _ string, _ *launch.Request) *engine.Run {
		<-ctx.Done()
		return &engine.Run{Status: engine.Failed, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
	})
	p.cfg.Feed = feedOn(t, lender{p.driver, 5*time.Minute + 200*time.Millisecond})
	id := p.send(map[string]any{"pipeline": "p", "max_attempts": 1})
	p.run()
	r := p.load(id)
	require.Equal(t, record.Dead, r.Status, "it counts as an attempt")
	require.Contains(t, r.Message, "for as long as its queue lets a message be held (5m0s, less 5m0s to settle it)")
}

// A worker that dies after it has sent a message on, and before it has deleted it, has another send it once more.
func TestOfTwoCopiesOfAJobThatWasSentOnOneCounts(t *testing.T) {
	t.Parallel()
	both := make(chan struct{})
	var p *plant
	p = newPlant(t, func(ctx context.Context, dir string, req *launch.Request) *engine.Run {
		if p.runs.Load() == 2 {
			close(both)
		}
		select {
		case <-both:
		case <-ctx.Done():
		}
		return succeed(ctx, dir, req)
	})
	heavy, q := classQueue(t)
	light := p.cfg
	light.Labels, light.Classes = map[string]string{"class": "light"}, map[string]*queue.Queue{"heavy": q}
	p.cfg.Labels = map[string]string{"class": "heavy"}
	id := p.send(map[string]any{"pipeline": "p", "class": "heavy"})
	crash := light
	crash.Feed = feedOn(t, unanswered{p.driver})
	light.ExitWhenIdle = 2 * time.Second // until the lease is over
	for _, cfg := range []worker.Config{crash, light} {
		w, err := worker.New(cfg)
		require.NoError(t, err)
		require.NoError(t, w.Run(t.Context(), t.Context()))
	}
	require.Zero(t, p.depth())
	d, err := heavy.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{Visible: 2}, d)
	var wg sync.WaitGroup
	for _, name := range []string{"w1", "w2"} {
		cfg := p.cfg
		cfg.Name, cfg.Slots, cfg.Feed = name, 1, feedOn(t, heavy)
		w, err := worker.New(cfg)
		require.NoError(t, err)
		wg.Go(func() {
			if err := w.Run(t.Context(), t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, record.Succeeded, p.load(id).Status)
	require.EqualValues(t, 2, p.runs.Load())
	d, err = heavy.Depth(t.Context())
	require.NoError(t, err)
	require.Zero(t, d)
}

// An unanswered driver deletes nothing: its worker is dead by then.
type unanswered struct{ *localqueue.Driver }

func (unanswered) Ack(_ context.Context, rs []queue.Receipt) []error {
	return slices.Repeat([]error{queue.ErrLeaseLost}, len(rs))
}
