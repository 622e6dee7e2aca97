package gcsblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/modules/cloud"
)

// floor is the slowest upload that counts as one, in bytes/s.
const floor = 4 << 10

// A stallError is the end of a request that went too slowly. The SDK makes such a request again.
type stallError struct{}

func (stallError) Error() string   { return fmt.Sprintf("it went at less than %d bytes a second", floor) }
func (stallError) Temporary() bool { return true }

// A lostError is a request whose answer never came. The SDK makes such a request again, which it would not after a mere EOF.
type lostError struct{ error }

func (e lostError) Unwrap() error { return e.error }
func (lostError) Temporary() bool { return true }

// A wire sends requests with a token, and gives up those whose bodies stall and those without an answer.
type wire struct {
	keys  func(context.Context) (cloud.Keys, error)
	stall time.Duration
	next  http.RoundTripper
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	k, err := w.keys(r.Context())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("get credentials: %w", err), closed(r.Body))
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	r = r.Clone(ctx)
	if k.Token != "" {
		r.Header.Set("Authorization", "Bearer "+k.Token)
	}
	if r.URL.Query().Get("alt") == "media" {
		r.Header.Set("Accept-Encoding", "gzip") // or an object that is kept compressed would not come as it is stored
	}
	sent := &counter{ReadCloser: r.Body}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = sent
	}
	stop := w.watch(sent, r.ContentLength, func() { cancel(stallError{}) })
	resp, err := w.next.RoundTrip(r)
	stop()
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, stallError{}) {
			err = cause
		} else if r.Context().Err() == nil {
			err = lostError{err}
		}
		cancel(nil)
		return nil, err
	}
	resp.Body = &answer{resp.Body, cancel}
	return resp, nil
}

// CloseIdleConnections is what http.Client asks for.
func (w *wire) CloseIdleConnections() {
	if c, ok := w.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func closed(body io.Closer) error {
	if body == nil {
		return nil
	}
	return body.Close()
}

// watch looks once in every stall at how much has been sent, until stop is called.
func (w *wire) watch(sent *counter, size int64, giveUp func()) (stop func()) {
	var mu sync.Mutex
	var seen int64 // guarded by mu
	var t *time.Timer
	mu.Lock()
	defer mu.Unlock()
	t = time.AfterFunc(w.stall, func() {
		mu.Lock()
		defer mu.Unlock()
		n := sent.n.Load()
		rest := max(1, size-seen)
		if size < 0 { // nobody knows how much there is: its end shows in the answer
			rest = 1
		}
		if n-seen < min(int64(floor*w.stall.Seconds()), rest) {
			giveUp()
			return
		}
		seen = n
		t.Reset(w.stall)
	})
	return func() { t.Stop() }
}

// A counter counts what is read of a body.
type counter struct {
	io.ReadCloser
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// An answer ends its request's context when it is closed.
type answer struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (a *answer) Close() error {
	defer a.cancel(nil)
	return a.ReadCloser.Close()
}

// cachedKeys asks again when the last keys have ended, or after a minute where they name no end.
func cachedKeys(keys func(context.Context) (cloud.Keys, error)) func(context.Context) (cloud.Keys, error) {
	if keys == nil {
		return func(context.Context) (cloud.Keys, error) { return cloud.Keys{}, nil }
	}
	var mu sync.Mutex
	var last cloud.Keys // guarded by mu
	var until time.Time // guarded by mu
	return func(ctx context.Context) (cloud.Keys, error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().Before(until) {
			return last, nil
		}
		k, err := keys(ctx)
		if err != nil {
			return cloud.Keys{}, err
		}
		last, until = k, k.End()
		return k, nil
	}
}
