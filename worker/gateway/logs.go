package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/record"
)

func (g *Gateway) logOperations() []operation {
	return []operation{
		{
			method: http.MethodGet, path: "/v1/jobs/{id}/logs", scope: Read, serve: g.readLog, streams: true,
			summary: "Read or follow what a job's tasks wrote", answers: []string{"text/plain", "text/event-stream"},
			about: "Text, or server-sent events where Accept is text/event-stream, or follow is true. Each event has an ID: who sends it as Last-Event-ID goes on behind it. " +
				"The stream ends with an event called end, with the job's status; drain and error ask to connect again.",
			query:   []parameter{{"follow", "go on until the job is over; with server-sent events it does so unless this is false", false}},
			headers: []parameter{{"Last-Event-ID", "ID of the last event that was received", ""}},
			gives:   map[int]any{http.StatusOK: nil, http.StatusNoContent: nil},
		},
	}
}

// readLog answers with a job's log as text, or as server-sent events where these are asked for: by Accept, and then the log is followed until
// the job is over unless follow is false, or by follow.
func (g *Gateway) readLog(c *call) error {
	id, err := g.jobOf(c)
	if err != nil {
		return err
	}
	given, err := c.query("follow")
	if err != nil {
		return err
	}
	follow := given.Get("follow")
	if follow != "" && follow != "true" && follow != "false" {
		return problem(http.StatusBadRequest, fmt.Sprintf("follow: %.40q is neither true nor false", follow))
	}
	events := wantsEvents(c.r)
	if c.r.Method == http.MethodHead {
		follow = "false" // there is no body that could be followed
	}
	if !events && follow != "true" {
		return g.logText(c, id)
	}
	s := &stream{g: g, c: c, id: id, out: patient(c.w), reading: record.LogReading{Follow: follow != "false"}}
	return s.serve()
}

// wantsEvents says whether a request accepts server-sent events by name.
func wantsEvents(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			kind, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(kind), "text/event-stream") {
				return true
			}
		}
	}
	return false
}

// logText writes a log as `millrace jobs logs` shows it.
func (g *Gateway) logText(c *call, id string) error {
	if _, err := g.cfg.Desk.Load(c.r.Context(), id); err != nil {
		return c.lookup(err)
	}
	out := patient(c.w)
	w := bufio.NewWriterSize(out, 32<<10)
	begun, headed := false, false
	for ev, err := range g.cfg.Desk.Logs(c.r.Context(), id, false) {
		if errors.Is(err, record.ErrNotFound) {
			return notBegun(id)
		}
		if !headed {
			headed = true
			logHead(c.w, "text/plain; charset=utf-8")
		}
		if err != nil {
			g.cfg.Log.WarnContext(c.r.Context(), "log not read", "job_id", id, "err", err)
			fmt.Fprintln(w, "! the rest of the log can't be read now; ask again")
			break
		}
		if err := writeLine(w, ev, &begun); err != nil {
			return nil // who asked is gone, or does not read
		}
	}
	if !headed {
		logHead(c.w, "text/plain; charset=utf-8")
	}
	_ = w.Flush() // who asked may be gone
	return nil
}

// notBegun is the answer to who wants the log of a job without one, and not to wait for it.
func notBegun(id string) error {
	return problem(http.StatusNotFound, fmt.Sprintf("job %s has not begun, and so has no log; follow it with ?follow=true", id))
}

func writeLine(w *bufio.Writer, ev engine.Event, begun *bool) error {
	if ev.Kind == engine.RunStarted {
		if *begun {
			fmt.Fprintln(w, desk.Seam)
		}
		*begun = true
	}
	if line, ok := desk.Line(ev); ok {
		_, err := fmt.Fprintln(w, line)
		return err
	}
	return nil
}

// logHead makes an answer one that no browser takes for a page, and no proxy keeps.
func logHead(w http.ResponseWriter, kind string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}
