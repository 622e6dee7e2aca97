package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// services are what a worker speaks to: queues, the store, and whoever wakes it.
type services struct {
	refs      []queueRef     // that messages come from
	brokers   []queue.Broker // of refs
	counts    []*counted     // of brokers
	feed      *queue.Feed    // of brokers
	others    []queue.Broker // that jobs of other classes are sent on to
	classes   map[string]*queue.Queue
	store     blob.Store
	records   *record.Book
	catalogue *pipelines.Catalogue
	route     func(u job.Upload) (*job.Job, string, error) // nil without a table
	wake      func()                                       // ends listening for pushes
}

// openServices opens all of them, and refuses a store that two workers could both commit one job to.
func (c *workConfig) openServices(ctx context.Context, log *slog.Logger) (_ *services, err error) {
	s := &services{refs: c.queues, wake: func() {}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.brokers, err = c.openBrokers(ctx, c.Visibility); err != nil {
		return nil, err
	}
	for _, b := range s.brokers {
		s.counts = append(s.counts, &counted{Driver: b})
	}
	if s.feed, err = c.feed(s.counts, log); err != nil {
		return nil, err
	}
	if s.classes, s.others, err = c.classQueues(ctx, log); err != nil {
		return nil, err
	}
	if s.catalogue, err = c.openCatalogue(ctx, c.Pipelines, log); err != nil {
		return nil, err
	}
	if s.route, err = c.router(ctx, s.catalogue, log); err != nil {
		return nil, err
	}
	store, err := c.openStore(ctx)
	if err != nil {
		return nil, err
	}
	if folder, ok := store.(*dirblob.Store); ok {
		if _, err := folder.Sweep(ctx, time.Hour); err != nil { // what killed writers left half written
			return nil, err
		}
	}
	if err := blob.Probe(ctx, store); err != nil {
		return nil, err
	}
	s.store, s.records = store, record.New(store, time.Now)
	if c.Wake != "" {
		s.wake, err = serveWake(ctx, c.Wake, s.wakeAll, log)
	}
	return s, err
}

func (s *services) close() {
	if s.wake != nil {
		s.wake()
	}
	_ = errors.Join(closeAll(s.brokers), closeAll(s.others)) // all that they hold was answered, or comes back by itself
}

// wakeAll has the queues look for messages that polling alone would find late.
func (s *services) wakeAll() {
	for _, b := range s.brokers {
		if sleeper, ok := b.(interface{ Wake() }); ok {
			sleeper.Wake()
		}
	}
}

// feed is the queues as a worker serves them.
func (c *workConfig) feed(drivers []*counted, log *slog.Logger) (*queue.Feed, error) {
	fc := queue.FeedConfig{Order: queue.Order(c.Order)}
	for i, ref := range c.queues {
		q, err := queue.New(queue.Config{Driver: drivers[i], Visibility: c.Visibility, Log: log})
		if err != nil {
			return nil, err
		}
		fc.Sources = append(fc.Sources, queue.Source{Queue: q, Name: ref.text, Weight: ref.weight, Limit: ref.limit})
	}
	return queue.NewFeed(fc)
}

// classQueues opens the queues that jobs of other classes are sent on to.
func (c *workConfig) classQueues(ctx context.Context, log *slog.Logger) (map[string]*queue.Queue, []queue.Broker, error) {
	all := map[string]*queue.Queue{}
	var opened []queue.Broker
	for class, ref := range c.classes {
		b, err := c.openBroker(ctx, ref, c.Visibility)
		if err != nil {
			return nil, opened, err
		}
		opened = append(opened, b)
		if all[class], err = queue.New(queue.Config{Driver: b, Visibility: c.Visibility, Log: log}); err != nil {
			return nil, opened, err
		}
	}
	return all, opened, nil
}
