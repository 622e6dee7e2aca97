package sqsqueue

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/millrace/millrace/worker/queue"
)

// Depth is what SQS says: about what there is, and a minute old at most.
func (d *Driver) Depth(ctx context.Context) (queue.Depth, error) {
	q, err := d.count(ctx, d.url)
	if err != nil {
		return queue.Depth{}, err
	}
	if dead := d.dead(); dead != "" {
		b, err := d.count(ctx, dead)
		if err != nil {
			return queue.Depth{}, err
		}
		q.Dead = b.Visible + b.InFlight + b.Delayed
	}
	return q, nil
}

func (d *Driver) count(ctx context.Context, url string) (queue.Depth, error) {
	const visible, inFlight, delayed = types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible, types.QueueAttributeNameApproximateNumberOfMessagesDelayed
	out, err := d.attributes(ctx, url, visible, inFlight, delayed)
	if err != nil {
		return queue.Depth{}, err
	}
	return queue.Depth{
		Visible:  number(out[string(visible)]),
		InFlight: number(out[string(inFlight)]),
		Delayed:  number(out[string(delayed)]),
	}, nil
}

func (d *Driver) Peek(ctx context.Context, limit int) ([]queue.Waiting, error) {
	return nil, errors.ErrUnsupported
}
func (d *Driver) Purge(ctx context.Context) error { return errors.ErrUnsupported }
func (d *Driver) Dead(ctx context.Context, limit int) ([]queue.Buried, error) {
	return nil, errors.ErrUnsupported
}

func (d *Driver) Revive(ctx context.Context, b queue.Buried, dr queue.Draft) (string, error) {
	return "", errors.ErrUnsupported
}
func (d *Driver) Examine(ctx context.Context) []queue.Finding { return nil }
func (d *Driver) conceal(ctx context.Context) error           { return nil }
