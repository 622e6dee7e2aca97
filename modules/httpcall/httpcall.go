// Package httpcall is the Http module, as a task and as a callback.
package httpcall

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/millrace/millrace/modules"
)

// Module is the Http task: it follows redirects and is tried once unless told otherwise.
var Module = modules.Define(modules.Spec{
	Name:    "Http",
	Summary: "Sends an HTTP request and returns the answer.",
	Example: "- module: Http\n  props:\n    url: https://api.example.com/models\n    data: {name: gear}\n    retry: 2\n  register: answer",
}, runTask)

// Callback is the Http callback: short, tried three times, never redirected, with an idempotency key.
var Callback = modules.Define(modules.Spec{
	Name:    "Http",
	Summary: "Tells a server what happened.",
	Example: "- module: Http\n  props:\n    url: https://hooks.example.com/jobs\n    data: {status: done}",
}, runCallback)

// Request is the props that both have.
type Request struct {
	URL     string            `json:"url" doc:"Address, http or https."`
	Method  string            `json:"method,omitzero" enum:"GET,POST,PUT,PATCH,DELETE,HEAD" doc:"Method; without it GET, or POST where there is a body."`
	Headers map[string]string `json:"headers,omitzero" doc:"Headers to send."`
	Body    any               `json:"body,omitzero" doc:"What to send: text as it is, anything else as JSON."`
	Data    any               `json:"data,omitzero" doc:"The same; body wins where both are given."`
	Base64  bool              `json:"base64" default:"false" doc:"Whether body is base64 to be decoded before it is sent."`
	Debug   bool              `json:"debug" default:"false" doc:"Whether to print the request and the answer."`
}

// Props are what a task writes under props.
type Props struct {
	Request
	Timeout    time.Duration `json:"timeout" default:"60s" doc:"How long one try may take."`
	Retry      int           `json:"retry" default:"0" doc:"How many tries may follow a failed one that can pass: no answer, or status 408, 429 or 5xx."`
	RetrySleep time.Duration `json:"retry_sleep" default:"1s" unit:"s" doc:"Pause before the second try; it doubles up to 30 s. A longer Retry-After of the server is honoured."`
}

// CallbackProps are what a callback writes under props.
type CallbackProps struct {
	Request
	Timeout    time.Duration `json:"timeout" default:"15s" doc:"How long one try may take."`
	Retry      int           `json:"retry" default:"2" doc:"How many tries may follow a failed one that can pass: no answer, or status 408, 429 or 5xx."`
	RetrySleep time.Duration `json:"retry_sleep" default:"1s" unit:"s" doc:"Pause before the second try; it doubles up to 30 s. A longer Retry-After of the server is honoured."`
}

// maxRetry is how many tries may follow the first: more would hold a job for hours.
const maxRetry = 20

// Validate checks what the tags can't say.
func (p *Props) Validate() error { return check(p.Request, p.policy()) }

// Validate checks what the tags can't say.
func (p *CallbackProps) Validate() error { return check(p.Request, p.policy()) }

func (p *Props) policy() policy         { return policy{p.Timeout, p.Retry, p.RetrySleep} }
func (p *CallbackProps) policy() policy { return policy{p.Timeout, p.Retry, p.RetrySleep} }

// check returns everything that is wrong as one *PropError.
func check(r Request, p policy) error {
	if problems := append(r.problems(), p.problems()...); len(problems) > 0 {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

func runTask(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	return send(ctx, c, c.HTTP, p.Request, p.policy())
}

// idempotencyKey is the header by which a receiver knows a callback that it has seen.
const idempotencyKey = "Idempotency-Key"

// runCallback gives all tries the same idempotency key: the one the engine calls callback_id, where the state has
// it (it outlives a redelivery), else a random one.
func runCallback(ctx context.Context, c *modules.Call, p CallbackProps) (Output, error) {
	direct := *c.HTTP
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	headers := map[string]string{idempotencyKey: rand.Text()}
	if id, ok := c.State.Get("callback_id"); ok && id != "" {
		headers[idempotencyKey] = fmt.Sprint(id)
	}
	for name, value := range p.Headers {
		headers[http.CanonicalHeaderKey(name)] = value
	}
	p.Headers = headers
	return send(ctx, c, &direct, p.Request, p.policy())
}
