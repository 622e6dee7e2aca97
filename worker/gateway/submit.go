package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

const (
	// maxMessage is the longest message that every queue takes, in bytes.
	maxMessage = 1 << 20
	// sendsAtOnce is how many messages of one request are on their way to the queue at a time.
	sendsAtOnce = 16
	// maxIdempotencyKey is in bytes.
	maxIdempotencyKey = 255
)

func (g *Gateway) submitOperations() []operation {
	return []operation{{
		method: http.MethodPost, path: "/v1/jobs", scope: Submit, serve: g.submit,
		summary: "Send jobs",
		about: "Takes whatever a queue's message may be: a job, a pipeline, a line of text, a CloudEvent or a batch of them, an event of S3 or COS, of which the routing table makes jobs. " +
			"202 says that every job's message is durable in the queue. With the same Idempotency-Key the same request makes the same jobs, which run once.",
		takes: []string{
			"application/json", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain",
			"application/cloudevents+json", "application/cloudevents-batch+json", "application/octet-stream",
		},
		body:    jobRequest{},
		query:   []parameter{{"dry_run", "only say which messages would be sent", false}},
		headers: []parameter{{"Idempotency-Key", "makes the request one that may be sent again: the jobs' IDs follow from it", ""}},
		gives:   map[int]any{http.StatusAccepted: Submitted{}, http.StatusOK: Submitted{}},
	}}
}

// A jobRequest is the most common body, for the OpenAPI document. All that it may be is said by the classifier.
type jobRequest struct {
	Pipeline        string         `json:"pipeline" doc:"name in the catalogue, name@sha256:…, or a pipeline as text"`
	State           map[string]any `json:"state,omitzero" doc:"laid over the pipeline's own"`
	ID              string         `json:"id,omitzero" doc:"the job's: two messages with one ID are one job"`
	Name            string         `json:"name,omitzero"`
	Priority        int            `json:"priority,omitzero" doc:"0 to 9"`
	MaxAttempts     int            `json:"max_attempts,omitzero" doc:"1 to 20"`
	Deadline        string         `json:"deadline,omitzero" doc:"longest run, like 20m"`
	CallbackRequest *struct {
		URL string `json:"url"`
	} `json:"callback,omitzero" doc:"where its outcome is posted"`
}

// Submitted is what became of a request for jobs.
type Submitted struct {
	Jobs    []SentJob `json:"jobs" doc:"whose messages the queue has"`
	Nothing string    `json:"nothing,omitzero" doc:"why there are none"`
	Skipped []Skipped `json:"skipped,omitzero" doc:"uploads that no job is made of"`
	DryRun  bool      `json:"dry_run,omitzero" doc:"nothing was sent"`
}

// A SentJob is one that was sent.
type SentJob struct {
	ID       string          `json:"id"`
	Pipeline string          `json:"pipeline,omitzero" doc:"absent where the job brings its own"`
	Message  json.RawMessage `json:"message,omitzero" doc:"with dry_run: what would be sent"`
}

// A Skipped upload is one that no job is made of.
type Skipped struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Why    string `json:"why"`
}

// An outgoing job has the message that asks for it.
type outgoing struct {
	job  *job.Job
	body []byte
}

func (g *Gateway) submit(c *call) error {
	if err := c.contentType(); err != nil {
		return err
	}
	id, err := c.messageID()
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	release, err := c.turn(len(body))
	if err != nil {
		return err
	}
	defer release()
	m, err := job.Decode(queue.Message{ID: id, Body: body, Attributes: attributesOf(c.r), Enqueued: time.Now()})
	if err != nil {
		return refused(Invalid, http.StatusUnprocessableEntity, err.Error())
	}
	done := Submitted{Jobs: []SentJob{}, Nothing: m.Nothing}
	all, err := g.prepare(c, m, &done)
	if err != nil {
		return err
	}
	if done.DryRun, err = c.flag("dry_run"); err != nil {
		return err
	}
	if done.DryRun {
		for i, o := range all {
			done.Jobs[i].Message = o.body
		}
		return writeJSON(c.w, http.StatusOK, done)
	}
	if err := g.sendAll(c, all); err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusAccepted, done)
}

// prepare makes messages of what was asked for, each of which a worker can run. It says in done what they are.
func (g *Gateway) prepare(c *call, m *job.Message, done *Submitted) (all []outgoing, err error) {
	if len(m.Uploads) > 0 && c.key.Customer != "" {
		return nil, refused(NoScope, http.StatusForbidden, "this key is a customer's, who can't speak for buckets; send the file itself (POST /v1/uploads)")
	}
	jobs := m.Jobs
	for _, u := range m.Uploads {
		j, why := g.route(u)
		if j == nil {
			done.Skipped = append(done.Skipped, Skipped{u.Bucket, u.Key, why})
			continue
		}
		jobs = append(jobs, j)
	}
	if len(jobs) == 0 && done.Nothing == "" {
		done.Nothing = "no route takes what was uploaded"
	}
	for i, j := range jobs {
		g.own(c.key, j)
		body, err := g.ready(c, j)
		if err != nil {
			if p, ok := errors.AsType[*Problem](err); ok && len(jobs) > 1 {
				p.Detail = fmt.Sprintf("job %d of %d, of which none was sent: %s", i+1, len(jobs), p.Detail)
			}
			return nil, err
		}
		all = append(all, outgoing{j, body})
		done.Jobs = append(done.Jobs, SentJob{ID: j.ID, Pipeline: j.Pipeline})
	}
	return all, nil
}

// ready refuses a job that its key may not send, or that no worker could run, and returns its message.
func (g *Gateway) ready(c *call, j *job.Job) ([]byte, error) {
	if err := c.key.checkJob(j); err != nil {
		return nil, err
	}
	if g.cfg.Check != nil {
		switch err := g.cfg.Check(c.r.Context(), j); {
		case fault.Of(err) == fault.Permanent:
			return nil, refused(Invalid, http.StatusUnprocessableEntity, err.Error())
		case err != nil:
			return nil, c.unavailable(err)
		}
	}
	body, err := job.Encode(j)
	if err != nil {
		return nil, refused(Invalid, http.StatusUnprocessableEntity, err.Error())
	}
	if len(body) > maxMessage {
		return nil, refused(Size, http.StatusRequestEntityTooLarge, "the job's message has more than "+sizeText(maxMessage)+
			"; put what is large into the store (POST /v1/uploads) and name it")
	}
	return body, nil
}

// checkJob says why a key may not send a job.
func (k *Key) checkJob(j *job.Job) error {
	if len(k.Pipelines) > 0 && (j.Inline != nil || !slices.Contains(k.Pipelines, j.Pipeline)) {
		return refused(NoScope, http.StatusForbidden, "this key may send jobs of these pipelines alone: "+strings.Join(k.Pipelines, ", "))
	}
	if !k.owns(j.ID) {
		return refused(NoScope, http.StatusForbidden, "this key sends jobs of the customer "+k.Customer+" alone, and the job's ID is another's")
	}
	if err := j.CheckInputs(); err != nil {
		return refused(NoScope, http.StatusForbidden, err.Error())
	}
	return nil
}

// sendAll returns when all messages are durable. Where that fails the sender does not know which are; the same request with
// an Idempotency-Key makes the same jobs, and no second ones.
func (g *Gateway) sendAll(c *call, all []outgoing) error {
	// Who hangs up has asked for them all the same; who waits reads the answer in time.
	by := time.Now().Add(answerTime)
	if end, ok := c.r.Context().Deadline(); ok && end.Before(by) {
		by = end
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(c.r.Context()), by)
	defer cancel()
	if len(all) == 1 {
		return c.sent(g.sendBody(ctx, all[0].job, all[0].body), 0, 1)
	}
	var wg sync.WaitGroup
	slots, errs := make(chan struct{}, sendsAtOnce), make([]error, len(all))
	for i, o := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = g.sendBody(ctx, o.job, o.body)
		})
	}
	wg.Wait()
	failed := 0
	for _, err := range errs {
		if err != nil {
			failed++
		}
	}
	return c.sent(errors.Join(errs...), len(all)-failed, len(all))
}

// sent makes an answer of what sending said.
func (c *call) sent(err error, done, all int) error {
	if err == nil {
		return nil
	}
	p := c.unavailable(err)
	p.Detail = "the queue does not take messages now; send it again later"
	if done > 0 {
		p.Detail = fmt.Sprintf("the queue took %d of %d messages; send the same request again later: jobs with an id of their own, or sent with an Idempotency-Key, run once", done, all)
	}
	return p
}

// messageID is the ID of what is sent, which jobs have that bring none: by the Idempotency-Key where there is one, and the same
// for no two keys' owners; else a new one, which sorts by time.
func (c *call) messageID() (string, error) {
	const header = "Idempotency-Key"
	given := c.r.Header.Values(header)
	if len(given) == 0 {
		return fmt.Sprintf("%012x-%s", time.Now().UnixMilli(), strings.ToLower(rand.Text())), nil
	}
	key := strings.TrimSpace(given[0])
	if text, err := strconv.Unquote(key); err == nil {
		key = text // it is a string of RFC 8941
	}
	if len(given) > 1 || key == "" || len(key) > maxIdempotencyKey {
		return "", refused(Invalid, http.StatusBadRequest, header+" must be one text of 1 to 255 bytes")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", c.key.Customer, c.key.Name, key))
	return "key-" + hex.EncodeToString(sum[:16]), nil
}

// flag is a truth value of the query: "?name" is true.
func (c *call) flag(name string) (bool, error) {
	q := c.r.URL.Query()
	if !q.Has(name) {
		return false, nil
	}
	text := q.Get(name)
	if text == "" {
		return true, nil
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, refused(Invalid, http.StatusBadRequest, name+" must be true or false")
	}
	return b, nil
}

// attributesOf are the headers that say what a body is: those of a CloudEvent, which may be more than a queue's message can
// have, for they go no further. Their values are percent-encoded (CloudEvents' HTTP binding, 3.1.3.2), where the client does that.
func attributesOf(r *http.Request) map[string]string {
	all := map[string]string{}
	for name, values := range r.Header {
		name = strings.ToLower(name)
		switch text, err := url.PathUnescape(values[0]); {
		case name == "content-type", strings.HasPrefix(name, "ce-") && err != nil:
			all[name] = values[0]
		case strings.HasPrefix(name, "ce-"):
			all[name] = text
		}
	}
	return all
}
