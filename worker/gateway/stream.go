package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/record"
)

const (
	// heartbeat is how long a stream may be silent: proxies end connections that are idle for a minute.
	heartbeat = 15 * time.Second
	// ended is the ID of the event that ends a stream. Who comes back with it is told that there is no more.
	ended = "end"
)

// errDraining ends the streams of a gateway that ends.
var errDraining = errors.New("the gateway ends: connect again, with the ID of the last event as Last-Event-ID")

// A stream is one log being sent as server-sent events. Each event of the log has an ID, its record.LogPlace, with which a client goes on
// where its connection broke. The last one is called "end" where all was sent, "drain" where the gateway ends, else "error".
type stream struct {
	g       *Gateway
	c       *call
	id      string
	reading record.LogReading
	out     *patientWriter
	w       *bufio.Writer
	last    time.Time // when something was sent
}

func (s *stream) serve() error {
	switch from := s.c.r.Header.Get("Last-Event-ID"); from {
	case "":
	case ended:
		s.c.w.WriteHeader(http.StatusNoContent)
		return nil
	default:
		var err error
		if s.reading.After, err = record.ParseLogPlace(from); err != nil {
			return problem(http.StatusBadRequest, "Last-Event-ID: "+err.Error())
		}
	}
	r, err := s.g.cfg.Desk.Load(s.c.r.Context(), s.id)
	if s.reading.Follow {
		r, err = desk.OrQueued(r, err)
	}
	switch {
	case err != nil:
		return s.c.lookup(err)
	case !s.reading.Follow && len(r.Attempts) == 0:
		return notBegun(s.id)
	}
	leave, err := s.g.followers.take(s.c.key)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.send(); tooSlow(err) {
		s.g.cfg.Log.WarnContext(s.c.r.Context(), "log follower dropped", "job_id", s.id, "key", s.c.key.Name,
			"err", fmt.Errorf("it did not read for %v; it may come back with the ID of the last event that it has", s.out.limit))
	}
	return nil
}

// send writes the stream. Its errors are the client's: it is gone, or does not read.
func (s *stream) send() error {
	ctx, release := s.g.untilDrained(s.c.r.Context())
	defer release()
	s.w = bufio.NewWriterSize(s.out, 32<<10)
	s.reading.Rest = s.rest
	logHead(s.c.w, "text/event-stream")
	s.c.w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	fmt.Fprint(s.w, "retry: 2000\n\n")
	for ev, err := range s.g.cfg.Desk.Records.ReadLog(ctx, s.id, s.reading) {
		if err == nil {
			err = s.event(ev.String(), "", ev.Event)
		}
		if err != nil {
			return s.failed(ctx, err)
		}
	}
	r, err := desk.OrQueued(s.g.cfg.Desk.Load(ctx, s.id))
	if err != nil {
		return s.failed(ctx, err)
	}
	id := ""
	if r.Status.Final() {
		id = ended
	}
	return errors.Join(s.event(id, "end", map[string]any{"id": s.id, "status": r.Status}), s.flush())
}

// failed ends a stream that can't go on.
func (s *stream) failed(ctx context.Context, err error) error {
	switch {
	case tooSlow(err) || s.c.r.Context().Err() != nil:
		return err
	case errors.Is(context.Cause(ctx), errDraining):
		return errors.Join(s.event("", "drain", map[string]string{"detail": errDraining.Error()}), s.flush())
	}
	s.g.cfg.Log.WarnContext(ctx, "log not read", "job_id", s.id, "err", err)
	return errors.Join(s.event("", "error", map[string]string{"detail": "the log can't be read now; connect again, with the ID of the last event as Last-Event-ID"}), s.flush())
}

// event writes one event. JSON has no line breaks, so that it is one line of data.
func (s *stream) event(id, kind string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	if id != "" {
		fmt.Fprintf(s.w, "id: %s\n", id)
	}
	if kind != "" {
		fmt.Fprintf(s.w, "event: %s\n", kind)
	}
	_, err = fmt.Fprintf(s.w, "data: %s\n\n", body)
	return err
}

// rest sends what was written, and a comment now and then, which keeps the connection.
func (s *stream) rest() error {
	if s.w.Buffered() == 0 {
		if time.Since(s.last) < heartbeat {
			return nil
		}
		fmt.Fprint(s.w, ": alive\n\n")
	}
	return s.flush()
}

func (s *stream) flush() error {
	s.last = time.Now()
	if err := s.w.Flush(); err != nil {
		return err
	}
	return s.out.flush()
}

// untilDrained is ctx until the gateway ends. release it.
func (g *Gateway) untilDrained(ctx context.Context) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-g.draining:
			cancel(errDraining)
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		wg.Wait()
	}
}
