package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// A Refusal is why a request was not served, as metrics have it.
type Refusal string

// The refusals.
const (
	Unknown Refusal = "unknown"     // no such path or method
	Browser Refusal = "browser"     // a page of another site sent it
	NoKey   Refusal = "key"         // without a key that is known
	NoScope Refusal = "scope"       // the key may not do this
	Rate    Refusal = "rate"        // too many of the key's
	Size    Refusal = "size"        // too long
	Type    Refusal = "type"        // of a type that is not taken
	Slow    Refusal = "slow"        // the body took too long
	Broken  Refusal = "broken"      // the body did not come whole
	Invalid Refusal = "invalid"     // it is nothing that a worker could run
	Busy    Refusal = "busy"        // we have too much to do
	Down    Refusal = "unavailable" // queue or store do not answer
)

// Refusals are all of them.
func Refusals() []Refusal {
	return []Refusal{Unknown, Browser, NoKey, NoScope, Rate, Size, Type, Slow, Broken, Invalid, Busy, Down}
}

// A Problem is an answer that is none, as RFC 9457 has it. It is an error, so that operations can return it.
type Problem struct {
	Type      string `json:"type,omitzero" doc:"of this kind of problem; absent is about:blank: the title says all"`
	Title     string `json:"title" doc:"of its kind"`
	Status    int    `json:"status" doc:"the status of the answer"`
	Detail    string `json:"detail,omitzero" doc:"one sentence with the remedy"`
	Instance  string `json:"instance,omitzero" doc:"path of the request"`
	RequestID string `json:"request_id,omitzero" doc:"by which the gateway's log knows the request"`

	JobID      string `json:"jobId,omitzero" doc:"where there is no such job, the one that was asked for"`
	Unsearched string `json:"unsearched,omitzero" doc:"and the queues that it may wait in all the same"`

	refused Refusal
	after   time.Duration // when to ask again; 0 is not said
}

func (p *Problem) Error() string { return p.Detail }

// problem returns a Problem with the title of its status.
func problem(status int, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

// refused is a problem that is counted.
func refused(why Refusal, status int, detail string) *Problem {
	p := problem(status, detail)
	p.refused = why
	return p
}

// busy says when to ask again.
func busy(p *Problem, after time.Duration) *Problem {
	p.after = after
	return p
}

// unavailable says that what the gateway stands on does not answer. The log has the reason.
func (c *call) unavailable(err error) *Problem {
	c.g.cfg.Log.ErrorContext(c.r.Context(), "request not served", "request_id", c.id, "operation", c.op.name(), "err", err)
	return busy(refused(Down, http.StatusServiceUnavailable, "the gateway can't do this now, and its log says why; ask again later"), 5*time.Second)
}

// problemOf makes a Problem of an error. What is none of ours is not told to who asks.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return problem(http.StatusInternalServerError, "the gateway failed at this; its log says why")
}

func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	q := *p
	q.Instance = r.URL.Path
	q.RequestID = w.Header().Get("X-Request-Id")
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if q.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(q.after.Seconds()))))
	}
	w.WriteHeader(q.Status)
	_ = json.NewEncoder(w).Encode(q) // who asked may be gone
}

func sizeText(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
