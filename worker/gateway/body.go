package gateway

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// contentType refuses a body that is nothing of what the operation takes. One that says nothing of itself may be anything.
func (c *call) contentType() error {
	if err := c.whole(); err != nil {
		return err
	}
	text := c.r.Header.Get("Content-Type")
	if text == "" || c.op.takes == nil {
		return nil
	}
	kind, params, err := mime.ParseMediaType(text)
	charset := params["charset"]
	if err == nil && slices.Contains(c.op.takes, kind) && (charset == "" || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii")) {
		return nil
	}
	return refused(Type, http.StatusUnsupportedMediaType, "the body's Content-Type is none that is taken here: send "+strings.Join(c.op.takes, ", ")+", in UTF-8")
}

// whole refuses a body that is not what it stands for: a part of it, or compressed.
func (c *call) whole() error {
	if c.r.Header.Get("Content-Range") != "" {
		return refused(Invalid, http.StatusBadRequest, "the body is a part (Content-Range), and nothing is put together here; send the whole")
	}
	if e := c.r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return refused(Type, http.StatusUnsupportedMediaType, "the body is compressed (Content-Encoding); send it as it is")
	}
	return nil
}

const (
	// defaultBody is how long a body that is held in memory may be, in bytes, where the key does not say: a message's length.
	defaultBody = 1 << 20
	// firstRoom is what every request has of memory at first, in bytes, so that large bodies don't keep small ones out. The number
	// of connections bounds it.
	firstRoom = 16 << 10
	// allBodies is how much more of bodies is held in memory at once, in bytes.
	allBodies = 128 << 20
	// strangeBodies is the same of those of operations that ask for no key.
	strangeBodies = 64 << 20
	// largeAtOnce is how many large bodies are made jobs of at a time: as values they take up to 200 times their length.
	largeAtOnce = 2
)

// body reads a body that is held in memory. Many that come slowly cost what has come of them.
func (c *call) body() ([]byte, error) {
	most := c.key.bodyLimit()
	tooLong := refused(Size, http.StatusRequestEntityTooLarge, "the body is longer than "+sizeText(most)+
		"; put what is large into the store (POST /v1/uploads) and name it")
	if c.r.ContentLength > most {
		return nil, tooLong
	}
	b, err := c.take(c.r.Body, c.r.ContentLength, most)
	_, ours := errors.AsType[*Problem](err)
	switch {
	case int64(len(b)) > most:
		return nil, tooLong
	case err == nil || ours:
		return b, err
	case isTimeout(err):
		return nil, refused(Slow, http.StatusRequestTimeout, "the body took longer than "+bodyTime.String())
	}
	return nil, refused(Broken, http.StatusBadRequest, "the body did not come whole")
}

// take reads r into memory, up to the first byte beyond most; announced is how long it says that it is, 0 nothing. Its errors are r's,
// and a *Problem where there is no room.
func (c *call) take(r io.Reader, announced, most int64) ([]byte, error) {
	b, room := make([]byte, 0, min(max(512, announced+1), firstRoom)), int64(0) // what is announced has not come yet
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, len(b))
		}
		grown := int64(cap(b)) - room
		if room += grown; grown > 0 && !c.hold(grown) {
			return nil, busy(refused(Busy, http.StatusServiceUnavailable, "too many large bodies are on their way at once; send it again in a second"), time.Second)
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > most || err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// hold says whether n more bytes of a body may be held in memory: those of firstRoom always. Webhooks have a room of their own: until they are read they
// are strangers', who must not keep those with a key out.
func (c *call) hold(n int64) bool {
	c.room += n
	more := max(0, c.room-firstRoom) - c.held
	c.held += more
	switch {
	case more == 0:
		return true
	case c.op.scope == "":
		return c.g.strange.Add(more) <= strangeBodies
	}
	return c.g.held.Add(more) <= allBodies
}

// turn returns when a body of n bytes may be made jobs of: small ones at once. Call release when they are sent.
func (c *call) turn(n int) (release func(), err error) {
	if n <= firstRoom {
		return func() {}, nil
	}
	select {
	case c.g.turns <- struct{}{}:
		return func() { <-c.g.turns }, nil
	case <-c.r.Context().Done():
		return nil, busy(refused(Busy, http.StatusServiceUnavailable, "too many large bodies came before this one; send it again in a second"), time.Second)
	}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}
