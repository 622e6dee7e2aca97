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

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/worker/queue"
)

// every is how often the redrive policy is looked up again, at most, while messages come.
const every = 5 * time.Minute

// renewLimit is how long the renewals of one receive may take.
const renewLimit = 5 * time.Second

// A redrive is the queue's policy: where SQS puts messages, and after how many receives; zero when it has none.
type redrive struct {
	url string
	max int
}

// renewAt is the receive count from which a message is sent again; 0 is never. SQS counts every receive, also those of
// workers that were told to stop; two are left for those that renew nothing. In a FIFO queue a message that is sent again
// goes to the end of its group: it is done at the last chance.
func (d *Driver) renewAt() int {
	r, _ := d.policy()
	switch {
	case r.max < 2:
		return 0
	case d.fifo:
		return r.max
	}
	return max(2, r.max-2)
}

func (d *Driver) look(ctx context.Context) error {
	d.mu.Lock()
	d.looked = time.Now()
	d.mu.Unlock()
	const policy, wait = types.QueueAttributeNameRedrivePolicy, types.QueueAttributeNameReceiveMessageWaitTimeSeconds
	out, err := d.attributes(ctx, d.url, policy, wait)
	if err != nil {
		return err
	}
	r := parseRedrive(d.url, out[string(policy)])
	d.mu.Lock()
	defer d.mu.Unlock()
	d.redrive, d.waits = r, number(out[string(wait)]) > 0
	return nil
}

// update looks again where the last look is long ago; before a receive, when there are no messages in hand that wait for
// it. Where it fails the last known policy stands until the next.
func (d *Driver) update(ctx context.Context) {
	if _, stale := d.policy(); stale {
		_ = d.look(ctx)
	}
}

// shortest is the shortest wait of a receive: the SDK leaves 0 out of the request, and SQS then waits as long as the queue
// is set up to.
func (d *Driver) shortest() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waits {
		return time.Second
	}
	return 0
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
		return nil, sdk.Explain(ctx, "read the attributes of "+url, err)
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

// fresh returns the messages without those that it renews, and without those that were sent elsewhere before and are to be
// deleted. One that can't be renewed in time is returned.
func (d *Driver) fresh(ctx context.Context, ds []delivery) []queue.Message {
	if len(ds) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(d.visibility/2, renewLimit)) // the others wait meanwhile
	defer cancel()
	at, able := d.renewAt(), d.deletes()
	gone := make([]bool, len(ds))
	var wg sync.WaitGroup
	for i := range ds {
		id := ds[i].ID               // before it becomes its origin's
		if ds[i].origin.Buried > 0 { // somebody moved it back from the dead-letter queue: a new message
			ds[i].origin = origin{}
		}
		ds[i].continues()
		switch {
		case d.moved.has(id):
			gone[i] = true
			wg.Go(func() { _ = d.erase(ctx, ds[i].Receipt, id) }) // else when it comes again
		case able && at > 0 && ds[i].count >= at:
			wg.Go(func() { gone[i] = d.renew(ctx, ds[i]) })
		}
	}
	wg.Wait()
	ms := make([]queue.Message, 0, len(ds))
	for i := range ds {
		if !gone[i] {
			ms = append(ms, ds[i].Message)
		}
	}
	return ms
}

// renew sends the message again, as its own continuation, and deletes the old one: SQS's count begins anew, and the
// dead-letter queue gets no healthy message. A crash between the two leaves both, with one ID. It says false where nothing
// was sent, as far as is known.
func (d *Driver) renew(ctx context.Context, m delivery) bool {
	before := m.Delivery - 1 // this one is not handed out
	err := d.move(ctx, m.Receipt, d.url, outgoing{
		body: m.Body, attributes: m.Attributes, group: m.Group,
		key:    m.ID + "-" + strconv.Itoa(m.Delivery),
		origin: &origin{ID: m.ID, Enqueued: millis(m.Enqueued), Deliveries: before},
	})
	p, _ := parseReceipt(m.Receipt)
	return err == nil || d.moved.has(p.id)
}
