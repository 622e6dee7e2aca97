package historytest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Moment is where a Recorder can be stopped.
type Moment int

const (
	Came     Moment = iota // the whole request is here, the server has not seen it
	Answered               // the server has done it, the worker does not know
)

// A Fault is what a worker gets in place of the server's answer; nil lets things take their course.
type Fault struct {
	Status int           // 0 cuts the connection
	Code   string        // the service's word for it
	After  time.Duration // not at once
}

// A Hook is asked at every moment of every call. It may take its time, and kill the worker.
type Hook func(c Call, m Moment) *Fault

// A Recorder stands between one worker and one server.
type Recorder struct {
	history *History
	worker  string
	server  string // scheme and host
	client  *http.Transport

	mu   sync.Mutex
	hook Hook // guarded by mu; may be nil
}

// NewRecorder returns one that writes what it sees into h. Close it after use.
func NewRecorder(h *History, worker, server string) *Recorder {
	return &Recorder{history: h, worker: worker, server: server, client: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32}}
}

func (r *Recorder) Close() { r.client.CloseIdleConnections() }

// On has hook asked from now on, in the place of an earlier one.
func (r *Recorder) On(hook Hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = hook
}

// ServeHTTP passes a request on. What has come whole is done by the server also when the worker is gone meanwhile; only
// a long poll ends with the connection, as it does there.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // it came to an end on the way: the server never has it whole
	}
	c := readRequest(req, body)
	c.Worker, c.Came, c.Size, c.Leak = r.worker, time.Now(), len(body), r.history.leaks(body)
	r.history.Add(c)
	r.stop(w, c, Came)
	status, head, answer, err := r.ask(req, c, body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.history.fill(func() {
		c.Answered, c.Status = time.Now(), status
		readAnswer(c, answer)
	})
	r.stop(w, c, Answered)
	for k, v := range head {
		w.Header()[k] = v
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the worker may be gone
}

// ask has the server answer.
func (r *Recorder) ask(req *http.Request, c *Call, body []byte) (int, http.Header, []byte, error) {
	ctx := context.WithoutCancel(req.Context())
	if c.Verb == "ReceiveMessage" {
		ctx = req.Context()
	}
	out, err := http.NewRequestWithContext(ctx, req.Method, r.server+req.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	out.Header, out.Host = req.Header.Clone(), req.Host // the signature is over both
	out.Header.Del("Expect")                            // we have the body already
	out.Header.Del("Connection")
	out.ContentLength = int64(len(body))
	resp, err := r.client.RoundTrip(out)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, answer, err
}

// stop asks the hook, and ends the request here where it says so.
func (r *Recorder) stop(w http.ResponseWriter, c *Call, m Moment) {
	r.mu.Lock()
	hook := r.hook
	r.mu.Unlock()
	if hook == nil {
		return
	}
	var seen Call
	r.history.fill(func() { seen = *c })
	f := hook(seen, m)
	if f == nil {
		return
	}
	if f.After > 0 {
		time.Sleep(f.After)
	}
	if f.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	if m == Came {
		r.history.fill(func() { c.Status = f.Status })
	}
	f.write(w, c.Queue != "" || c.Bucket == "")
	panic(faulted{})
}

// faulted ends a request that was answered by a fault.
type faulted struct{}

// Handler is r as a server wants it.
func (r *Recorder) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer func() {
			switch p := recover(); p.(type) {
			case nil, faulted:
			default:
				panic(p)
			}
		}()
		r.ServeHTTP(w, req)
	})
}

// write answers as the service would.
func (f *Fault) write(w http.ResponseWriter, sqs bool) {
	body := `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + f.Code + `</Code><Message>as the test has it</Message></Error>`
	w.Header().Set("Content-Type", "application/xml")
	if sqs {
		body = `{"__type":"com.amazonaws.sqs#` + f.Code + `","message":"as the test has it"}`
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, body) // the worker may be gone
}

// leaks says whether one of the secrets stands in b as it is.
func (h *History) leaks(b []byte) bool {
	for _, s := range h.Secrets {
		if bytes.Contains(b, []byte(s)) {
			return true
		}
	}
	return false
}

// readRequest says what a request is.
func readRequest(req *http.Request, body []byte) *Call {
	if target := req.Header.Get("X-Amz-Target"); target != "" {
		c := &Call{Verb: target[strings.LastIndexByte(target, '.')+1:]}
		readSQS(c, body)
		return c
	}
	return readS3(req, body)
}

func readAnswer(c *Call, answer []byte) {
	if c.Queue != "" {
		readSQSAnswer(c, answer)
	}
}
