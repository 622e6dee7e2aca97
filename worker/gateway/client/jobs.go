package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/gateway"
	"github.com/millrace/millrace/worker/record"
)

// Load returns the record of exactly this job, or a *desk.NoJobError.
func (c *Client) Load(ctx context.Context, id string) (*record.Record, error) {
	r := new(record.Record)
	if err := c.get(ctx, Request{Method: http.MethodGet, Path: jobPath(id)}, r); err != nil {
		return nil, err
	}
	return r, nil
}

func jobPath(id string) string { return "/v1/jobs/" + url.PathEscape(id) }

// List returns a page of jobs, the newest first, of at most as many as a gateway gives at once.
func (c *Client) List(ctx context.Context, q desk.Query) (desk.Page, error) {
	const most = 200
	v := url.Values{"limit": {strconv.Itoa(most)}}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(min(q.Limit, most)))
	}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("prefix", q.Prefix)
	set("cursor", q.After.String())
	if q.Prefix == "" || !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	var statuses []string
	for _, s := range q.Status {
		statuses = append(statuses, string(s))
	}
	set("status", strings.Join(statuses, ","))
	var list gateway.JobList
	if err := c.get(ctx, Request{Method: http.MethodGet, Path: "/v1/jobs", Query: v}, &list); err != nil {
		return desk.Page{}, err
	}
	next, err := record.ParsePlace(list.Next)
	if err != nil {
		return desk.Page{}, fmt.Errorf("read the answer of %s: %w", c.base.String(), err)
	}
	return desk.Page{Jobs: list.Jobs, Next: next, Unsearched: list.Unsearched}, nil
}

// Cancel has a job stopped, or kept from being run; a *record.FinalError where it is over.
func (c *Client) Cancel(ctx context.Context, id, why string) (desk.Canceled, error) {
	var done desk.Canceled
	err := c.get(ctx, Request{Method: http.MethodDelete, Path: jobPath(id), Query: url.Values{"why": {why}}}, &done)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusConflict {
		r, loadErr := c.Load(ctx, id)
		if loadErr != nil {
			return desk.Canceled{}, errors.Join(err, loadErr)
		}
		return desk.Canceled{}, &record.FinalError{Final: r}
	}
	if err == nil && done.Status.Final() {
		return desk.Canceled{}, &record.FinalError{Final: &record.Record{ID: done.ID, Status: done.Status}}
	}
	return done, err
}

// Due is in how long the next attempt at a job may be made, where the gateway can tell.
func (c *Client) Due(ctx context.Context, id string) (in time.Duration, known bool) {
	var p struct {
		Next time.Time `json:"nextAttemptAt"` // of a record.Polled, which decodes as its record
	}
	if err := c.get(ctx, Request{Method: http.MethodGet, Path: jobPath(id)}, &p); err != nil || p.Next.IsZero() {
		return 0, false
	}
	return max(0, time.Until(p.Next)), true
}

// Submit sends a message, once however often the request must be made, and returns its jobs.
func (c *Client) Submit(ctx context.Context, body []byte) (gateway.Submitted, error) {
	r := Request{
		Method: http.MethodPost, Path: "/v1/jobs", Body: body,
		Header: http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {rand.Text()}},
	}
	var sent gateway.Submitted
	return sent, c.get(ctx, r, &sent)
}
