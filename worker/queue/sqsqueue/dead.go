package sqsqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// shownFor is how long messages that Dead has returned are hidden, so that Revive can have them: until the next Dead or
// Close, or for so long after a crash.
const shownFor = 5 * time.Minute

// Dead returns up to limit messages of the dead-letter queue, the latest buried first. They are hidden from others until
// the next Dead, or Close.
func (d *Driver) Dead(ctx context.Context, limit int) ([]queue.Buried, error) {
	from := d.dead()
	if from == "" {
		return nil, fmt.Errorf("%s: %w", d.url, errNoDeadQueue)
	}
	if err := d.conceal(ctx); err != nil {
		return nil, err
	}
	ds, err := d.collect(ctx, from, limit, shownFor)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.shown = append(d.shown, handles(ds)...)
	d.mu.Unlock()
	bs := make([]queue.Buried, 0, len(ds))
	for _, m := range ds {
		bs = append(bs, d.buried(m))
	}
	slices.SortStableFunc(bs, func(a, b queue.Buried) int { return cmp.Compare(b.Buried.UnixMilli(), a.Buried.UnixMilli()) })
	return bs, nil
}

// buried reads a message of the dead-letter queue. Without a reason of ours it was SQS that put it there: with the ID and
// the time that it had before.
func (d *Driver) buried(m delivery) queue.Buried {
	b := queue.Buried{
		ID: m.ID, Enqueued: m.Enqueued, Buried: m.Enqueued, Delivery: m.Delivery, Reason: m.reason,
		Body: m.Body, Attributes: m.Attributes, Group: m.Group, Receipt: m.Receipt,
	}
	if m.origin.ID != "" {
		b.ID, b.Enqueued, b.Delivery = m.origin.ID, fromMillis(m.origin.Enqueued), m.origin.Deliveries
	}
	if m.origin.Buried > 0 {
		b.Buried = fromMillis(m.origin.Buried)
	}
	if b.Reason == "" {
		policy, _ := d.policy()
		b.Reason = fmt.Sprintf("SQS moved it here: it was received %d times and never deleted", policy.max)
		if policy.max == 0 {
			b.Reason = "it was put here by somebody else"
		}
	}
	return b
}

// Revive sends dr to the queue and deletes the buried message then: a crash on the way leaves both.
func (d *Driver) Revive(ctx context.Context, b queue.Buried, dr queue.Draft) (string, error) {
	from := d.dead()
	p, err := parseReceipt(b.Receipt)
	if err != nil || from == "" {
		return "", fmt.Errorf("revive message %s: %w", b.ID, queue.ErrNotFound)
	}
	call, cancel := d.limited(ctx)
	defer cancel()
	_, err = d.calls.ChangeMessageVisibility(call, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &from, ReceiptHandle: &p.handle, VisibilityTimeout: seconds(shownFor),
	})
	if err := lost(ctx, "keep a message of "+from, err); err != nil {
		return "", d.missing(b, err)
	}
	id, err := d.send(ctx, d.url, dr)
	if err != nil {
		return "", err
	}
	gone, cancelGone := d.limited(context.WithoutCancel(ctx))
	defer cancelGone()
	_, err = d.calls.DeleteMessage(gone, &sqs.DeleteMessageInput{QueueUrl: &from, ReceiptHandle: &p.handle})
	if err := lost(ctx, "delete from "+from, err); err != nil {
		return id, fmt.Errorf("message %s was sent again as %s and is in the dead-letter queue still: %w", b.ID, id, fault.As(fault.Permanent, err))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shown = slices.DeleteFunc(d.shown, func(h string) bool { return h == p.handle })
	return id, nil
}

func (d *Driver) missing(b queue.Buried, err error) error {
	if errors.Is(err, queue.ErrLeaseLost) {
		return fmt.Errorf("revive message %s: %w, or it was shown too long ago; list the dead-letter queue again", b.ID, queue.ErrNotFound)
	}
	return err
}

// conceal hands back what Dead has shown.
func (d *Driver) conceal(ctx context.Context) error {
	d.mu.Lock()
	hs := d.shown
	d.shown = nil
	d.mu.Unlock()
	if len(hs) == 0 {
		return nil
	}
	return d.handBack(ctx, d.dead(), hs)
}
