// Package hook receives webhooks: it proves that a request comes from the source that it names, and makes the messages
// that follow from it. It sends nothing.
//
// Nothing of a request is believed before it is verified, and a body is not parsed before; SNS, whose signature lies in the
// body, is the exception, and what was not signed of its body is dropped.
package hook

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/time/rate"

	"github.com/millrace/millrace/pipelines/render"
	"github.com/millrace/millrace/worker/queue"
)

// A Table is the sources of one file.
type Table struct {
	Sources map[string]*Source
	Files   []string // that hold its secrets
}

// A Source is who may send to one address.
type Source struct {
	Name     string
	Kind     Kind
	Customer string        // whose jobs its deliveries make; empty is the operator's
	MaxBody  int64         // bytes
	Remember time.Duration // for how long a delivery that comes again is known
	Gone     bool          // it is closed: 410 tells it to stop
	Limit    *rate.Limiter // of verified deliveries
	// Pipelines are those that its messages may name; nil is any. What its job names the operator has written.
	Pipelines []string

	events  []string
	headers []string // that its template may read, as http.Header has them
	verify  verifier
	job     map[string]any // the template of the job of each delivery; nil: the body is the message
	cache   *render.Cache
	origins []string // that may ask whether they may send
	perMin  int      // deliveries a minute that such an origin is told
}

// Pipeline is that of the source's job; empty where the body is the message.
func (s *Source) Pipeline() string {
	name, _ := s.job["pipeline"].(string)
	return name
}

// A Kind is how a source proves who it is.
type Kind string

// The kinds.
const (
	Standard    Kind = "standard-webhooks"
	GitHub      Kind = "github"
	SNS         Kind = "sns"
	Token       Kind = "token"
	Basic       Kind = "basic"
	CloudEvents Kind = "cloudevents"
	None        Kind = "none" // it does not, which is for loopback alone
)

// A Refusal is why a request is not taken.
type Refusal struct {
	Status int
	Detail string // for who asks: of what failed to verify it says nothing
	Why    string // for the log: one sentence without secrets
}

func (r *Refusal) Error() string { return r.Why }

// unverified is a request that is not proved to be its source's. Who asks never learns what was wrong with it.
func unverified(format string, args ...any) error {
	return &Refusal{http.StatusUnauthorized, "the request is not verified as one of this source", fmt.Sprintf(format, args...)}
}

// refuse says what is wrong with a request that was verified.
func refuse(status int, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	return &Refusal{status, text, text}
}

// A Delivery is one verified request.
type Delivery struct {
	// Key identifies it among those of its source: another try has the same one. It can stand in an object's key. Empty where the
	// source gives nothing to know a delivery by.
	Key      string
	Messages []queue.Message // that follow from it; their IDs are the same on another try
	Nothing  string          // why there are none
}

// A request is what verifiers look at.
type request struct {
	header http.Header
	query  url.Values
	body   []byte
	local  bool // both ends of the connection are this machine, and no proxy says otherwise
	now    time.Time
}

// A verified is what a verifier vouches for.
type verified struct {
	id      string // of the delivery, covered by the signature; empty where there is none
	body    []byte // of the message
	nothing string // why nothing follows from it
}

// A verifier proves that a request is its source's.
type verifier interface {
	verify(ctx context.Context, r request) (verified, error)
}

// Receive verifies a request whose body was read, and makes its messages. Errors are a *Refusal, or something that may pass.
func (s *Source) Receive(ctx context.Context, r *http.Request, body []byte) (*Delivery, error) {
	v, err := s.verify.verify(ctx, request{header: r.Header, query: r.URL.Query(), body: body, local: isLocal(r), now: time.Now()})
	if err != nil {
		return nil, err
	}
	if !s.Limit.Allow() {
		return nil, refuse(http.StatusTooManyRequests, "the source sends more than its limit allows; send again later")
	}
	if v.nothing != "" {
		return &Delivery{Nothing: v.nothing}, nil
	}
	events, err := s.read(r.Header, v)
	if err != nil {
		return nil, err
	}
	d := &Delivery{Key: s.key(v, events)}
	base := d.Key
	if base == "" {
		base = random()
	}
	for _, e := range events {
		if !s.wants(e.kind) {
			continue
		}
		m, err := s.message(ctx, r.Header, e, s.id(base, e))
		if err != nil {
			return nil, err
		}
		d.Messages = append(d.Messages, m)
	}
	if len(d.Messages) == 0 {
		d.Nothing = "the source's events leave this one out"
	}
	return d, nil
}

// key is that of a delivery: what its signature covers, or else the events that it brings.
func (s *Source) key(v verified, events []event) string {
	parts := []string{v.id}
	if v.id == "" {
		parts = parts[:0]
		for _, e := range events {
			if e.id == "" {
				return ""
			}
			parts = append(parts, e.id)
		}
	}
	return digest(append([]string{s.Name}, parts...)...)
}

// id is that of the message of an event: the event's own where it has one, so that an event that comes in another delivery
// makes the same job. One without is alone in its delivery, whose base is.
func (s *Source) id(base string, e event) string {
	if e.id != "" {
		base = digest(s.Name, e.id)
	}
	return "hook-" + s.Name + "-" + base
}

// digest identifies texts, whatever they hold. It keeps a prefix of SHA-256, of 160 bits.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d %s\n", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:20])
}

func random() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // it never fails (crypto/rand.Read)
	return hex.EncodeToString(b)
}
