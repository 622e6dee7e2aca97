package hook

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/pipelines/render"
	"github.com/millrace/millrace/worker/queue"
)

// renderTimeout bounds what a template may cost, whatever the body holds.
const renderTimeout = 2 * time.Second

// message makes what the classifier is given of an event: the event itself, or the source's job, rendered over it.
func (s *Source) message(ctx context.Context, h http.Header, e event, id string) (queue.Message, error) {
	m := queue.Message{ID: id, Body: e.message, Attributes: e.attributes, Enqueued: time.Now().UTC()}
	if s.job == nil {
		return m, nil
	}
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()
	vars := maps.Clone(e.vars)
	vars["source"], vars["id"], vars["event"], vars["headers"] = s.Name, id, e.kind, s.visible(h)
	state, err := render.NewState(ctx, render.Config{Data: vars, Templates: s.cache})
	if err != nil {
		return m, err
	}
	job, err := state.Value(ctx, s.job)
	if err != nil {
		return m, refuse(http.StatusUnprocessableEntity, "the source's job can't be made of this body: %v", err)
	}
	m.Attributes = nil
	m.Body, err = json.Marshal(job)
	return m, err
}

// visible are the headers that templates may read, by their names in lower case with "_" for "-".
func (s *Source) visible(h http.Header) map[string]any {
	out := map[string]any{}
	for _, name := range s.headers {
		if v := h.Get(name); v != "" {
			out[strings.ReplaceAll(strings.ToLower(name), "-", "_")] = strings.ToValidUTF8(v, "�")
		}
	}
	return out
}

// wants says that an event is one of those that the source's table names. "order.*" is all whose type begins with "order.".
func (s *Source) wants(kind string) bool {
	return len(s.events) == 0 || slices.ContainsFunc(s.events, func(e string) bool {
		prefix, all := strings.CutSuffix(e, "*")
		return e == kind || all && strings.HasPrefix(kind, prefix) || s.Kind == GitHub && strings.HasPrefix(kind, e+".")
	})
}

// admits says that an origin may send.
func (s *Source) admits(origin string) bool {
	return slices.Contains(s.origins, "*") || slices.ContainsFunc(s.origins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// allowed is how many deliveries a minute an origin is told: what it asks for, and at most what the source takes.
func (s *Source) allowed(r *http.Request) string {
	asked, err := strconv.Atoi(r.Header.Get("Webhook-Request-Rate"))
	if err != nil || asked < 1 || asked > s.perMin {
		asked = s.perMin
	}
	return strconv.Itoa(asked)
}
