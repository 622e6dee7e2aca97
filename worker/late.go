package worker

import (
	"context"
	"errors"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/queue"
)

// What follows a job has an end too, or the worker is killed before it has given the message back. From the end of the
// grace: lateTimeout to publish, record and call back, then lastWords to write how the attempt ended and lastWords to
// answer the broker, 25 s in all. From the second signal: 5 s in all.
const (
	lateTimeout = 15 * time.Second
	hardTimeout = time.Second
)

// lastWords is how long one more word may take when there is no time for more, for this reason.
func lastWords(why error) time.Duration {
	stop, _ := errors.AsType[*engine.Stop](why)
	switch {
	case stop != nil && stop.Now:
		return 2 * time.Second
	case errors.Is(why, queue.ErrLeaseLost):
		return 10 * time.Second // there is nothing to answer
	}
	return 5 * time.Second
}

// lingering returns a context that lasts as long as ctx, and for lastWords after it.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	last, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		why := context.Cause(ctx)
		late := time.AfterFunc(lastWords(why), func() { cancel(why) })
		context.AfterFunc(last, func() { late.Stop() })
	})
	return last, func() {
		unhook()
		cancel(nil)
	}
}

// answering returns a context for answering the broker about what was done under ctx.
func answering(ctx context.Context) (context.Context, context.CancelFunc) {
	last, end := lingering(ctx)
	last, cancel := context.WithTimeout(last, settleTimeout)
	return last, func() {
		cancel()
		end()
	}
}

// after calls f when d has passed since the end of ctx, unless stop is called before.
func after(ctx context.Context, d time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(d, f)
	t.Stop() // it begins with the end of ctx
	unhook := context.AfterFunc(ctx, func() { t.Reset(d) })
	return func() {
		unhook()
		t.Stop()
	}
}
