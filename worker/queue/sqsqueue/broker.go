package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// Depth is what SQS says: about what there is, and up to a minute old. What was handed back for later counts as in flight.
// Dead is -1 where the dead-letter queue may not be read: whoever scales by the queue needs no right to it.
func (d *Driver) Depth(ctx context.Context) (queue.Depth, error) {
	q, err := d.count(ctx, d.url)
	if err != nil {
		return queue.Depth{}, err
	}
	if dead := d.dead(); dead != "" {
		b, err := d.count(ctx, dead)
		switch {
		case cloud.Is(err, cloud.Denied):
			b = queue.Depth{Visible: -1}
		case err != nil:
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
	var q queue.Depth
	for name, n := range map[types.QueueAttributeName]*int{visible: &q.Visible, inFlight: &q.InFlight, delayed: &q.Delayed} {
		said := out[string(name)]
		if *n, err = strconv.Atoi(said); err != nil || *n < 0 { // to take it for 0 would be to say that there is nothing to do
			return queue.Depth{}, fmt.Errorf("read the attributes of %s: %s is %.40q, and no count", url, name, said)
		}
	}
	return q, nil
}

// Peek receives up to limit messages and hands them back: SQS shows nothing that it does not deliver, so each look counts
// as a delivery of what it shows.
func (d *Driver) Peek(ctx context.Context, limit int) ([]queue.Waiting, error) {
	ds, err := d.collect(ctx, d.url, limit, callLimit)
	if err != nil {
		return nil, err
	}
	ws := make([]queue.Waiting, 0, len(ds))
	for i := range ds {
		m := &ds[i]
		m.continues()
		ws = append(ws, queue.Waiting{
			ID: m.ID, State: queue.Visible, Enqueued: m.Enqueued, Delivery: m.Delivery,
			Body: m.Body, Attributes: m.Attributes, Group: m.Group,
		})
	}
	return ws, d.handBack(ctx, d.url, handles(ds))
}

// collect hides up to limit messages of a queue for so long, from now on for each, and returns them. It ends when a call
// brings none.
func (d *Driver) collect(ctx context.Context, url string, limit int, hidden time.Duration) ([]delivery, error) {
	late, release := patient(ctx)
	defer release()
	var all []delivery
	for len(all) < limit && ctx.Err() == nil {
		ds, err := d.poll(late, url, ask{max: min(limit-len(all), maxBatch), wait: time.Second, hidden: hidden})
		if err != nil && len(all) == 0 {
			return nil, err
		}
		if len(ds) == 0 {
			break
		}
		all = append(all, ds...)
	}
	return all, nil
}

// Purge deletes all messages, those in flight too.
func (d *Driver) Purge(ctx context.Context) error {
	call, cancel := d.limited(ctx)
	defer cancel()
	_, err := d.calls.PurgeQueue(call, &sqs.PurgeQueueInput{QueueUrl: &d.url})
	if _, ok := errors.AsType[*types.PurgeQueueInProgress](err); ok {
		return fault.After(time.Minute, fmt.Errorf("purge %s: a purge is under way; SQS begins one a minute", d.url))
	}
	return sdk.Explain(ctx, "purge "+d.url, err)
}

func handles(ds []delivery) []string {
	hs := make([]string, len(ds))
	for i, m := range ds {
		if p, err := parseReceipt(m.Receipt); err == nil {
			hs[i] = p.handle
		}
	}
	return hs
}

// handBack makes messages visible again, also after ctx has ended. Those that are somebody else's by now stay so.
func (d *Driver) handBack(ctx context.Context, url string, handles []string) error {
	var errs []error
	for batch := range slices.Chunk(handles, maxBatch) {
		var entries []types.ChangeMessageVisibilityBatchRequestEntry
		for i := range batch {
			entries = append(entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &batch[i]})
		}
		call, cancel := d.limited(context.WithoutCancel(ctx))
		out, err := d.calls.ChangeMessageVisibilityBatch(call, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: entries})
		cancel()
		errs = append(errs, sdk.Explain(ctx, "hand back messages of "+url, err))
		if err != nil {
			continue
		}
		for _, f := range out.Failed {
			if !isLost(aws.ToString(f.Code)) {
				errs = append(errs, refused("hand back a message of "+url, f))
			}
		}
	}
	return errors.Join(errs...)
}
