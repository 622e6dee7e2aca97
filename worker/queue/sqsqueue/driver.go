// Package sqsqueue is a queue on Amazon SQS, standard or FIFO.
//
// What SQS can't hold is packed into attributes whose names begin with "millrace." and unpacked on receive: see pack.
// Attributes are text here: a Number is its digits, a Binary value is in base64.
package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/group"
)

const (
	// maxBatch is how many messages one call carries (SQS quota).
	maxBatch = 10
	// longPoll is the longest that SQS waits for a message.
	longPoll = 20 * time.Second
	// maxHidden is the longest that a message is hidden after one delivery, extensions included (SQS quota).
	maxHidden = 12 * time.Hour
	// callLimit is how long a call may take, and a poll beyond the wait that it asks for.
	callLimit = 10 * time.Second
	// pollGrace is how long a Receive may go on after its context has ended: SQS may have hidden messages for it.
	pollGrace = 2 * time.Second
)

// Config says which queue.
type Config struct {
	Queue      string        // required: name, ARN or URL
	AWS        sdk.AWS       // an ARN's or URL's region wins
	Visibility time.Duration // how long a received message is hidden: whole seconds; default 30 s
	DeadQueue  string        // where Bury sends: name, ARN or URL; default the redrive policy's
}

// A Driver speaks to one queue.
type Driver struct {
	url        string
	fifo       bool
	visibility time.Duration
	limit      time.Duration // callLimit, or what a test says
	aws        aws.Config    // for Examine
	endpoint   string        // where an AWS URL leads; empty where the region says it

	polls *sqs.Client // receives alone: what keeps a lease never waits behind them
	calls *sqs.Client // everything else
	idle  []*http.Client
	sends *group.Group[*sending]

	mu      sync.Mutex
	redrive redrive   // guarded by mu
	looked  time.Time // guarded by mu: when redrive was last asked for
	waits   bool      // guarded by mu: a receive that names no wait waits as long as the queue is set up to
	shown   []string  // guarded by mu: receipt handles of the dead-letter queue that Dead has hidden
	denied  time.Time // guarded by mu: when a delete failed last; zero once one has passed
	retry   attempt   // guarded by mu: a receive from a FIFO queue whose answer was lost

	moved   memory // messages that were sent elsewhere, and are to be deleted here
	deadURL string // Config's; empty: the redrive policy's
}

var _ queue.Broker = (*Driver)(nil)

// Open finds the queue and reads how it is set up. Its errors are those of sdk.Explain.
func Open(ctx context.Context, c Config) (*Driver, error) {
	if c.Visibility == 0 {
		c.Visibility = 30 * time.Second
	}
	var errs []error
	if c.Visibility < time.Second || c.Visibility > maxHidden || c.Visibility%time.Second != 0 {
		errs = append(errs, fmt.Errorf("sqs: visibility is %s; it must be whole seconds, from 1 s to 12 h", c.Visibility))
	}
	a, err := parseAddress(c.Queue)
	errs = append(errs, err)
	if c.DeadQueue != "" {
		_, err := parseAddress(c.DeadQueue)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	d, err := connect(ctx, a, c.AWS)
	if err != nil {
		return nil, err
	}
	d.visibility = c.Visibility
	d.polls = d.client()
	d.sends = group.New(maxSends, d.sendAll)
	if err := d.find(ctx, a, c.DeadQueue); err != nil {
		return nil, err
	}
	return d, nil
}

// connect returns a driver that can make calls, and knows nothing of the queue yet. It makes no request of SQS.
func connect(ctx context.Context, a address, to sdk.AWS) (*Driver, error) {
	endpoint := a.endpoint()
	if to.Region = a.region(to.Region); to.Endpoint == "" && endpoint != "" && !cloud.IsAWS(a.url.Hostname()) {
		to.Endpoint = endpoint // also of STS, which AWS has elsewhere
	}
	conf, err := to.Load(ctx)
	if err != nil {
		return nil, err
	}
	d := &Driver{limit: callLimit, aws: conf, endpoint: endpoint}
	d.calls = d.client()
	return d, nil
}

// client returns a client with connections of its own.
func (d *Driver) client() *sqs.Client {
	b, ok := d.aws.HTTPClient.(*awshttp.BuildableClient) // the certificates that the environment names are in it
	if !ok {
		b = sdk.NewHTTPClient()
	}
	h := &http.Client{
		Transport:     b.GetTransport(), // a copy
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	d.idle = append(d.idle, h)
	return sqs.NewFromConfig(d.aws, func(o *sqs.Options) {
		o.HTTPClient = h
		if o.BaseEndpoint == nil && d.endpoint != "" {
			o.BaseEndpoint = &d.endpoint
		}
	})
}

func (d *Driver) find(ctx context.Context, a address, dead string) error {
	var err error
	if d.url, err = d.resolve(ctx, a); err != nil {
		return err
	}
	if dead != "" {
		b, err := parseAddress(dead)
		if err != nil {
			return err
		}
		if d.deadURL, err = d.resolve(ctx, b); err != nil {
			return err
		}
	}
	d.fifo = isFIFO(d.url)
	return d.look(ctx)
}

// Name is the queue's URL.
func (d *Driver) Name() string { return d.url }

// Close gives back what Dead has hidden, and closes idle connections.
func (d *Driver) Close() error {
	ctx, cancel := d.limited(context.Background())
	defer cancel()
	err := d.conceal(ctx)
	for _, h := range d.idle {
		h.CloseIdleConnections()
	}
	return err
}

// limited bounds one call.
func (d *Driver) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d.limit)
}

// patient returns a context that ends pollGrace after ctx, with its cause.
func patient(ctx context.Context) (context.Context, func()) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(pollGrace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel(context.Cause(ctx))
		case <-late.Done():
		}
	})
	return late, func() {
		stop()
		cancel(nil)
	}
}

// seconds rounds up: SQS counts whole seconds.
func seconds(d time.Duration) int32 {
	return int32((max(d, 0) + time.Second - 1) / time.Second)
}

// deepen makes a goroutine's stack as large as a call of the SDK needs it, in one step: grown in the call, by and by, it
// is copied at its deepest, which costs a young goroutine a tenth of the call.
//
//go:noinline
func deepen() {
	var room [20 << 10]byte
	runtime.KeepAlive(&room)
}
