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

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/worker/queue"
)

// Receive takes ten messages a call. When the first call comes back full and more are asked for, further ones follow side
// by side and wait for nothing. The first waits for a second at least: one that does not asks some of SQS's servers only,
// and may find nothing where there is work (SQS Developer Guide: short and long polling). A message that SQS is about to
// bury by its own count is sent again instead of returned: see renew.
func (d *Driver) Receive(ctx context.Context, n int, wait time.Duration) ([]queue.Message, error) {
	if n < 1 {
		return nil, nil
	}
	ds, err := d.poll(ctx, d.url, min(n, maxBatch), max(wait, time.Second), d.visibility)
	if err != nil {
		return nil, err
	}
	if len(ds) == maxBatch && n > maxBatch && ctx.Err() == nil {
		ds = append(ds, d.more(ctx, n-maxBatch)...)
	}
	if len(ds) == 0 {
		return nil, nil
	}
	return d.fresh(ctx, ds), nil
}

// more returns up to max further messages. Errors are left to the next Receive: what came before them must be returned.
func (d *Driver) more(ctx context.Context, max int) []delivery {
	var mu sync.Mutex
	var all []delivery
	var wg sync.WaitGroup
	for left := max; left > 0; left -= maxBatch {
		wg.Go(func() {
			deepen()
			ds, err := d.poll(ctx, d.url, min(left, maxBatch), 0, d.visibility)
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

func (d *Driver) poll(ctx context.Context, url string, max int, wait, hidden time.Duration) ([]delivery, error) {
	wait = min(wait, longPoll)
	call, release := patient(ctx, wait+d.limit)
	defer release()
	out, err := d.polls.ReceiveMessage(call, &sqs.ReceiveMessageInput{
		QueueUrl:              &url,
		MaxNumberOfMessages:   int32(max),
		WaitTimeSeconds:       seconds(wait),
		VisibilityTimeout:     seconds(hidden),
		MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{ // the others cost time, and nobody reads them
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
			types.MessageSystemAttributeNameMessageGroupId, types.MessageSystemAttributeNameAWSTraceHeader,
		},
	})
	if err != nil {
		return nil, cloud.Explain(ctx, "receive from "+url, err)
	}
	answered, ok := awsmiddleware.GetResponseAt(out.ResultMetadata)
	if !ok {
		answered = time.Now()
	}
	ds := make([]delivery, 0, len(out.Messages))
	for _, m := range out.Messages {
		ds = append(ds, read(m, answered, hidden))
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
	limit := answered.Add(maxHidden)
	del.Message = queue.Message{
		ID:         aws.ToString(m.MessageId),
		Body:       unpack(aws.ToString(m.Body), attributes),
		Attributes: attributes,
		Delivery:   max(del.count, 1),
		Enqueued:   fromMillis(int64(number(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)]))),
		Group:      m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)],
		Receipt:    queue.Receipt(receipt{aws.ToString(m.ReceiptHandle), limit}.String()),
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
