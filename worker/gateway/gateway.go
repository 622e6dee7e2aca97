// Package gateway is HTTP in, queue out: jobs, uploads and webhooks become messages, and what became of them can be read.
//
// It keeps no state: what it knows comes from the queue and the record store, so any number of gateways may stand side by
// side, and one may be killed at any time. An answer of 202 says that the queue holds the message durably.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/gateway/hook"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// Config is a Gateway's.
type Config struct {
	// Send puts a job's message into the queue of its class and returns when it is durable there.
	Send func(ctx context.Context, j *job.Job, d queue.Draft) error
	// Check says in a sentence why no worker could run the job: its pipeline is none, or does not take its state; nil: nothing
	// is checked. An error is told to who sent it where it is permanent; else it is ours, and for the log.
	Check   func(ctx context.Context, j *job.Job) error
	Records *record.Book
	Store   blob.Store // uploads lie in it, below job.Uploads
	Uploads Uploads
	// Route makes the job of an upload, and names the route that it did so by; or it returns nil and says in a sentence why
	// there is none. nil: there is no routing table.
	Route func(u job.Upload) (j *job.Job, why string)
	Desk  *desk.Desk // finds and lists jobs, of Records; nil: no queue can be searched
	// Keys returns the key of a secret, or nil; nil: everybody is the operator, which is for loopback alone, and what a
	// browser's page of another site sends is refused.
	Keys func(secret string) *Key
	// Lend makes a URL by which a bucket itself sends an object of the store, with that content type and disposition; nil: the gateway sends
	// them all.
	Lend func(ctx context.Context, key, contentType, disposition string, expires time.Duration) (url string, err error)
	// Hooks are the sources of webhooks, as their table stands now; nil: there are none.
	Hooks func(ctx context.Context) *hook.Table
	// Begun and Ended hear of every request, for metrics; nil is nobody.
	Begun func()
	Ended func(Answered)
	Log   *slog.Logger
}

// Answered is a request that was answered.
type Answered struct {
	Operation string // "POST /v1/jobs"; empty where there is none
	Status    int
	Refused   Refusal // empty where it was served, whatever the answer was
	In, Out   int64   // bytes of the bodies
	Duration  time.Duration
}

// A Gateway answers requests.
type Gateway struct {
	cfg     Config
	mux     *http.ServeMux
	browser *http.CrossOriginProtection
	held    atomic.Int64 // bytes of bodies in memory
	strange atomic.Int64 // bytes of bodies in memory that came without a key
	// draining is closed when requests that have no end, such as logs that are followed, must end.
	draining chan struct{}
	drain    sync.Once

	turns                chan struct{} // one value for each large body that is made jobs of now
	uploading, followers places
}

// New returns a Gateway. Its errors are all that is wrong with cfg.
func New(cfg Config) (*Gateway, error) {
	if cfg.Send == nil || cfg.Records == nil || cfg.Store == nil || cfg.Log == nil {
		return nil, errors.New("gateway: send, records, store and log must be given")
	}
	if cfg.Desk == nil {
		cfg.Desk = &desk.Desk{Records: cfg.Records}
	}
	g := &Gateway{cfg: cfg, mux: http.NewServeMux(), browser: http.NewCrossOriginProtection(), draining: make(chan struct{})}
	g.turns = make(chan struct{}, largeAtOnce)
	atOnce := cmp.Or(cfg.Uploads.AtOnce, uploadsAtOnce)
	g.uploading.most, g.uploading.each = atOnce, max(1, atOnce*3/4)
	g.uploading.what, g.uploading.instead = "uploads under way", "send it again in a few seconds"
	g.followers.most, g.followers.each = maxFollowers, keyFollowers
	g.followers.what, g.followers.instead = "logs that are followed", "end one first, or ask for the log now and then"
	g.mount()
	return g, nil
}

// Drain has requests end that would go on: who follows a log hears that he must ask again. Others go on.
func (g *Gateway) Drain() { g.drain.Do(func() { close(g.draining) }) }

// An operation is one method of one path: how it is served, and what the OpenAPI document says of it.
type operation struct {
	method, path string              // as http.ServeMux has them: "/v1/jobs/{id}"
	scope        Scope               // that a key must have; empty is none, and no key is asked for: serve knows by other means who asks
	summary      string              // a phrase
	about        string              // sentences; may be empty
	bodies       []string            // content types of a body that may be anything; for who reads of the operation
	answers      []string            // content types of an answer that gives has no Go type for; likewise
	takes        []string            // content types of the body; nil is any
	body         any                 // an example of the body's Go type; nil is none, or one that takes says enough of
	query        []parameter         // that it may be asked with
	headers      []parameter         // of the request
	gives        map[int]any         // status → an example of the answer's Go type; nil is no body. Problems are added
	streams      bool                // its bodies may take as long as they go on, which serve sees to (paced, patient), and are not held in memory
	serve        func(c *call) error // an error is answered as a Problem
}

// A parameter is one of a query or a header.
type parameter struct {
	name, about string
	example     any // of its Go type: "", 0, false
}

func (o operation) name() string { return o.method + " " + o.path }

// operations are all that the gateway serves, each file's own.
func (g *Gateway) operations() []operation {
	var all []operation
	for _, of := range []func() []operation{
		g.submitOperations, g.uploadOperations, g.presignOperations, g.fileOperations, g.hookOperations, g.jobOperations, g.cancelOperations, g.logOperations,
		g.artifactOperations, g.openAPIOperations,
	} {
		all = append(all, of()...)
	}
	return all
}

// Operations are the names of all operations, as Answered has them.
func Operations() []string {
	var names []string
	for _, o := range new(Gateway).operations() {
		names = append(names, o.name())
	}
	return names
}

// mount has every operation served, and what is none answered as RFC 9457 wants it.
func (g *Gateway) mount() {
	allowed := map[string][]string{}
	for _, o := range g.operations() {
		g.mux.Handle(o.name(), g.handler(o))
		allowed[o.path] = append(allowed[o.path], o.method)
		if o.method == http.MethodGet {
			allowed[o.path] = append(allowed[o.path], http.MethodHead)
		}
	}
	for path, methods := range allowed {
		allow := strings.Join(methods, ", ")
		no := refuse(func(w http.ResponseWriter) *Problem {
			w.Header().Set("Allow", allow)
			return problem(http.StatusMethodNotAllowed, "this path knows "+allow)
		})
		// One by one: a path for any method would be in the way of a method for any path.
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions} {
			if !slices.Contains(methods, method) {
				g.mux.Handle(method+" "+path, no)
			}
		}
	}
	g.mux.Handle("/", refuse(func(http.ResponseWriter) *Problem { return nothingHere() }))
}

func nothingHere() *Problem {
	return problem(http.StatusNotFound, "there is nothing here; GET /v1/openapi.json says what there is")
}

// refuse is a handler that always answers with a Problem.
func refuse(why func(http.ResponseWriter) *Problem) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := why(w)
		w.(*answer).refused = Unknown
		writeProblem(w, r, p)
	})
}
