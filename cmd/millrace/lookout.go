package main

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

// requestsEvery is how often a worker says what its queues in buckets have cost.
const requestsEvery = 10 * time.Minute

// A counted driver counts the messages that it hands out.
type counted struct {
	queue.Driver
	messages atomic.Int64
}

func (c *counted) Receive(ctx context.Context, max int, wait time.Duration) ([]queue.Message, error) {
	ms, err := c.Driver.Receive(ctx, max, wait)
	c.messages.Add(int64(len(ms)))
	return ms, err
}

// lookOut says once what is wrong with how SQS queues are set up, and now and then how many requests queues in buckets
// have taken. The function that it returns says the latter once more, and ends it.
func (s *services) lookOut(ctx context.Context, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		s.warn(ctx, log)
		t := time.NewTicker(requestsEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				s.sayRequests(ctx, log)
			case <-ctx.Done():
				s.sayRequests(ctx, log)
				return
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

func (s *services) warn(ctx context.Context, log *slog.Logger) {
	for i, b := range s.brokers {
		if s.refs[i].kind != kindSQS {
			continue
		}
		for _, f := range b.Examine(ctx) {
			if f.Level != queue.Good && ctx.Err() == nil {
				log.WarnContext(ctx, "queue needs mending", "queue", b.Name(), "err", f.Check+": "+f.Text+"; "+f.Remedy)
			}
		}
	}
}

func (s *services) sayRequests(ctx context.Context, log *slog.Logger) {
	for i, b := range s.brokers {
		r, ok := b.(interface{ Requests() map[string]int64 })
		if !ok {
			continue
		}
		var all int64
		for _, n := range r.Requests() {
			all += n
		}
		messages := s.counts[i].messages.Load()
		log.InfoContext(ctx, "queue requests", "queue", b.Name(), "requests", all, "messages", messages,
			"per_message", float64(all*10/max(messages, 1))/10)
	}
}
