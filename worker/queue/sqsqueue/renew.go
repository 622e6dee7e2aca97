package sqsqueue

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/worker/queue"
)

// every is how often the redrive policy is looked up again, at most, while messages come.
const every = 5 * time.Minute

// A redrive is the queue's policy: where SQS puts messages, and after how many receives; zero when it has none.
type redrive struct {
	url string
	max int
}

// renewAt is the receive count from which a message is sent again; 0 is never. SQS counts every receive, also those of
// workers that were told to stop; two are left for those that renew nothing.
func (r redrive) renewAt() int {
	if r.max < 2 {
		return 0
	}
	return max(2, r.max-2)
}

func (d *Driver) look(ctx context.Context) error {
	d.mu.Lock()
	d.looked = time.Now()
	d.mu.Unlock()
	out, err := d.attributes(ctx, d.url, types.QueueAttributeNameRedrivePolicy)
	if err != nil {
		return err
	}
	r := parseRedrive(d.url, out[string(types.QueueAttributeNameRedrivePolicy)])
	d.mu.Lock()
	defer d.mu.Unlock()
	d.redrive = r
	return nil
}

func parseRedrive(url, policy string) redrive {
	var p struct {
		Target string          `json:"deadLetterTargetArn"`
		Max    json.RawMessage `json:"maxReceiveCount"` // a number, or its digits as a string
	}
	if policy == "" || json.Unmarshal([]byte(policy), &p) != nil {
		return redrive{}
	}
	name := p.Target[strings.LastIndex(p.Target, ":")+1:]
	return redrive{url: sibling(url, name), max: number(strings.Trim(string(p.Max), `"`))}
}

func (d *Driver) attributes(ctx context.Context, url string, names ...types.QueueAttributeName) (map[string]string, error) {
	call, cancel := d.limited(ctx)
	defer cancel()
	out, err := d.calls.GetQueueAttributes(call, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	if err != nil {
		return nil, cloud.Explain(ctx, "read the attributes of "+url, err)
	}
	return out.Attributes, nil
}

func (d *Driver) policy() (r redrive, stale bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.redrive, time.Since(d.looked) > every
}

// dead is the URL of the dead-letter queue; empty when there is none.
func (d *Driver) dead() string {
	if d.deadURL != "" {
		return d.deadURL
	}
	r, _ := d.policy()
	return r.url
}

// fresh returns the messages without those that it renews. One that can't be renewed is returned.
func (d *Driver) fresh(ctx context.Context, ds []delivery) []queue.Message {
	ctx = context.WithoutCancel(ctx) // a drain must not let the count run on
	policy, stale := d.policy()
	if stale && d.look(ctx) == nil { // else the last known policy stands until the next look
		policy, _ = d.policy()
	}
	at := policy.renewAt()
	renewed := make([]bool, len(ds))
	var wg sync.WaitGroup
	for i := range ds {
		if ds[i].origin.Buried > 0 { // somebody moved it back from the dead-letter queue: a new message
			ds[i].origin = origin{}
		}
		ds[i].continues()
		if at > 0 && ds[i].count >= at {
			wg.Go(func() { renewed[i] = d.renew(ctx, ds[i]) })
		}
	}
	wg.Wait()
	ms := make([]queue.Message, 0, len(ds))
	for i := range ds {
		if !renewed[i] {
			ms = append(ms, ds[i].Message)
		}
	}
	return ms
}

// renew sends the message again, as its own continuation, and deletes the old one: SQS's count begins anew, and the
// dead-letter queue gets no healthy message. A crash between the two leaves both, with one ID. In a FIFO queue the message
// goes to the end of its group.
func (d *Driver) renew(ctx context.Context, m delivery) bool {
	before := m.Delivery - 1 // this one is not handed out
	_, err := d.put(ctx, d.url, outgoing{
		body: m.Body, attributes: m.Attributes, group: m.Group,
		key:    m.ID + "-" + strconv.Itoa(m.Delivery),
		origin: &origin{ID: m.ID, Enqueued: millis(m.Enqueued), Deliveries: before},
	})
	return err == nil && d.Ack(ctx, []queue.Receipt{m.Receipt})[0] == nil
}
