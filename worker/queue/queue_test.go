package queue_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

var errDown = errors.New("broker is down")

func newQueue(t *testing.T, m *memory, log *slog.Logger) *queue.Queue {
	t.Helper()
	q, err := queue.New(queue.Config{Driver: m, Visibility: visibility, Log: log})
	require.NoError(t, err)
	return q
}

// lease sends a message and receives it.
func lease(t *testing.T, q *queue.Queue) *queue.Lease {
	t.Helper()
	_, err := q.Send(t.Context(), queue.Draft{Body: []byte("x")})
	require.NoError(t, err)
	ls, err := q.Receive(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, ls, 1)
	return ls[0]
}

func TestNewSaysAllThatIsWrong(t *testing.T) {
	_, err := queue.New(queue.Config{Safety: time.Hour})
	require.ErrorContains(t, err, "no driver given")
	require.ErrorContains(t, err, "safety must be at most half of visibility")
}

func TestReceiveOutlastsAFailingBrokerWithOneLogLineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		back := time.Now().Add(10 * time.Minute)
		m := &memory{fail: func(_ context.Context, verb string) error {
			if verb == "receive" && time.Now().Before(back) {
				return errDown
			}
			return nil
		}}
		q := newQueue(t, m, slog.New(slog.NewTextHandler(&log, nil)))
		require.Equal(t, "m1", lease(t, q).ID)
		require.Less(t, time.Since(back), 21*time.Second)
		warnings := strings.Count(log.String(), "queue call failed")
		require.GreaterOrEqual(t, warnings, 9)
		require.LessOrEqual(t, warnings, 11)
		require.Equal(t, 1, strings.Count(log.String(), "queue reachable again"))
		require.Less(t, m.count("receive"), 70, "the broker is asked more and more slowly")
	})
}

func TestReceiveWaitsAsLongAsTheBrokerAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		m.fail = func(_ context.Context, verb string) error {
			if verb == "receive" && m.count("receive") == 1 {
				return fault.After(time.Hour, errDown)
			}
			return nil
		}
		began := time.Now()
		lease(t, newQueue(t, m, nil))
		require.GreaterOrEqual(t, time.Since(began), time.Hour)
	})
}

func TestReceiveReturnsWhatNeverPasses(t *testing.T) {
	m := &memory{fail: func(context.Context, string) error { return fault.As(fault.Permanent, errDown) }}
	_, err := newQueue(t, m, nil).Receive(t.Context(), 1)
	require.ErrorIs(t, err, errDown)
}

func TestReceiveEndsWithItsContext(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail error
	}{
		{"while it polls", nil},
		{"while the broker is down", errDown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cause := errors.New("drain")
				ctx, cancel := context.WithTimeoutCause(t.Context(), 7*time.Second, cause)
				defer cancel()
				m := &memory{fail: func(context.Context, string) error { return tt.fail }}
				_, err := newQueue(t, m, nil).Receive(ctx, 1)
				require.ErrorIs(t, err, cause)
			})
		})
	}
}

func TestAnEmptyQueueIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ls, err := newQueue(t, &memory{}, nil).Receive(t.Context(), 1)
		require.NoError(t, err)
		require.Empty(t, ls)
	})
}
