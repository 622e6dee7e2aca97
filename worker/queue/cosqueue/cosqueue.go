// Package cosqueue keeps a queue in a bucket, below a prefix: in IBM Cloud Object Storage, or anything that speaks as it
// does and honours conditional writes. It needs no server of its own, and no permission but to read, write, list and
// delete objects.
//
// A message is an object jobs/NAME, which nobody changes. Who works on it is said by leases/NAME, which is written by
// conditional PUT alone, so that of many writers exactly one wins:
//
//   - A message is claimed by making its lease, which is refused where there is one.
//   - Its holder renews the lease by writing it again. A lease is taken over by who has seen the same write of it for as
//     long as it lasts, on a monotonic clock of its own: no two clocks are ever compared.
//   - It is acked by making its lease "done", given back by making it "free", buried by making it "dead"; the objects are
//     deleted then. Whoever sees a done or dead lease that does not go away ends what its writer began.
//
// Every write is conditional on the one before, so a holder whose lease was taken over can neither renew nor settle it.
// An object that anybody puts below jobs/ is a message too. Its name should be used once: only a bucket that honours
// If-Match on DELETE keeps one that is put under a name just when the one before it is deleted.
package cosqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// The folders below the prefix.
const (
	jobs   = "jobs/"
	leases = "leases/"
	deads  = "dead/"
	probes = "probe/"
)

// Config says where the queue is.
type Config struct {
	COS        sdk.COS
	Bucket     string        // required
	Prefix     string        // of all keys; empty is the whole bucket
	Visibility time.Duration // how long a received message is hidden; default 30 s
	Idle       time.Duration // how rarely an empty queue is looked at, at most; default 5 s, up to 20 s

	wrap func(http.RoundTripper) http.RoundTripper // tests put faults on the wire by it
}

// A Driver is a queue.Broker on a bucket. A message costs six requests, down to four when many are acked together, and a
// look at the queue two.
type Driver struct {
	bucket     *bucket
	visibility time.Duration
	idle       time.Duration
	owner      string

	looking chan struct{} // holds a token: one look at a time

	mu     sync.Mutex
	seen   map[string]*sight    // guarded by mu: leases by name
	fresh  map[string]time.Time // guarded by mu: since when a message that was sent with a delay is known
	busy   map[string]bool      // guarded by mu: names that are being claimed here
	gone   map[string]time.Time // guarded by mu: when a message was deleted here, for looks that began before
	pool   pool                 // guarded by mu
	listed time.Time            // guarded by mu: when leases were last listed though no message waited
	pace   pace                 // guarded by mu
	woken  chan struct{}        // guarded by mu; closed, and replaced, when a message may have become visible
}

var _ queue.Broker = (*Driver)(nil)

// Open opens the queue below c.Prefix. It makes sure that the bucket honours conditional writes, and refuses one that does
// not: there is no safe lease on plain reads and writes.
func Open(ctx context.Context, c Config) (*Driver, error) {
	d, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := d.bucket.probe(ctx); err != nil {
		return nil, fmt.Errorf("open queue %s: %w", d.Name(), err)
	}
	return d, nil
}

// connect returns a driver that has made no request yet.
func connect(ctx context.Context, c Config) (*Driver, error) {
	c.Visibility, c.Idle = cmp.Or(c.Visibility, 30*time.Second), cmp.Or(c.Idle, 5*time.Second)
	c.Prefix = strings.Trim(c.Prefix, "/")
	client, err := c.COS.Open(ctx)
	if err := errors.Join(c.check(), err); err != nil {
		return nil, fault.As(fault.Permanent, fmt.Errorf("open queue cos://%s/%s: %w", c.Bucket, c.Prefix, err))
	}
	if c.wrap != nil {
		client.Config.HTTPClient.Transport = c.wrap(client.Config.HTTPClient.Transport)
	}
	if c.Prefix != "" {
		c.Prefix += "/"
	}
	host, _ := os.Hostname() // for people alone
	d := &Driver{
		bucket:     &bucket{client: client, name: c.Bucket, prefix: c.Prefix, counts: map[string]int64{}},
		visibility: c.Visibility,
		idle:       c.Idle,
		owner:      clip(host, 64),
		looking:    make(chan struct{}, 1),
		seen:       map[string]*sight{},
		fresh:      map[string]time.Time{},
		busy:       map[string]bool{},
		gone:       map[string]time.Time{},
		woken:      make(chan struct{}),
	}
	d.looking <- struct{}{}
	return d, nil
}

// check says all that is wrong with c.
func (c Config) check() error {
	var errs []error
	if c.Bucket == "" {
		errs = append(errs, errors.New("no bucket is given"))
	}
	if c.Prefix != "" {
		errs = append(errs, blob.CheckKey(c.Prefix))
	}
	if c.Visibility < 0 || c.Visibility > maxDelay {
		errs = append(errs, fmt.Errorf("visibility %s is not between 0 and %s", c.Visibility, maxDelay))
	}
	if c.Idle < firstPause || c.Idle > maxWait {
		errs = append(errs, fmt.Errorf("idle %s is not between %s and %s", c.Idle, firstPause, maxWait))
	}
	return errors.Join(errs...)
}

// Name is the queue's bucket and prefix.
func (d *Driver) Name() string {
	return strings.TrimSuffix("cos://"+d.bucket.name+"/"+d.bucket.prefix, "/")
}

// Requests is how many requests were made so far, by verb.
func (d *Driver) Requests() map[string]int64 { return d.bucket.requests() }

// Close gives up the idle connections.
func (d *Driver) Close() error {
	d.bucket.client.Config.HTTPClient.CloseIdleConnections()
	return nil
}

// Send stores a message. A body over 1 MiB, more than 10 attributes and a delay over 7 days are permanent faults.
func (d *Driver) Send(ctx context.Context, dr queue.Draft) (id string, err error) {
	if err := check(dr); err != nil {
		return "", fault.As(fault.Permanent, err)
	}
	e := envelope{Enqueued: time.Now().UTC(), Group: dr.Group, Attributes: dr.Attributes}
	e.setBody(dr.Body)
	b, err := e.encode()
	if err != nil {
		return "", fault.As(fault.Permanent, fmt.Errorf("encode message: %w", err))
	}
	name, id := newName(dr.Delay)
	if _, err := d.bucket.put(ctx, jobs+name, b, condition{}); err != nil {
		return "", fmt.Errorf("send to queue %s: %w", d.Name(), err)
	}
	if dr.Delay > 0 {
		d.mu.Lock()
		d.date(name, time.Now())
		d.mu.Unlock()
	}
	d.expect(dr.Delay)
	return id, nil
}

// Wake makes a waiting Receive look at once: a hint, of a push by the bucket's events for one, that there is something.
func (d *Driver) Wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pace = pace{}
	d.wake()
}

// wake ends the waits of Receive; mu is held.
func (d *Driver) wake() {
	close(d.woken)
	d.woken = make(chan struct{})
}
