package worker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// The message of a lost lease comes back to the worker where the first attempt is still ending.
func TestF14F17AMessageThatComesBackWhileItsJobStopsIsParked(t *testing.T) {
	first := true
	slowly := func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		if first {
			first = false
			<-ctx.Done()
			time.Sleep(10 * time.Second) // it takes its time to stop
			return &engine.Run{Status: engine.Canceled, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
		}
		return succeed(ctx, ws, req)
	}
	onBench(t, slowly, as, func(b *bench) {
		b.cfg.Slots = 2
		b.send(`{"id": "j", "pipeline": "p"}`)
		b.cfg.Feed = b.feed(&deafened{bench: b, until: time.Now().Add(31 * time.Second)})
		b.stop(45*time.Second, 0)
		require.Equal(t, 2, b.runs)
		require.Equal(t, []string{"ack"}, b.answers, "it was not handed back")
		require.Equal(t, 2, b.received)
	})
}

// A drain begins nothing: what waits to be begun is handed back, and its next worker begins it.
func TestAMessageThatIsParkedIsHandedBackByADrain(t *testing.T) {
	t.Parallel()
	slowly := func(ctx context.Context, _ string, _ *launch.Request) *engine.Run {
		<-ctx.Done()
		time.Sleep(10 * time.Second)
		return &engine.Run{Status: engine.Canceled, Failure: engine.Fail(ctx, "t", context.Cause(ctx))}
	}
	onBench(t, slowly, as, func(b *bench) {
		b.cfg.Slots = 2
		b.send(`{"id": "j", "pipeline": "p"}`)
		b.cfg.Feed = b.feed(&deafened{bench: b, until: time.Now().Add(31 * time.Second)})
		b.stop(33*time.Second, 0)
		require.Equal(t, 1, b.runs)
		require.Equal(t, []string{"nack"}, b.answers)
		require.Equal(t, 2, b.received)
	})
}

func TestAJobThatWaitsToBeAloneIsHandedBackByADrain(t *testing.T) {
	t.Parallel()
	slowly := func(ctx context.Context, ws string, req *launch.Request) *engine.Run {
		time.Sleep(35 * time.Second)
		return succeed(ctx, ws, req)
	}
	onBench(t, slowly, as, func(b *bench) {
		b.cfg.Slots = 2
		for range 2 {
			a, err := b.cfg.Records.Claim(t.Context(), jobOf("suspect"), record.Claim{Worker: "dead"})
			require.NoError(t, err)
			require.NoError(t, a.Blame(t.Context(), engine.Failure{Reason: engine.OOM, Message: "too much memory"}))
		}
		b.send(`{"id": "harmless", "pipeline": "p"}`)
		defer time.AfterFunc(5*time.Second, func() { b.send(`{"id": "suspect", "pipeline": "p"}`) }).Stop()
		b.stop(30*time.Second, 0)
		require.Equal(t, 1, b.runs)
		require.Equal(t, []string{"nack", "ack"}, b.answers)
	})
}

// A deafened queue takes no extensions until then.
type deafened struct {
	*bench
	until time.Time
}

func (d *deafened) Extend(ctx context.Context, r queue.Receipt, length time.Duration) error {
	if time.Now().Before(d.until) {
		return errors.New("no route to host")
	}
	return d.bench.Extend(ctx, r, length)
}
