package chromium

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxMessage is the bytes of one of the browser's messages: a tile is a third of it.
const maxMessage = 64 << 20

// A browser is led over a pipe, by the DevTools protocol: JSON, each message ended by a NUL.
type browser struct {
	in      io.Writer
	out     *bufio.Reader
	session string // of the page; empty is the browser itself
	calls   int
}

// A message is an answer, or an event.
type message struct {
	ID        int
	Method    string
	SessionID string
	Params    struct{ SessionID string }
	Result    json.RawMessage
	Error     *struct{ Message string }
}

// crash says that a message means that no answer will come from the page.
func (b *browser) crash(m message) bool {
	switch m.Method {
	case "Inspector.targetCrashed", "Target.targetCrashed":
		return m.SessionID == b.session || m.SessionID == ""
	case "Target.detachedFromTarget":
		return m.Params.SessionID == b.session
	}
	return false
}

// call sends a command and decodes its answer. Events are passed over, but those that mean that no answer will come.
func (b *browser) call(method string, params, answer any) error {
	b.calls++
	text, err := json.Marshal(struct {
		ID        int    `json:"id"`
		Method    string `json:"method"`
		Params    any    `json:"params"`
		SessionID string `json:"sessionId,omitzero"`
	}{b.calls, method, params, b.session})
	if err != nil {
		return err
	}
	if _, err := b.in.Write(append(text, 0)); err != nil {
		return errGone
	}
	for {
		m, err := b.receive()
		switch {
		case err != nil:
			return err
		case b.crash(m):
			return errors.New("the page of Chromium crashed; the model may be too large for this machine")
		case m.ID != b.calls:
		case m.Error != nil:
			return fmt.Errorf("call %s of Chromium: %s", method, m.Error.Message)
		case answer == nil:
			return nil
		default:
			return json.Unmarshal(m.Result, answer)
		}
	}
}

func (b *browser) receive() (m message, err error) {
	var text []byte
	for {
		part, err := b.out.ReadSlice(0)
		if len(text)+len(part) > maxMessage {
			return m, errors.New("Chromium sends too much at once")
		}
		text = append(text, part...)
		switch {
		case err == nil:
			if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
				return m, fmt.Errorf("read what Chromium says: %w", err)
			}
			return m, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return m, errGone
		}
	}
}

// evaluate runs a script in the page and decodes what it, or its promise, comes to. What it throws is a permanent error.
func (b *browser) evaluate(script string, answer any) error {
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := b.call("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": answer != nil}, &out)
	if err != nil {
		return err
	}
	if e := out.ExceptionDetails; e != nil {
		what, _, _ := strings.Cut(e.Exception.Description, "\n")
		if what == "" {
			what = e.Text
		}
		return permanent(strings.TrimPrefix(what, "Error: "))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(out.Result.Value, answer)
}
