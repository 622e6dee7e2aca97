// Package client speaks to a gateway.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/worker/desk"
	"github.com/millrace/millrace/worker/gateway"
)

const (
	// tries is how often a request is made that may be made again.
	tries = 4
	// answerTime is how long a gateway may take to begin its answer.
	answerTime = time.Minute
	// storeTime is the same for one that was sent a stream: a store may take long to make the parts of a large file one, or to write
	// them to its disk.
	storeTime = 30 * time.Minute
	// longestRest is how long a gateway's Retry-After is heeded.
	longestRest = 30 * time.Second
	// maxAnswer is the longest answer that is read whole, in bytes: a record's.
	maxAnswer = 64 << 20
)

// Config says whom a Client speaks to.
type Config struct {
	Server string // URL of the gateway; below a path where a proxy has it there
	Key    string // API key; empty is none
	// Transport is how; nil is HTTP as the environment's proxies say, with TLS that is verified.
	Transport http.RoundTripper
}

// A Client speaks to one gateway. It may be used from several goroutines.
type Client struct {
	base *url.URL // without a slash at its end
	key  string
	http *http.Client
	slow *http.Client // for streams
	met  atomic.Bool  // the gateway has answered, so that it is waited for
}

// New returns a Client. Its errors are all that is wrong with c.
func New(c Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(c.Server, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return nil, errors.New("it is not the URL of a gateway; one looks like https://host/path")
	}
	if strings.ContainsFunc(c.Key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the API key has characters that no header can hold; copy it as `millrace gateway key` wrote it")
	}
	within := func(limit time.Duration) http.RoundTripper {
		if c.Transport != nil {
			return c.Transport
		}
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = limit
		return t
	}
	// A redirect could lead the key, or what is sent, elsewhere: where the gateway is, is the operator's to say.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		base: base, key: c.Key,
		http: &http.Client{Transport: within(answerTime), CheckRedirect: stay}, slow: &http.Client{Transport: within(storeTime), CheckRedirect: stay},
	}, nil
}

// A Request is one to a gateway.
type Request struct {
	Method string
	Path   string // below the gateway's URL, encoded: "/v1/jobs"
	Query  url.Values
	Header http.Header
	Body   []byte
	// Stream is a body that is sent as it is read, in place of Body. Such a request is made once. Length is its own, -1 where it is
	// not known.
	Stream io.Reader
	Length int64
}

// again says whether a request may be made more than once.
func (r *Request) again() bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		return true
	}
	return r.Stream == nil && r.Header.Get("Idempotency-Key") != ""
}

// Do makes a request and returns its answer, whose body the caller closes. An answer that is no success is an *Error, and a request
// that may be made again is, where that may help.
func (c *Client) Do(ctx context.Context, r Request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := c.once(ctx, &r)
		if err == nil || !r.again() || try == tries || ctx.Err() != nil {
			return resp, err
		}
		rest, passes := restOf(err, try)
		if !passes || !pause(ctx, rest) {
			return nil, err
		}
	}
}

func (c *Client) once(ctx context.Context, r *Request) (*http.Response, error) {
	var body io.Reader
	switch {
	case r.Stream != nil:
		body = r.Stream
	case r.Body != nil:
		body = bytes.NewReader(r.Body)
	}
	at := c.base.String() + r.Path
	if len(r.Query) > 0 {
		at += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, at, body)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.base.Host, err)
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	by := c.http
	if r.Stream != nil {
		req.ContentLength, by = r.Length, c.slow
		req.Header.Set("Expect", "100-continue") // what is refused need not be sent
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := by.Do(req)
	if err != nil {
		return nil, &Error{Server: c.base.String(), Cause: reason(ctx, err)}
	}
	if resp.StatusCode/100 != 2 {
		return nil, c.refused(resp)
	}
	c.met.Store(true)
	return resp, nil
}

// reason is an error without the URL, which the sentence around it has.
func reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// An Error is a request that was not served. Its text is one sentence: the gateway's own where it has one.
type Error struct {
	Server  string
	Status  int              // 0 where there was no answer
	Problem *gateway.Problem // nil where the answer is none of a gateway's
	After   time.Duration    // when to ask again, where the gateway says so
	Cause   error            // where there was no answer
	place   string           // that a redirect leads to
	keyless bool             // the request had no key
}

func (e *Error) Error() string {
	switch {
	case e.keyless && e.Status == http.StatusUnauthorized:
		return fmt.Sprintf("the gateway %s wants to know who asks: put an API key into MILLRACE_API_KEY; its operator makes one with `millrace gateway key`", e.Server)
	case e.Problem != nil:
		return e.Problem.Detail
	case e.Cause != nil:
		return fmt.Sprintf("the gateway %s does not answer: %v", e.Server, e.Cause)
	case e.place != "":
		return fmt.Sprintf("%s answers that what was asked for is at %.200q; give the URL of the gateway itself", e.Server, e.place)
	}
	return fmt.Sprintf("%s answers with the status %d, and not as a gateway does; check its URL", e.Server, e.Status)
}

// Why is the reason alone: what happened to the connection, or the status.
func (e *Error) Why() string {
	if e.Cause != nil {
		return e.Cause.Error()
	}
	return strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
}

func (e *Error) Unwrap() error { return e.Cause }

// refused makes an error of an answer, and closes it.
func (c *Client) refused(resp *http.Response) error {
	defer resp.Body.Close()
	e := &Error{Server: c.base.String(), Status: resp.StatusCode, keyless: c.key == ""}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		e.After = min(time.Duration(seconds)*time.Second, longestRest)
	}
	if resp.StatusCode/100 == 3 {
		e.place = resp.Header.Get("Location")
		return e
	}
	const maxProblem = 64 << 10
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	p := new(gateway.Problem)
	if err == nil && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") && json.Unmarshal(body, p) == nil && p.Detail != "" {
		e.Problem = p
	}
	return e
}

// Passes says whether the same request may be served later: there was no answer, or one that says so.
func (e *Error) Passes() bool {
	if _, stranger := errors.AsType[*tls.CertificateVerificationError](e.Cause); stranger {
		return false
	}
	switch e.Status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// restOf is how long to wait before a request is made again; passes is false where that can't help.
func restOf(err error, try int) (rest time.Duration, passes bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || !e.Passes() {
		return 0, false
	}
	backoff := 200 * time.Millisecond << (2 * (try - 1)) // 0.2 s, 0.8 s, 3.2 s
	return max(e.After, backoff/2+rand.N(backoff/2)), true
}

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// get decodes the answer to a request.
func (c *Client) get(ctx context.Context, r Request, into any) error {
	resp, err := c.Do(ctx, r)
	if err != nil {
		return missing(err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return &Error{Server: c.base.String(), Cause: reason(ctx, err)}
	}
	if len(body) > maxAnswer {
		err = fmt.Errorf("it has more than %d bytes", maxAnswer)
	}
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.base.String(), err)
	}
	return nil
}

// missing makes a *desk.NoJobError of the gateway's word that there is no such job.
func missing(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Problem == nil || e.Problem.Type != gateway.NoSuchJob {
		return err
	}
	return &desk.NoJobError{ID: e.Problem.JobID, Unsearched: e.Problem.Unsearched}
}
