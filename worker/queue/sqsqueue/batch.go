package sqsqueue

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/fault"
)

// maxSends is how many messages that are sent at the same time are on their way at once, ten a call, all calls side by side.
const maxSends = 100

// A sending message has its ID once it is sent.
type sending struct {
	in *sqs.SendMessageInput
	id string
}

// size is what SQS counts of the message, in bytes.
func (s *sending) size() int {
	n := len(aws.ToString(s.in.MessageBody))
	for name, value := range s.in.MessageAttributes {
		n += len(name) + len(aws.ToString(value.DataType)) + len(aws.ToString(value.StringValue))
	}
	return n
}

// sendAll sends messages, as few calls as SQS allows: ten messages each, which together are no longer than one may be. The
// errors stand in the order of the messages.
func (d *Driver) sendAll(ctx context.Context, all []*sending) []error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for from := 0; from < len(all); {
		to, room := from, maxSize
		for to < len(all) && to-from < maxBatch && (to == from || all[to].size() <= room) {
			room -= all[to].size()
			to++
		}
		first, last := from, to
		if from = to; last == len(all) {
			d.sendBatch(ctx, all[first:], errs[first:])
			break
		}
		wg.Go(func() {
			deepen()
			d.sendBatch(ctx, all[first:last], errs[first:last])
		})
	}
	wg.Wait()
	return errs
}

// sendBatch sends messages in one call.
func (d *Driver) sendBatch(ctx context.Context, all []*sending, errs []error) {
	if len(all) == 1 {
		all[0].id, errs[0] = d.sendOne(ctx, all[0].in)
		return
	}
	in := &sqs.SendMessageBatchInput{QueueUrl: &d.url}
	for i, s := range all {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: s.in.MessageBody, MessageAttributes: s.in.MessageAttributes,
			MessageSystemAttributes: s.in.MessageSystemAttributes, DelaySeconds: s.in.DelaySeconds,
			MessageGroupId: s.in.MessageGroupId, MessageDeduplicationId: s.in.MessageDeduplicationId,
		})
	}
	verb := "send to " + d.url
	call, cancel := d.limited(ctx)
	defer cancel()
	out, err := d.calls.SendMessageBatch(call, in)
	err = sdk.Explain(ctx, verb, err)
	for i := range errs {
		if errs[i] = err; err == nil {
			errs[i] = fault.As(fault.Transient, fmt.Errorf("%s: the answer says nothing of the message", verb))
		}
	}
	if fault.Of(err) == fault.Permanent { // for one of them, or for all together, which a server may take less of than SQS
		for i, s := range all {
			s.id, errs[i] = d.sendOne(ctx, s.in)
		}
	}
	if err != nil {
		return
	}
	at := func(id *string) (int, bool) {
		i, err := strconv.Atoi(aws.ToString(id))
		return i, err == nil && i >= 0 && i < len(all)
	}
	for _, r := range out.Successful {
		if i, ok := at(r.Id); ok {
			all[i].id, errs[i] = arrived(all[i].in, r.MessageId, r.MD5OfMessageAttributes)
		}
	}
	for _, f := range out.Failed {
		if i, ok := at(f.Id); ok {
			errs[i] = notTaken(verb, f)
		}
	}
}

// notTaken is why SQS did not take one message of a batch. What is the message's fault is so for good.
func notTaken(verb string, f types.BatchResultErrorEntry) error {
	kind := fault.Transient
	if f.SenderFault {
		kind = fault.Permanent
	}
	return fault.As(kind, fmt.Errorf("%s: %s (%s)", verb, aws.ToString(f.Message), aws.ToString(f.Code)))
}
