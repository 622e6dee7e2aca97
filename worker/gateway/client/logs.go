package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
)

const (
	// silence is how long a stream may be silent before it counts as broken: a gateway sends something every 15 s.
	silence = time.Minute
	// breaks is how often in a row a stream may break before anything comes of it.
	breaks = 8
	// maxEvent is the longest line of a stream, in bytes.
	maxEvent = 16 << 20
)

// Logs yields what a job has logged; with follow until it is over, also where it has not begun. A connection that breaks is made
// again, and goes on where it was.
func (c *Client) Logs(ctx context.Context, id string, follow bool) iter.Seq2[engine.Event, error] {
	return func(yield func(engine.Event, error) bool) {
		f := follower{c: c, id: id, follow: follow, yield: yield}
		if err := f.run(ctx); err != nil {
			yield(engine.Event{}, err)
		}
	}
}

// A follower is one reading of a log.
type follower struct {
	c      *Client
	id     string
	follow bool
	yield  func(engine.Event, error) bool
	last   string // ID of the last event
	done   bool   // the log has ended, or the caller has enough
	came   bool   // something came by this connection
}

func (f *follower) run(ctx context.Context) error {
	for broken := 0; ; {
		f.came = false
		err := f.connect(ctx)
		if f.done {
			return nil
		}
		_, refused := errors.AsType[*Error](err)
		if _, passes := restOf(err, 1); ctx.Err() != nil || refused && (!passes || !f.c.met.Load()) {
			return missing(err)
		}
		if broken++; f.came {
			broken = 1
		}
		if broken == breaks {
			return fmt.Errorf("read the log from %s: %w", f.c.base.String(), err)
		}
		if !pause(ctx, min(time.Second<<(broken-1), 10*time.Second)) {
			return context.Cause(ctx)
		}
	}
}

// errSilent ends a connection by which nothing comes.
var errSilent = fmt.Errorf("nothing came for %v", silence)

// connect reads one stream until it ends. Its error says why it ended before the log did.
func (f *follower) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := Request{
		Method: http.MethodGet, Path: jobPath(f.id) + "/logs", Query: url.Values{"follow": {strconv.FormatBool(f.follow)}},
		Header: http.Header{"Accept": {"text/event-stream"}},
	}
	if f.last != "" {
		r.Header.Set("Last-Event-ID", f.last)
	}
	resp, err := f.c.Do(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		f.done = true
		return nil
	}
	watch := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watch.Stop()
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	var ev message
	for {
		line, err := readLine(lines)
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return err
		}
		watch.Reset(silence)
		if line != "" {
			ev.take(line)
			continue
		}
		if err := f.handle(ev); err != nil || f.done {
			return err
		}
		ev = message{}
	}
}

// A message is one event of a stream.
type message struct{ id, kind, data string }

func (m *message) take(line string) {
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "id":
		m.id = value
	case "event":
		m.kind = value
	case "data":
		m.data = value
	}
}

// handle passes an event on. Its error says that the gateway ends the stream before its end.
func (f *follower) handle(m message) error {
	switch {
	case m.data == "":
		return nil
	case m.kind == "end":
		f.done = true
		return nil
	case m.kind != "":
		var why struct{ Detail string }
		_ = json.Unmarshal([]byte(m.data), &why) // what it is called is enough
		return fmt.Errorf("the gateway says %s: %s", m.kind, why.Detail)
	}
	var ev engine.Event
	if err := json.Unmarshal([]byte(m.data), &ev); err != nil {
		return fmt.Errorf("an event can't be read: %w", err)
	}
	f.came, f.last = true, m.id
	f.done = !f.yield(ev, nil)
	return nil
}

// readLine returns the next line without its end.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxEvent:
			return "", fmt.Errorf("an event has more than %d bytes", maxEvent)
		case err == nil:
			return strings.TrimRight(string(line), "\r\n"), nil
		case errors.Is(err, io.EOF):
			return "", io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}
