package cosqueue

import (
	"context"
	"time"

	"github.com/millrace/millrace/worker/queue"
)

// enough is how much work a count looks for: more would cost a request for every page of it, and nobody has workers for it.
const enough = 5000

// soon is the longest delay that counts as work: SQS knows no longer one.
const soon = 15 * time.Minute

// A Counter counts what there is to do in a queue. It lists and does nothing else, so the role Reader on the bucket is
// enough. Leases are judged by what it has seen of them before: it is to be kept while the queue is watched.
type Counter struct{ driver *Driver }

// NewCounter makes no request. c.Visibility should be the workers'.
func NewCounter(ctx context.Context, c Config) (*Counter, error) {
	d, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Counter{d}, nil
}

// Count costs one request where no message waits, else one for every 1,000 leases, and for every 1,000 messages up to the page
// that makes enough.
func (c *Counter) Count(ctx context.Context) (queue.Load, error) {
	before := c.driver.Requests()["LIST"]
	var l queue.Load
	err := c.driver.survey(ctx, func(s standing) bool {
		switch {
		case s.state == queue.Visible:
			l.Visible++
		case s.state == queue.InFlight:
			l.InFlight++
		case s.back || s.hidden > soon:
			l.Later++
		default:
			l.Delayed++
		}
		return l.Visible+l.InFlight < enough
	})
	l.Requests = int(c.driver.Requests()["LIST"] - before)
	return l, err
}

// Close gives up the idle connections.
func (c *Counter) Close() error { return c.driver.Close() }
