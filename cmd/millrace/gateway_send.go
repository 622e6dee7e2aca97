package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/localqueue"
)

// parseTime is how long it may take to read a pipeline that a job brings.
const parseTime = 2 * time.Second

// An outlet is the queues that jobs are put into, each of a class of workers, and what is known of jobs before that.
type outlet struct {
	refs      []queueRef
	brokers   []queue.Broker // of refs
	catalogue *pipelines.Catalogue
	policy    egress.Policy // of callbacks
}

func (c *gatewayConfig) openOutlet(ctx context.Context, catalogue *pipelines.Catalogue) (*outlet, error) {
	brokers, err := c.openBrokers(ctx, 0)
	if err != nil {
		return nil, err
	}
	return &outlet{refs: c.queues, brokers: brokers, catalogue: catalogue, policy: egress.Policy{AllowHosts: c.AllowHosts}}, nil
}

// send is a gateway.Config's Send. The job's ID is an attribute too, by which the embedded queue can be searched.
func (o *outlet) send(ctx context.Context, j *job.Job, d queue.Draft) error {
	at := 0
	if !o.single() {
		p, err := o.pipeline(ctx, j)
		if err != nil {
			return err
		}
		if at, err = o.choose(j, p); err != nil {
			return err
		}
	}
	d.Attributes = map[string]string{localqueue.JobID: j.ID}
	_, err := o.brokers[at].Send(ctx, d)
	return err
}

// single says that there is one queue, for jobs of all classes.
func (o *outlet) single() bool { return len(o.refs) == 1 && o.refs[0].class == "" }

// check is a gateway.Config's Check.
func (o *outlet) check(ctx context.Context, j *job.Job) error {
	if j.Callback != nil {
		if err := checkCallback(j.Callback.URL, o.policy); err != nil {
			return err
		}
	}
	p, err := o.pipeline(ctx, j)
	if err != nil || o.single() {
		return err
	}
	_, err = o.choose(j, p)
	return err
}

// choose is which of the queues a job is for.
func (o *outlet) choose(j *job.Job, p *pipelines.Pipeline) (int, error) {
	m := &message{job: j, pipeline: p}
	to, err := m.choose(o.refs)
	if err != nil {
		class, why, _ := m.class()
		return 0, fault.As(fault.Permanent, fmt.Errorf("%s, so the job is for workers of class %s, and this gateway knows no queue of theirs", why, class))
	}
	for i, ref := range o.refs {
		if ref.text == to.text {
			return i, nil
		}
	}
	return 0, errors.New("the chosen queue is none") // choose returns one of those that it is given
}

// pipeline holds a job against its pipeline, as its worker will, and returns that; nil is another version than the one at hand,
// which can't be checked.
func (o *outlet) pipeline(ctx context.Context, j *job.Job) (*pipelines.Pipeline, error) {
	given := pipelines.Given{State: j.State, StateOrder: j.StateOrder, Entry: j.Entry}
	if j.Inline != nil {
		return parseBound(ctx, "message", j.Inline, given)
	}
	p, err := o.catalogue.Lookup(j.Pipeline)
	switch {
	case err == nil && j.Version != "" && j.Version != p.Digest:
		return nil, nil
	case err == nil:
		if p, err = p.Select(j.Entry); err == nil {
			_, err = p.Bind(j.State)
		}
		return p, err
	}
	if _, broken := errors.AsType[*pipelines.ParseError](err); !broken {
		return nil, err
	}
	// Blocks between its values may need what the job gives.
	doc, source, digest, err := o.catalogue.Document(j.Pipeline)
	if err != nil || j.Version != "" && j.Version != digest {
		return nil, err
	}
	return parseBound(ctx, source, doc, given)
}

func parseBound(ctx context.Context, source string, doc []byte, given pipelines.Given) (*pipelines.Pipeline, error) {
	ctx, cancel := context.WithTimeout(ctx, parseTime)
	defer cancel()
	p, err := pipelines.ParseGiven(ctx, source, doc, given)
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return nil, fault.As(fault.Permanent, fmt.Errorf("%s takes longer than %s to read; make it simpler", source, parseTime))
	case err != nil:
		return nil, err
	}
	_, err = p.Bind(given.State)
	return p, err
}

// checkCallback refuses an address that a worker would not post to, as far as it says so itself. A name is judged when it is
// dialled, by the worker.
func checkCallback(text string, policy egress.Policy) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fault.As(fault.Permanent, errors.New("the callback's url must be http:// or https:// with a host"))
	}
	host := u.Hostname()
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if err := policy.Check(addr, u.Hostname(), port); err != nil {
		return fmt.Errorf("the callback can't be delivered: %w", err)
	}
	return nil
}
