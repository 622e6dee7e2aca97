package keda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/keda"
	"github.com/millrace/millrace/worker/queue"
)

// A broker says what a test wants it to.
type broker struct {
	mu   sync.Mutex
	load queue.Load
	err  error
	slow time.Duration
	asks []time.Time
	log  bytes.Buffer // of the scaler that start starts
}

func (b *broker) Count(ctx context.Context) (queue.Load, error) {
	b.mu.Lock()
	load, err, slow := b.load, b.err, b.slow
	b.asks = append(b.asks, time.Now())
	b.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return queue.Load{Requests: 1}, ctx.Err()
		}
	}
	load.Requests = max(load.Requests, 1)
	return load, err
}

func (b *broker) says(load queue.Load, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.load, b.err = load, err
}

// asked is how often the broker was asked since the last time.
func (b *broker) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.asks)
	b.asks = nil
	return n
}

// start has a scaler of one queue, light, look at b while f runs.
func start(t *testing.T, b *broker, f func(s *keda.Scaler)) {
	t.Helper()
	startQueue(t, keda.Queue{Name: "light", Count: b.Count}, &b.log, f)
}

func startQueue(t *testing.T, q keda.Queue, log io.Writer, f func(s *keda.Scaler)) {
	t.Helper()
	s, err := keda.New(keda.Config{Queues: []keda.Queue{q}, Log: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	f(s)
	cancel()
	wg.Wait()
}

func get(t *testing.T, s *keda.Scaler, path string) (code int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func answer(t *testing.T, s *keda.Scaler) keda.Answer {
	t.Helper()
	code, body := get(t, s, "/metrics-api?queue=light")
	require.Equal(t, http.StatusOK, code, body)
	var a keda.Answer
	require.NoError(t, json.Unmarshal([]byte(body), &a))
	return a
}

func TestABrokerIsAskedOnceASecondWhileSomebodyWantsToKnowAndThenNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{load: queue.Load{Visible: 3}}
		start(t, b, func(s *keda.Scaler) {
			time.Sleep(time.Hour)
			require.Zero(t, b.asked(), "nobody wants to know")
			require.Equal(t, keda.Answer{Queue: "light", Work: 3, Target: 5}, answer(t, s))
			for range 50 {
				answer(t, s)
			}
			synctest.Wait()
			require.Equal(t, 1, b.asked(), "many askers are one")
			time.Sleep(60 * time.Second)
			require.InDelta(t, 60, b.asked(), 1)
			time.Sleep(time.Hour)
			require.InDelta(t, 30, b.asked(), 1, "interest lasts for a minute and a half")
			b.says(queue.Load{Visible: 8}, nil)
			require.Equal(t, 8, answer(t, s).Work, "who asks after a while does not get what was true then")
			time.Sleep(91 * time.Second)
			b.says(queue.Load{Visible: 9}, nil)
			time.Sleep(3 * time.Second)
			require.Equal(t, 9, answer(t, s).Work)
			code, body := get(t, s, "/healthz")
			require.Equal(t, http.StatusOK, code, body)
		})
	})
}

func TestALookThatTakesManyRequestsIsFollowedByAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{load: queue.Load{Visible: 20_000, Requests: 6}}
		start(t, b, func(s *keda.Scaler) {
			answer(t, s)
			b.asked()
			time.Sleep(60 * time.Second)
			require.InDelta(t, 10, b.asked(), 1)
		})
	})
}

func TestInAnOutageTheLastValueStandsWithItsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{load: queue.Load{Visible: 12}}
		start(t, b, func(s *keda.Scaler) {
			require.Equal(t, keda.Answer{Queue: "light", Work: 12, Target: 5}, answer(t, s))
			b.says(queue.Load{}, errors.New("no answer"))
			b.asked()
			for range 10 {
				time.Sleep(time.Minute)
				require.Equal(t, 12, answer(t, s).Work)
			}
			require.InDelta(t, 600, answer(t, s).Age, 2)
			require.Less(t, b.asked(), 100, "a broker that fails is asked rarely")
			_, text := get(t, s, "/metrics")
			require.Regexp(t, `millrace_scaler_age_seconds\{queue="light"\} 60\d`, text)
			require.Regexp(t, `millrace_scaler_errors_total\{queue="light"\} \d\d\n`, text)
			require.Contains(t, text, `millrace_queue_messages{queue="light",state="visible"} 12`)
			b.says(queue.Load{Visible: 1}, nil)
			time.Sleep(8 * time.Second)
			require.Equal(t, 1, answer(t, s).Work, "it is noticed soon that it is over")
		})
		for _, once := range []string{"queue not counted", "queue counted again"} {
			require.Equal(t, 1, strings.Count(b.log.String(), once), b.log.String())
		}
	})
}

func TestABrokerThatHangsDelaysNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{load: queue.Load{Visible: 2}}
		start(t, b, func(s *keda.Scaler) {
			answer(t, s)
			b.mu.Lock()
			b.slow = time.Hour
			b.mu.Unlock()
			time.Sleep(30 * time.Second)
			asked := time.Now()
			require.Equal(t, 2, answer(t, s).Work)
			require.LessOrEqual(t, time.Since(asked), 3*time.Second)
			time.Sleep(10 * time.Minute)
			code, body := get(t, s, "/healthz")
			require.Equal(t, http.StatusOK, code, body)
		})
	})
}

func TestTheFirstAnswerMayTakeAsLongAsTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start(t, &broker{load: queue.Load{Visible: 2}, slow: 8 * time.Second}, func(s *keda.Scaler) {
			require.Equal(t, 2, answer(t, s).Work)
		})
	})
}

func TestAScalerThatLooksAfterAQueueNoMoreIsUnhealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		s, err := keda.New(keda.Config{Queues: []keda.Queue{{Name: "light", Count: func(context.Context) (queue.Load, error) {
			<-hung
			return queue.Load{}, nil
		}}}})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { s.Run(ctx) })
		healthy := func() int {
			code, _ := get(t, s, "/healthz")
			return code
		}
		get(t, s, "/metrics-api?queue=light")
		time.Sleep(time.Minute)
		require.Equal(t, http.StatusOK, healthy())
		time.Sleep(2 * time.Minute)
		require.Equal(t, http.StatusServiceUnavailable, healthy())
		close(hung)
		cancel()
		wg.Wait()
	})
}

func TestWhatWasNeverKnownIsAnErrorThatSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &broker{err: errors.New("find queue jobs: no answer from sqs")}
		start(t, b, func(s *keda.Scaler) {
			code, body := get(t, s, "/metrics-api?queue=light")
			require.Equal(t, http.StatusServiceUnavailable, code)
			require.Equal(t, "it is not known how much there is in queue light: find queue jobs: no answer from sqs\n", body)
			_, text := get(t, s, "/metrics")
			require.NotContains(t, text, "millrace_queue_messages{", "0 would be a lie")
		})
	})
}

func TestAQueueThatIsNotWatchedIsNotAnswered(t *testing.T) {
	b := &broker{}
	start(t, b, func(s *keda.Scaler) {
		for path, want := range map[string]int{
			"/metrics-api": http.StatusNotFound, "/metrics-api?queue=other": http.StatusNotFound, "/metrics-api?queue=light&target=x": http.StatusBadRequest,
		} {
			code, body := get(t, s, path)
			require.Equal(t, want, code, body)
		}
		require.Zero(t, b.asked())
	})
}

func TestNewSaysAllThatIsWrong(t *testing.T) {
	_, err := keda.New(keda.Config{})
	require.ErrorContains(t, err, "no queue is given")
	b := &broker{}
	_, err = keda.New(keda.Config{Queues: []keda.Queue{{Name: "a", Count: b.Count}, {Name: "a", Count: b.Count}}})
	require.ErrorContains(t, err, fmt.Sprintf("%q has not", "a"))
}
