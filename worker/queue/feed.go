package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// An Order is how a Feed chooses among queues that all have work.
type Order string

const (
	// Weighted shares the messages out by the queues' weights.
	Weighted Order = "weighted"
	// Strict takes from the first queue that has work. Every tenth time a lower one is asked first, so that none starves.
	Strict Order = "strict"
)

// FeedConfig is what a Feed needs.
type FeedConfig struct {
	Sources []Source // required; the highest first, for Strict
	Order   Order    // default Weighted
}

// A Source is one queue of a Feed.
type Source struct {
	Queue  *Queue // required
	Name   string // for people
	Weight int    // with Weighted: its share beside the others'; default 1
	Limit  int    // jobs of it at once, see Lease.Done; 0 is no limit
}

// A Feed receives from one or more queues. A single one is asked by long polls. Of several, those that had work are asked
// again without waiting, in the order of choice, and an empty one rests for a second, or for longer where it takes long to
// say so. When none has any they are asked by long polls in turn, each 20 s divided by their number: so an idle queue gets
// one request in 20 s, however many there are, and a message for one of k idle queues waits 20 s × (k-1)/k at most. While
// a queue stands at its limit the polls of the others are shorter, so that the end of one of its jobs is soon noticed. A
// queue that fails is asked more and more slowly, and the others go on.
//
// Receive is for one goroutine. The leases' methods are for any.
type Feed struct {
	sources []*source
	order   Order
	clock   float64       // Weighted: where the source stood that was served last, see source.finish
	served  int           // Strict: receives that brought something
	turn    int           // counts long polls
	idle    bool          // no source had work when it was asked last
	freed   chan struct{} // holds a token after a Done: one is enough to look again
}

// NewFeed returns a Feed. Its errors are all that is wrong with c.
func NewFeed(c FeedConfig) (*Feed, error) {
	f := &Feed{order: c.Order, freed: make(chan struct{}, 1)}
	var errs []error
	switch f.order {
	case "":
		f.order = Weighted
	case Weighted, Strict:
	default:
		errs = append(errs, fmt.Errorf("feed: order must be %s or %s, got %q", Weighted, Strict, c.Order))
	}
	if len(c.Sources) == 0 {
		errs = append(errs, errors.New("feed: no queue given"))
	}
	for i, s := range c.Sources {
		if s.Name == "" {
			s.Name = fmt.Sprintf("queue %d", i+1)
		}
		if s.Queue == nil {
			errs = append(errs, fmt.Errorf("feed: %s is not given", s.Name))
		}
		if s.Weight < 0 || s.Limit < 0 {
			errs = append(errs, fmt.Errorf("feed: weight and limit of %s must not be negative", s.Name))
		}
		s.Weight = max(s.Weight, 1)
		f.sources = append(f.sources, &source{Source: s, feed: f})
	}
	return f, errors.Join(errs...)
}

const (
	// emptyRest is how long an empty queue is left alone while others have work, at least.
	emptyRest = time.Second
	// guardEvery is how many receives share one that asks a lower queue first, with Strict.
	guardEvery = 10
	// heldPoll is how long others are polled while a queue that has work stands at its limit, at least: a fifth of how
	// long it has.
	heldPoll = time.Second
)

// Receive returns up to max leases of one queue. It waits at most so long for the first of them; none is nil, nil. It
// returns an error only for a permanent fault of a queue that has never answered. Once ctx has ended no queue is asked any
// more: what a call that was under way brings is returned without an error, to be handed back; else the error is the cause
// of ctx.
func (f *Feed) Receive(ctx context.Context, max int, wait time.Duration) ([]*Lease, error) {
	end := time.Now().Add(wait)
	for ctx.Err() == nil {
		ls, err := f.round(ctx, max)
		if len(ls) == 0 && err == nil && ctx.Err() == nil {
			ls, err = f.await(ctx, max, end)
		}
		switch {
		case len(ls) > 0, err != nil:
			return ls, err
		case ctx.Err() == nil && !time.Now().Before(end):
			return nil, nil
		}
	}
	return nil, context.Cause(ctx)
}

// round asks the sources that are due until one has work, without waiting.
func (f *Feed) round(ctx context.Context, max int) ([]*Lease, error) {
	if len(f.sources) == 1 {
		return nil, nil // its long poll comes back as soon
	}
	for _, s := range f.choice() {
		if !s.due() {
			continue
		}
		if ls, err := s.poll(ctx, max, 0); len(ls) > 0 || err != nil || ctx.Err() != nil {
			return ls, err
		}
	}
	f.idle = true
	return nil, nil
}

// await makes one long poll of the source whose turn it is, until end at most. Where no source may be asked it waits
// until one may.
func (f *Feed) await(ctx context.Context, n int, end time.Time) ([]*Lease, error) {
	length, asked := longPoll, 0
	for _, s := range f.sources {
		if s.held() {
			length = min(length, max(heldPoll, time.Since(s.fullAt)/5))
		} else {
			asked++
		}
	}
	length = min(length, longPoll/time.Duration(max(asked, 1)))
	for range f.sources {
		s := f.sources[f.turn%len(f.sources)]
		f.turn++
		if s.open() {
			return s.poll(ctx, n, min(length, time.Until(end)))
		}
	}
	f.pause(ctx, end)
	return nil, nil
}

// pause waits until a source may be asked again, but not beyond end.
func (f *Feed) pause(ctx context.Context, end time.Time) {
	for _, s := range f.sources {
		if s.room() > 0 && s.notBefore.Before(end) {
			end = s.notBefore
		}
	}
	t := time.NewTimer(time.Until(end))
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.freed:
	case <-ctx.Done():
	}
}

// choice is the order in which the sources are asked now.
func (f *Feed) choice() []*source {
	c := slices.Clone(f.sources)
	if f.order == Weighted {
		slices.SortStableFunc(c, func(a, b *source) int { return cmp.Compare(a.finish, b.finish) })
		return c
	}
	if f.served%guardEvery != guardEvery-1 {
		return c
	}
	lower := 1 + f.served/guardEvery%(len(c)-1) // each lower one in its turn
	return append(slices.Clone(c[lower:]), c[:lower]...)
}
