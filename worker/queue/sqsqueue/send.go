package sqsqueue

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// maxDelay is the longest delay of a message (SQS quota).
const maxDelay = 15 * time.Minute

// Send checks that the message arrived as it was sent, by the MD5 sums that SQS returns. A Group or Key that SQS does not
// take as it is (128 letters, digits, punctuation marks) is replaced by its SHA-256. Messages that are sent at the same time
// share calls; one that is refused takes no other with it.
func (d *Driver) Send(ctx context.Context, dr queue.Draft) (string, error) {
	if err := (outgoing{body: dr.Body, attributes: dr.Attributes}).leavesRoom(); err != nil {
		return "", fmt.Errorf("send to %s: %w", d.url, err)
	}
	o, err := draft(d.url, dr)
	if err != nil {
		return "", err
	}
	in, err := o.input(d.url)
	if err != nil {
		return "", fmt.Errorf("send to %s: %w", d.url, err)
	}
	s := &sending{in: in}
	err = d.sends.Call(ctx, s)
	return s.id, err
}

func (d *Driver) send(ctx context.Context, url string, dr queue.Draft) (string, error) {
	o, err := draft(url, dr)
	if err != nil {
		return "", err
	}
	return d.put(ctx, url, o)
}

// draft refuses attributes that are ours.
func draft(url string, dr queue.Draft) (outgoing, error) {
	for name := range dr.Attributes {
		if strings.HasPrefix(name, reserved) {
			return outgoing{}, fault.As(fault.Permanent, fmt.Errorf("send to %s: attribute %.64q: names that begin with %s are ours; give it another", url, name, reserved))
		}
	}
	return outgoing{body: dr.Body, attributes: dr.Attributes, group: dr.Group, key: dr.Key, delay: dr.Delay}, nil
}

// An outgoing message is what put sends.
type outgoing struct {
	body       []byte
	attributes map[string]string
	group, key string
	delay      time.Duration
	reason     string  // of a buried message
	origin     *origin // of a message that is sent again
}

// leavesRoom says whether the message can be renewed and buried: that is when its sender can still do something about it.
func (o outgoing) leavesRoom() error {
	o.reason = strings.Repeat("-", minReason)
	o.origin = &origin{ID: strings.Repeat("-", 36), Enqueued: 1e13, Deliveries: maxDeliveries, Buried: 1e13}
	_, _, err := pack(o.body, o.attributes, o.own())
	return err
}

func (o outgoing) own() map[string]string {
	own := map[string]string{}
	if o.reason != "" {
		own[attrReason] = o.reason
	}
	if o.origin != nil {
		own[attrOrigin] = o.origin.text()
	}
	return own
}

func (d *Driver) put(ctx context.Context, url string, o outgoing) (string, error) {
	in, err := o.input(url)
	if err != nil {
		return "", fmt.Errorf("send to %s: %w", url, err)
	}
	return d.sendOne(ctx, in)
}

func (d *Driver) sendOne(ctx context.Context, in *sqs.SendMessageInput) (string, error) {
	call, cancel := d.limited(ctx)
	defer cancel()
	out, err := d.calls.SendMessage(call, in)
	if err != nil {
		return "", sdk.Explain(ctx, "send to "+aws.ToString(in.QueueUrl), err)
	}
	return arrived(in, out.MessageId, out.MD5OfMessageAttributes)
}

// arrived is the ID of a message that SQS has taken, unless its attributes have changed on the way.
func arrived(in *sqs.SendMessageInput, id, md5 *string) (string, error) {
	if got := aws.ToString(md5); got != "" && got != sdk.AttributesMD5(in.MessageAttributes) {
		return "", fmt.Errorf("send to %s: message %s arrived with other attributes than were sent; something on the way changes requests", aws.ToString(in.QueueUrl), aws.ToString(id))
	}
	return aws.ToString(id), nil
}

func (o outgoing) input(url string) (*sqs.SendMessageInput, error) {
	attributes := maps.Clone(o.attributes)
	trace := attributes[traceHeader]
	delete(attributes, traceHeader)
	body, attributes, err := pack(o.body, attributes, o.own())
	if err != nil {
		return nil, err
	}
	in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, MessageAttributes: map[string]types.MessageAttributeValue{}}
	for name, value := range attributes {
		in.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	if trace != "" {
		in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
			traceHeader: {DataType: aws.String("String"), StringValue: &trace},
		}
	}
	group := o.group
	if isFIFO(url) {
		if o.delay > 0 {
			return nil, fault.As(fault.Permanent, errors.New("a FIFO queue delays no single message; send it without a delay, or to a standard queue"))
		}
		key := token(o.key)
		if group == "" {
			group = key
		}
		in.MessageDeduplicationId = &key
	}
	if group != "" {
		in.MessageGroupId = aws.String(token(group))
	}
	if o.delay > maxDelay {
		return nil, fault.As(fault.Permanent, fmt.Errorf("a delay of %s is longer than SQS knows; %s is the limit", o.delay, maxDelay))
	}
	in.DelaySeconds = seconds(o.delay)
	return in, nil
}

// token makes s what SQS takes as a group or deduplication ID; it is random where s is empty.
func token(s string) string {
	if s == "" {
		return rand.Text()
	}
	if len(s) <= 128 && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0 {
		return s
	}
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}
