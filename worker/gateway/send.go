package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// route makes the job of an upload, or says why there is none.
func (g *Gateway) route(u job.Upload) (j *job.Job, why string) {
	if g.cfg.Route == nil {
		return nil, "no routing table says which pipeline an upload is for"
	}
	return g.cfg.Route(u)
}

// own makes a job that of a key's customer: its ID says so.
func (g *Gateway) own(k *Key, j *job.Job) {
	if k.Customer == "" {
		return
	}
	prefix := k.Customer + "."
	j.Customer = k.Customer
	if j.ID = prefix + strings.TrimPrefix(j.ID, prefix); job.SafeID(j.ID) != j.ID {
		j.ID = prefix + job.SafeID(j.ID)
	}
}

// sendBody returns when the job's message is durable in the queue.
func (g *Gateway) sendBody(ctx context.Context, j *job.Job, body []byte) error {
	if err := g.cfg.Send(ctx, j, queue.Draft{Body: body, Group: j.Customer, Key: j.ID}); err != nil {
		return fmt.Errorf("send job %s: %w", j.ID, err)
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // so that people can paste a URL
	if err := e.Encode(v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who asked may be gone
	return nil
}
