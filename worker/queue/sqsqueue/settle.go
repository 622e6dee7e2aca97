package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// Extend hides the message for by from now. SQS refuses what leads beyond 12 h after its delivery.
func (d *Driver) Extend(ctx context.Context, r queue.Receipt, by time.Duration) error {
	return d.hide(ctx, "extend a lease of ", r, func(receipt) int32 { return seconds(min(by, maxHidden)) })
}

// Nack hides the message for after, and never beyond 12 h after its delivery.
func (d *Driver) Nack(ctx context.Context, r queue.Receipt, after time.Duration) error {
	return d.hide(ctx, "hand back a message of ", r, func(p receipt) int32 { return p.cap(after) })
}

func (d *Driver) hide(ctx context.Context, verb string, r queue.Receipt, by func(receipt) int32) error {
	p, err := parseReceipt(r)
	if err != nil {
		return err
	}
	call, cancel := d.limited(ctx)
	defer cancel()
	_, err = d.calls.ChangeMessageVisibility(call, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &d.url, ReceiptHandle: &p.handle, VisibilityTimeout: by(p),
	})
	return lost(ctx, verb+d.url, err)
}

// Ack deletes ten messages a call, all calls side by side.
func (d *Driver) Ack(ctx context.Context, rs []queue.Receipt) []error {
	errs := make([]error, len(rs))
	handles := make([]string, len(rs))
	for i, r := range rs {
		p, err := parseReceipt(r)
		handles[i], errs[i] = p.handle, err
	}
	var wg sync.WaitGroup
	for from := maxBatch; from < len(rs); from += maxBatch {
		to := min(from+maxBatch, len(rs))
		wg.Go(func() {
			deepen()
			d.remove(ctx, handles[from:to], errs[from:to])
		})
	}
	deepen()
	first := min(maxBatch, len(rs))
	d.remove(ctx, handles[:first], errs[:first])
	wg.Wait()
	return errs
}

// remove deletes one batch. It leaves errors that stand already, and their messages.
func (d *Driver) remove(ctx context.Context, handles []string, errs []error) {
	const verb = "delete from "
	entries := make([]types.DeleteMessageBatchRequestEntry, 0, len(handles))
	for i := range handles {
		if errs[i] == nil {
			entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &handles[i]})
		}
	}
	if len(entries) == 0 {
		return
	}
	call, cancel := d.limited(ctx)
	defer cancel()
	out, err := d.calls.DeleteMessageBatch(call, &sqs.DeleteMessageBatchInput{QueueUrl: &d.url, Entries: entries})
	err = sdk.Explain(ctx, verb+d.url, err)
	d.judge(err)
	if err != nil {
		for i := range errs {
			if errs[i] == nil {
				errs[i] = err
			}
		}
		return
	}
	for _, f := range out.Failed {
		i, err := strconv.Atoi(aws.ToString(f.Id))
		if err != nil || i < 0 || i >= len(errs) {
			continue
		}
		errs[i] = refused(verb+d.url, f)
	}
}

// refused is why one message of a batch was not done.
func refused(call string, f types.BatchResultErrorEntry) error {
	code := aws.ToString(f.Code)
	if isLost(code) {
		return fmt.Errorf("%s: %w (%s)", call, queue.ErrLeaseLost, code)
	}
	return fault.As(fault.Transient, fmt.Errorf("%s: %s (%s)", call, aws.ToString(f.Message), code))
}

// errNoDeadQueue is permanent: the message stays where it is.
var errNoDeadQueue = errors.New("it has no dead-letter queue, so what can't be done stays in it; give it a redrive policy, or name a dead-letter queue (MILLRACE_DEAD_QUEUE)")

// Bury sends the message to the dead-letter queue, with as much of the reason as there is room for, and deletes it then. A
// crash between the two leaves both; where the delete alone fails it is tried again, here or when the message comes again.
// Without a dead-letter queue nothing is deleted.
func (d *Driver) Bury(ctx context.Context, m queue.Message, reason string) error {
	keep := func(p receipt) int32 { return p.cap(d.visibility) }
	if err := d.hide(ctx, "extend a lease of ", m.Receipt, keep); err != nil { // nothing is sent for a lease that is lost
		return err
	}
	to := d.dead()
	if to == "" {
		return fault.As(fault.Permanent, fmt.Errorf("bury a message of %s: %w", d.url, errNoDeadQueue))
	}
	o := outgoing{
		body: m.Body, attributes: m.Attributes, group: m.Group,
		key:    m.ID + "-" + strconv.Itoa(m.Delivery),
		origin: &origin{ID: m.ID, Enqueued: millis(m.Enqueued), Deliveries: m.Delivery, Buried: millis(time.Now())},
	}
	for _, room := range []int{maxReason, maxReason / 8, minReason} {
		o.reason = clip(reason, room)
		if _, err := o.input(to); err == nil {
			break
		}
	}
	return d.move(ctx, m.Receipt, to, o)
}
