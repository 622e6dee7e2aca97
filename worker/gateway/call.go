package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"time"
)

const (
	// bodyTime is how long the body of a request may take that does not stream.
	bodyTime = 30 * time.Second
	// answerTime is how long an answer may take that does not stream, and writeTime how long who asked may take to read it.
	answerTime = time.Minute
	writeTime  = 10 * time.Second
	// longPath is how much of a request's path the log has, in bytes.
	longPath = 512
)

// A call is one request being answered.
type call struct {
	g   *Gateway
	w   http.ResponseWriter
	r   *http.Request
	key *Key   // who asks; of an operation without a scope, nobody: a key without any
	id  string // of the request

	op   operation
	room int64 // bytes of its body in memory
	held int64 // the same of what counts, see hold
}

// An answer is a http.ResponseWriter that remembers.
type answer struct {
	http.ResponseWriter
	requestID string
	operation string
	key       string // its name
	refused   Refusal
	status    int
	in, out   int64 // bytes
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.out += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// ServeHTTP answers a request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	a := &answer{ResponseWriter: w, requestID: requestID(r)}
	a.Header().Set("X-Request-Id", a.requestID)
	a.Header().Set("X-Content-Type-Options", "nosniff")
	if g.cfg.Begun != nil {
		g.cfg.Begun()
	}
	defer func() {
		broken := recover()
		if broken == http.ErrAbortHandler || broken != nil && a.status != 0 {
			defer panic(http.ErrAbortHandler) // the answer breaks off: what was written would pass for the whole
		}
		g.end(a, r, begin, broken)
	}()
	limitTime(w, r)
	// The mux would answer a path that is not plain with a redirect, and "OPTIONS *" with nothing. We know nobody who needs them.
	if p := r.URL.Path; p != path.Clean("/"+p) || strings.Contains(r.URL.EscapedPath(), "%00") {
		a.refused = Unknown
		writeProblem(a, r, nothingHere())
		return
	}
	g.mux.ServeHTTP(a, r)
}

// end logs and counts a request. What is broken in us is answered as such.
func (g *Gateway) end(a *answer, r *http.Request, begin time.Time, broken any) {
	ctx := r.Context()
	if broken != nil && broken != http.ErrAbortHandler {
		g.cfg.Log.ErrorContext(ctx, "request broke", "request_id", a.requestID, "operation", a.operation, "err", broken, "stack", string(debug.Stack()))
		if a.status == 0 {
			writeProblem(a, r, problemOf(errors.New("panic")))
		}
	}
	took := time.Since(begin)
	// Neither query nor headers: there are secrets in both.
	g.cfg.Log.InfoContext(ctx, "request answered", "request_id", a.requestID, "method", clip(r.Method), "path", clipTo(r.URL.Path, longPath), "status", a.status,
		"key", a.key, "bytes", a.in, "duration", took)
	if g.cfg.Ended != nil {
		g.cfg.Ended(Answered{Operation: a.operation, Status: a.status, Refused: a.refused, In: a.in, Out: a.out, Duration: took})
	}
}

// requestID is what who asks calls the request, where that can stand in a log as it is; else one that we make.
func requestID(r *http.Request) string {
	const most = 64
	id := r.Header.Get("X-Request-Id")
	plain := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	if id == "" || len(id) > most || strings.IndexFunc(id, func(c rune) bool { return !plain(c) }) >= 0 {
		return rand.Text()
	}
	return id
}

// handler serves an operation for who may ask for it.
func (g *Gateway) handler(o operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := w.(*answer)
		a.operation = o.name()
		c := &call{g: g, w: w, r: r, op: o, id: a.requestID, key: &Key{}}
		defer func() { c.hold(-c.held) }()
		err := c.admit()
		if err == nil {
			defer c.admitted(a)()
			err = o.serve(c)
		}
		if err == nil {
			return
		}
		p, ours := errors.AsType[*Problem](err)
		if !ours {
			g.cfg.Log.ErrorContext(r.Context(), "request failed", "request_id", a.requestID, "operation", a.operation, "err", err)
			p = problemOf(err)
		}
		if a.refused = p.refused; a.status == 0 {
			writeProblem(w, r, p)
		}
	})
}

// limitTime has a client that sends or reads too slowly lose its connection: whoever it is, for the server reads the rest of a
// body before it sends an answer, a refusal too. It ends the deadline itself when all was read. What is no connection has no
// deadlines.
func limitTime(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(bodyTime + answerTime + writeTime))
	if hasBody(r) {
		_ = rc.SetReadDeadline(time.Now().Add(bodyTime))
	}
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// admitted has the time of a request whose sender may ask limited as its operation wants it.
func (c *call) admitted(a *answer) (cancel context.CancelFunc) {
	a.key, cancel = c.key.Name, func() {}
	if c.op.streams {
		_ = http.NewResponseController(c.w).SetWriteDeadline(time.Time{})
	} else {
		var ctx context.Context
		ctx, cancel = context.WithTimeout(c.r.Context(), bodyTime+answerTime)
		c.r = c.r.WithContext(ctx)
	}
	if hasBody(c.r) {
		c.r.Body = counted{c.r.Body, a}
	}
	return cancel
}

// A counted body tells the answer how much came.
type counted struct {
	io.ReadCloser
	answer *answer
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.answer.in += int64(n)
	return n, err
}
