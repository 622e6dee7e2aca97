package sqsqueue

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/worker/queue"
)

// Receive takes ten messages a call. When the first call comes back full and more are asked for, further ones follow side
// by side and wait for nothing. The first waits for a second at least: one that does not asks some of SQS's servers only,
// and may find nothing where there is work (SQS Developer Guide: short and long polling). A message that SQS is about to
// bury by its own count is sent again instead of returned: see renew.
//
// A FIFO queue is asked for one message a call: it gives several of one group together, and one must be settled before
// the next is worked on.
func (d *Driver) Receive(ctx context.Context, n int, wait time.Duration) ([]queue.Message, error) {
	if n < 1 {
		return nil, nil
	}
	d.update(ctx)
	late, release := patient(ctx)
	defer release()
	a := ask{max: min(n, maxBatch), wait: max(wait, time.Second), hidden: d.visibility}
	if d.fifo {
		return d.single(late, a)
	}
	ds, err := d.poll(late, d.url, a)
	if err != nil {
		return nil, err
	}
	if len(ds) == maxBatch && n > maxBatch && ctx.Err() == nil {
		ds = append(ds, d.more(late, n-maxBatch)...)
	}
	return d.fresh(late, ds), nil
}

// more returns up to max further messages. Errors are left to the next Receive: what came before them must be returned.
func (d *Driver) more(ctx context.Context, max int) []delivery {
	var mu sync.Mutex
	var all []delivery
	var wg sync.WaitGroup
	wait := d.shortest()
	for left := max; left > 0; left -= maxBatch {
		wg.Go(func() {
			deepen()
			ds, err := d.poll(ctx, d.url, ask{max: min(left, maxBatch), wait: wait, hidden: d.visibility})
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, ds...)
		})
	}
	wg.Wait()
	return all
}

// A delivery is a message and what it was sent again with.
type delivery struct {
	queue.Message
	count  int // SQS's own
	reason string
	origin origin // zero where the message is its own
}

// An ask is what one call asks for.
type ask struct {
	max          int
	wait, hidden time.Duration
	attempt      *string // of a FIFO queue: the same one gets the same messages again
}

// poll makes one call. Its ctx is a patient one.
func (d *Driver) poll(ctx context.Context, url string, a ask) ([]delivery, error) {
	wait := min(a.wait, longPoll)
	call, cancel := context.WithTimeout(ctx, wait+d.limit)
	defer cancel()
	out, err := d.polls.ReceiveMessage(call, &sqs.ReceiveMessageInput{
		ReceiveRequestAttemptId: a.attempt,

		QueueUrl:              &url,
		MaxNumberOfMessages:   int32(a.max),
		WaitTimeSeconds:       seconds(wait),
		VisibilityTimeout:     seconds(a.hidden),
		MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{ // the others cost time, and nobody reads them
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
			types.MessageSystemAttributeNameMessageGroupId, types.MessageSystemAttributeNameAWSTraceHeader,
		},
	})
	if err != nil {
		return nil, sdk.Explain(ctx, "receive from "+url, err)
	}
	answered, ok := awsmiddleware.GetResponseAt(out.ResultMetadata)
	if !ok {
		answered = time.Now()
	}
	ds := make([]delivery, 0, len(out.Messages))
	for _, m := range out.Messages {
		ds = append(ds, read(m, answered, a.hidden))
	}
	return ds, nil
}

// read makes a delivery of what SQS returned at answered.
func read(m types.Message, answered time.Time, hidden time.Duration) delivery {
	var attributes map[string]string
	if n := len(m.MessageAttributes); n > 0 || m.Attributes[traceHeader] != "" {
		attributes = make(map[string]string, n+1)
	}
	for name, v := range m.MessageAttributes {
		if attributes[name] = aws.ToString(v.StringValue); strings.HasPrefix(aws.ToString(v.DataType), "Binary") {
			attributes[name] = base64.StdEncoding.EncodeToString(v.BinaryValue)
		}
	}
	if trace := m.Attributes[traceHeader]; trace != "" {
		attributes[traceHeader] = trace
	}
	del := delivery{
		count:  number(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]),
		reason: attributes[attrReason], origin: parseOrigin(attributes[attrOrigin]),
	}
	limit := answered.Add(maxHidden - 5*time.Second) // SQS counts from before its answer, and we round up
	del.Message = queue.Message{
		ID:         aws.ToString(m.MessageId),
		Body:       unpack(aws.ToString(m.Body), attributes),
		Attributes: attributes,
		Delivery:   max(del.count, 1),
		Enqueued:   fromMillis(int64(number(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)]))),
		Group:      m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)],
		Receipt:    queue.Receipt(receipt{aws.ToString(m.ReceiptHandle), aws.ToString(m.MessageId), limit}.String()),
		Deadline:   answered.Add(hidden),
		Limit:      limit,
	}
	return del
}

// continues makes the message the one that it was before it was sent again.
func (d *delivery) continues() {
	if d.origin.ID == "" {
		return
	}
	d.ID, d.Delivery = d.origin.ID, d.Delivery+d.origin.Deliveries
	if d.origin.Enqueued > 0 {
		d.Enqueued = fromMillis(d.origin.Enqueued)
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
