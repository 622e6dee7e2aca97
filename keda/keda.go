// Package keda tells KEDA how many workers there should be: an external scaler, asked and pushing, for queues in SQS and in
// buckets.
//
// A queue's length does not tell it: what is hidden for back-off is no work, and a pod that has a job is not to be stopped because
// nothing waits. So the broker is asked what waits, and the pods how busy they are. Both are asked only while somebody wants to know.
//
// Several scalers may run side by side: each answers by itself, and they write the same.
package keda

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/keda/pods"
	"github.com/millrace/millrace/worker/queue"
)

// A Queue is one that workers are scaled by.
type Queue struct {
	Name  string // what triggers call it, and the class of the workers that serve it
	Count func(ctx context.Context) (queue.Load, error)
	// Due says whether there is something besides messages that one of the workers must do. It is called once a minute at most, while
	// somebody asks for the queue; nil: there never is.
	Due func(ctx context.Context) (bool, error)
}

// Config is what a Scaler needs.
type Config struct {
	Queues []Queue       // required
	Pods   *pods.Watch   // nil: nothing is known of pods, and what is in flight counts as running
	Every  time.Duration // from one request to the broker to the next, of each queue; default 1 s
	TLS    *tls.Config   // nil: KEDA is answered in the clear
	Log    *slog.Logger  // default: nothing is logged
}

// A Scaler answers KEDA, and others, while its Run goes on.
type Scaler struct {
	cfg     Config
	watches map[string]*watch
	names   []string // of queues, in the order of the configuration
	ending  chan struct{}
}

// New makes no request.
func New(c Config) (*Scaler, error) {
	if c.Every == 0 {
		c.Every = time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Scaler{cfg: c, watches: map[string]*watch{}, ending: make(chan struct{})}
	var errs []error
	for _, q := range c.Queues {
		if _, twice := s.watches[q.Name]; twice || q.Name == "" || q.Count == nil {
			errs = append(errs, fmt.Errorf("scaler: a queue needs a name of its own and a count, %q has not", q.Name))
			continue
		}
		s.names = append(s.names, q.Name)
		s.watches[q.Name] = newWatch(q, c)
	}
	if len(c.Queues) == 0 {
		errs = append(errs, errors.New("scaler: no queue is given"))
	}
	return s, errors.Join(errs...)
}

// Run looks at queues and pods until ctx ends, for who is answered by Handler alone.
func (s *Scaler) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, w := range s.watches {
		wg.Go(func() { w.run(ctx) })
		if w.queue.Due != nil {
			wg.Go(func() { w.runDue(ctx) })
		}
	}
	if s.cfg.Pods != nil {
		wg.Go(func() { s.cfg.Pods.Run(ctx) })
	}
	wg.Wait()
}

// find returns the watch of a trigger's queue. The error is a sentence.
func (s *Scaler) find(t trigger) (*watch, error) {
	if w := s.watches[t.queue]; w != nil {
		return w, nil
	}
	return nil, fmt.Errorf("no queue %q is watched: metadata.queue must be one of %s", t.queue, strings.Join(s.names, ", "))
}

// healthy is nil while every queue is being looked after.
func (s *Scaler) healthy() error {
	for _, name := range s.names {
		if s.watches[name].stuck() {
			return fmt.Errorf("queue %s has not been looked after for %s", name, 4*turn)
		}
	}
	return nil
}
