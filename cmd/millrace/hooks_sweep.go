package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/worker/gateway"
)

// hookSweepEvery is how often a gateway forgets webhooks that are old enough. In a bucket that costs a listing.
const hookSweepEvery = 6 * time.Hour

// sweepHooks forgets old webhooks, at once and then again and again, until stop is called.
func sweepHooks(ctx context.Context, g *gateway.Gateway, log *slog.Logger) (stop func()) {
	return repeat(ctx, hookSweepEvery, func(ctx context.Context) {
		n, err := g.SweepHooks(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			log.WarnContext(ctx, "old webhooks not swept", "err", err)
		case n > 0:
			log.InfoContext(ctx, "old webhooks swept", "count", n)
		}
	})
}
