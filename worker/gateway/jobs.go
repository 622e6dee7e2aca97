package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/record"
)

func (g *Gateway) jobOperations() []operation {
	return []operation{
		{
			method: http.MethodGet, path: "/v1/jobs", scope: Read, serve: g.listJobs,
			summary: "List jobs, the newest first",
			about:   "A page may have fewer jobs than its limit, or none, and a next one all the same.",
			query: []parameter{
				{"since", "jobs sent then or later: a time, or how long ago, like 12h; without it a day, or all where there is a prefix", ""},
				{"status", "one or several, comma-separated", ""},
				{"prefix", "that their IDs begin with", ""},
				{"limit", "how many at most, 1 to 200", 0},
				{"cursor", "the next of the page before", ""},
			},
			gives: map[int]any{http.StatusOK: JobList{}},
		},
		{
			method: http.MethodGet, path: "/v1/jobs/{id}", scope: Read, serve: g.showJob,
			summary: "Show all that is known of a job",
			about:   "With an ETag, for who polls. state is processing, completed or failed. nextAttemptAt is when the next attempt may be made, where one waits and the queue can tell.",
			headers: []parameter{{"If-None-Match", "the ETag of what is there already", ""}},
			gives:   map[int]any{http.StatusOK: record.Polled{}, http.StatusNotModified: nil},
		},
	}
}

// A JobList is a page of jobs, the newest first.
type JobList struct {
	Jobs []desk.Row `json:"jobs"`
	Next string     `json:"next,omitzero" doc:"cursor of the next page; absent where this is the last"`
	// Such queues show nothing that they do not deliver.
	Unsearched string `json:"unsearched,omitzero" doc:"queues whose waiting jobs are missing here"`
}

// listEffort bounds what one request for a list looks at, see desk.Query.
const listEffort = 10_000

func (g *Gateway) listJobs(c *call) error {
	q, err := g.listQuery(c)
	if err != nil {
		return err
	}
	if q.Prefix == nobody {
		return c.answer(JobList{Jobs: []desk.Row{}})
	}
	page, err := g.cfg.Desk.List(c.r.Context(), q)
	if err != nil {
		return c.lookup(err)
	}
	return c.answer(JobList{Jobs: page.Jobs, Next: page.Next.String(), Unsearched: page.Unsearched})
}

func (g *Gateway) showJob(c *call) error {
	r, err := g.recordOf(c)
	if err != nil {
		return err
	}
	p := r.Polled()
	if r.Status == record.Retrying {
		if in, known := g.cfg.Desk.Due(c.r.Context(), r.ID); known {
			p.Next = time.Now().Add(in).UTC().Round(time.Second)
		}
	}
	return c.answer(p)
}

// recordOf is the record of the job that a path names.
func (g *Gateway) recordOf(c *call) (*record.Record, error) {
	id, err := g.jobOf(c)
	if err != nil {
		return nil, err
	}
	r, err := g.cfg.Desk.Load(c.r.Context(), id)
	if err == nil && !c.key.owns(r.ID) { // a message was found by its own ID, and its job is another's
		err = g.cfg.Desk.Missing(id)
	}
	return r, c.lookup(err)
}

// jobOf is the job that a path names. Of another customer's the answer is the same as of one that is not there, and nothing is looked
// up: neither words nor time tell whether there is one.
func (g *Gateway) jobOf(c *call) (id string, err error) {
	id = c.r.PathValue("id")
	safe := job.SafeID(id)
	if c.key.Customer != "" && (safe != id || !c.key.owns(id)) {
		return "", c.lookup(g.cfg.Desk.Missing(id))
	}
	return safe, nil
}

// prefix is what the IDs of all jobs of the key's customer begin with; empty is no customer's.
func (k *Key) prefix() string {
	if k.Customer == "" {
		return ""
	}
	return k.Customer + "."
}

// NoSuchJob is the type of the problem that there is no such job, or it is another customer's.
const NoSuchJob = "urn:millrace:problem:no-such-job"

// lookup makes a Problem of an error of the desk's or the store's: there is no such job, or they do not answer. What can't pass stays as
// it is.
func (c *call) lookup(err error) error {
	missing, none := errors.AsType[*desk.NoJobError](err)
	switch {
	case none:
		p := problem(http.StatusNotFound, missing.Error())
		p.Type, p.Title = NoSuchJob, "No such job"
		p.JobID, p.Unsearched = clip(missing.ID), missing.Unsearched
		return p
	case err == nil || fault.Of(err) == fault.Permanent || c.r.Context().Err() != nil:
		return err
	}
	return c.unavailable(err)
}

// answer writes v as JSON. Who has it already, by its ETag, is told so.
func (c *call) answer(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	h := c.w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	if matches(c.r.Header.Get("If-None-Match"), tag) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	_, _ = c.w.Write(append(body, '\n')) // who asked may be gone
	return nil
}

// matches says whether an If-None-Match names tag.
func matches(header, tag string) bool {
	for t := range strings.SplitSeq(header, ",") {
		if t = strings.TrimPrefix(strings.TrimSpace(t), "W/"); t == tag || t == "*" {
			return true
		}
	}
	return false
}
