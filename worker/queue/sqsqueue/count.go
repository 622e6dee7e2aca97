package sqsqueue

import (
	"context"

	"github.com/millrace/millrace/worker/queue"
)

// A Counter counts what there is to do in a queue, by one request each time, and one more until it has found the queue. It
// needs sqs:GetQueueUrl and sqs:GetQueueAttributes, and no right to the dead-letter queue. One goroutine may use it.
type Counter struct {
	driver  *Driver
	address address
}

// NewCounter makes no request. Of c it reads Queue and AWS.
func NewCounter(ctx context.Context, c Config) (*Counter, error) {
	a, err := parseAddress(c.Queue)
	if err != nil {
		return nil, err
	}
	d, err := connect(ctx, a, c.AWS)
	if err != nil {
		return nil, err
	}
	return &Counter{d, a}, nil
}

// Count is what SQS says: about what there is, and up to a minute old. What was handed back for later is in flight there.
func (c *Counter) Count(ctx context.Context) (queue.Load, error) {
	var l queue.Load
	if c.driver.url == "" {
		url, err := c.driver.resolve(ctx, c.address)
		if c.address.url == nil {
			l.Requests++
		}
		if err != nil {
			return l, err
		}
		c.driver.url = url
	}
	l.Requests++
	d, err := c.driver.count(ctx, c.driver.url)
	l.Visible, l.InFlight, l.Delayed = d.Visible, d.InFlight, d.Delayed
	return l, err
}

// Close gives up the idle connections.
func (c *Counter) Close() error { return c.driver.Close() }
