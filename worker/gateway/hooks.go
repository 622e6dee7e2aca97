package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/millrace/millrace/worker/gateway/hook"
	"github.com/millrace/millrace/worker/job"
)

func (g *Gateway) hookOperations() []operation {
	const path = "/v1/hooks/{source}"
	return []operation{
		{
			method: http.MethodPost, path: path, serve: g.takeHook,
			summary: "Take a webhook", bodies: []string{"*/*"},
			about: "Takes what a source of the operator's table sends, once it is proved to be that source's: by Standard Webhooks, an HMAC as GitHub's, Amazon SNS, CloudEvents, a token. " +
				"202 says that its jobs are durable in the queue. A delivery that comes again is answered the same, and makes no second job.",
			gives: map[int]any{http.StatusAccepted: Submitted{}},
		},
		{
			method: http.MethodOptions, path: path, serve: g.greetHook,
			summary: "Ask whether an origin may send CloudEvents",
			about:   "The abuse protection of CloudEvents' HTTP webhooks.",
			headers: []parameter{{"WebHook-Request-Origin", "who wants to send", ""}, {"WebHook-Request-Rate", "how many deliveries a minute", 0}},
			gives:   map[int]any{http.StatusOK: nil},
		},
	}
}

// source returns the source that a request names.
func (g *Gateway) source(c *call) (*hook.Source, error) {
	if g.cfg.Hooks != nil {
		if s, ok := g.cfg.Hooks(c.r.Context()).Sources[c.r.PathValue("source")]; ok {
			if s.Gone {
				return nil, refused(Unknown, http.StatusGone, "this source is closed: send nothing more")
			}
			return s, nil
		}
	}
	return nil, refused(Unknown, http.StatusNotFound, "no source has this name")
}

func (g *Gateway) greetHook(c *call) error {
	s, err := g.source(c)
	if err != nil {
		return err
	}
	header, ok := s.Handshake(c.r)
	if !ok {
		return refused(NoKey, http.StatusForbidden, "this origin may not send here")
	}
	for name, values := range header {
		c.w.Header()[name] = values
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// takeHook answers 202 when the jobs of a delivery are durable in the queue, and the delivery is noted.
func (g *Gateway) takeHook(c *call) error {
	s, err := g.source(c)
	if err != nil {
		return err
	}
	d, err := g.receiveHook(c, s)
	if err != nil {
		return err
	}
	seen, done := hook.Seen{Store: g.cfg.Store}, Submitted{}
	known, err := seen.Look(c.r.Context(), s, d.Key, &done)
	if err != nil {
		return c.unavailable(err)
	}
	if known {
		g.logHook(c, s, "webhook known", done)
		return writeJSON(c.w, http.StatusAccepted, done)
	}
	if done, err = g.sendHook(c, d); err != nil {
		return err
	}
	if err := seen.Note(c.r.Context(), s, d.Key, done); err != nil {
		return c.unavailable(err)
	}
	g.logHook(c, s, "webhook taken", done)
	return writeJSON(c.w, http.StatusAccepted, done)
}

func (g *Gateway) logHook(c *call, s *hook.Source, what string, done Submitted) {
	g.cfg.Log.InfoContext(c.r.Context(), what, "request_id", c.id, "source", s.Name, "jobs", len(done.Jobs), "skipped", len(done.Skipped), "reason", done.Nothing)
}

// receiveHook reads and verifies a delivery.
func (g *Gateway) receiveHook(c *call, s *hook.Source) (*hook.Delivery, error) {
	// A browser sends a password that it knows, or nothing at all, for any page that has it do so.
	switch s.Kind {
	case hook.None:
		if err := g.sameMachine(c.r); err != nil {
			return nil, err
		}
	case hook.Basic:
		if g.browser.Check(c.r) != nil {
			return nil, refused(Browser, http.StatusForbidden, "a page of another site sent this")
		}
	}
	// What follows is asked for by the source, and by nobody else.
	c.key = &Key{Name: "hook-" + s.Name, Scopes: []Scope{Submit}, Customer: s.Customer, Pipelines: s.Pipelines, MaxBody: s.MaxBody}
	if err := c.contentType(); err != nil {
		return nil, err
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	d, err := s.Receive(c.r.Context(), c.r, body)
	if err == nil {
		return d, nil
	}
	r, ok := errors.AsType[*hook.Refusal](err)
	if !ok {
		return nil, err
	}
	g.cfg.Log.WarnContext(c.r.Context(), "webhook refused", "request_id", c.id, "source", s.Name, "status", r.Status, "reason", r.Why)
	return nil, refusedHook(r)
}

// refusedHook answers a request that is not taken. Why it was not verified stands in the log alone.
func refusedHook(r *hook.Refusal) *Problem {
	switch r.Status {
	case http.StatusUnauthorized:
		return refused(NoKey, r.Status, r.Detail)
	case http.StatusTooManyRequests:
		return busy(refused(Rate, r.Status, r.Detail), time.Second)
	case http.StatusServiceUnavailable:
		return busy(refused(Down, r.Status, r.Detail), 5*time.Second)
	case http.StatusUnsupportedMediaType:
		return refused(Type, r.Status, r.Detail)
	}
	return refused(Invalid, r.Status, r.Detail)
}

// sendHook makes jobs of a delivery and sends them. Where it fails the source sends again, and the same jobs follow.
func (g *Gateway) sendHook(c *call, d *hook.Delivery) (Submitted, error) {
	done := Submitted{Jobs: []SentJob{}, Nothing: d.Nothing}
	size := 0
	for _, m := range d.Messages {
		size += len(m.Body)
	}
	release, err := c.turn(size)
	if err != nil {
		return done, err
	}
	defer release()
	var all []outgoing
	for _, m := range d.Messages {
		asked, err := job.Decode(m)
		if err != nil {
			return done, refused(Invalid, http.StatusUnprocessableEntity, err.Error())
		}
		part := Submitted{Nothing: asked.Nothing}
		out, err := g.prepare(c, asked, &part)
		if err != nil {
			return done, err
		}
		all, done.Jobs = append(all, out...), append(done.Jobs, part.Jobs...)
		done.Skipped, done.Nothing = append(done.Skipped, part.Skipped...), cmp.Or(done.Nothing, part.Nothing)
	}
	if len(all) == 0 {
		return done, nil
	}
	done.Nothing = ""
	return done, g.sendAll(c, all)
}

// SweepHooks forgets deliveries that are as old as their sources say. Every gateway may do so at any time.
func (g *Gateway) SweepHooks(ctx context.Context) (removed int, err error) {
	if g.cfg.Hooks == nil {
		return 0, nil
	}
	return hook.Seen{Store: g.cfg.Store}.Sweep(ctx, g.cfg.Hooks(ctx), time.Now())
}
