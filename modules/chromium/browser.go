package chromium

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

const (
	maxMessage = 64 << 20 // bytes of one of the browser's messages: a tile is a third of it
	maxSaid    = 4 << 10  // bytes of the end of what it prints
	// grace is what it gets to end by itself: it has nothing to save.
	grace = time.Millisecond
)

// flags start the browser. It is confined as every program of a job is (Landlock); its own sandbox needs privileges that a job does
// not have. It finds no host, not even this one.
func flags(own string) []string {
	return []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=" + own, "--no-sandbox", "--no-zygote", "--disable-dev-shm-usage",
		"--use-gl=angle", "--use-angle=gl-egl", "--ignore-gpu-blocklist", "--disable-gpu-watchdog",
		"--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>",
		"--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync",
		"--no-first-run", "--no-default-browser-check", "--no-pings", "--mute-audio",
	}
}

// A browser is led over a pipe, by the DevTools protocol: JSON, each message ended by a NUL.
type browser struct {
	in      io.Writer
	out     *bufio.Reader
	session string // of the page; empty is the browser itself
	calls   int
}

// led starts a browser, has work lead it, and ends it with all it started. The error says why the browser ended, where that is
// why work failed.
func (c Chromium) led(ctx context.Context, own string, work func(*browser) error) (proc.Stats, error) {
	found, err := c.Tools.Find(ctx, tool.Chromium())
	if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
		return proc.Stats{}, fault.As(fault.Permanent, lacks)
	}
	if err != nil {
		return proc.Stats{}, fmt.Errorf("find Chromium: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, fault.As(fault.Permanent, fmt.Errorf("Chromium takes longer than %v", maxTime)))
	defer cancel()
	pipes, err := newPipes()
	if err != nil {
		return proc.Stats{}, err
	}
	defer pipes.close()

	start, args := found.Command()
	said, limits := &tail{}, c.Tools.LimitsOf(tool.Chromium())
	running, end := context.WithCancelCause(ctx)
	var exit proc.Exit
	var ended error
	var wg sync.WaitGroup
	wg.Go(func() {
		exit, ended = c.Exec.Run(running, proc.Cmd{
			Path: start, Args: append(args, flags(own)...), Dir: own, Stderr: said, Grace: grace, Limits: limits, Files: pipes.its[:],
			Env: append(slices.Clone(c.Env), "HOME="+own, "TMPDIR="+own, "XDG_CONFIG_HOME="+own, "XDG_CACHE_HOME="+own),
		})
		pipes.closeIts() // what we wait for on the other end does not come any more
	})
	err = work(&browser{in: pipes.in, out: bufio.NewReaderSize(pipes.out, 1<<20)})
	end(errDone)
	wg.Wait()
	switch {
	case err == nil:
		return exit.Stats, nil
	case ctx.Err() != nil:
		return exit.Stats, context.Cause(ctx)
	case !errors.Is(err, errGone):
		return exit.Stats, err
	case ended != nil && !errors.Is(ended, errDone):
		return exit.Stats, fmt.Errorf("run Chromium: %w", ended)
	}
	if failed := exit.Failure("Chromium", limits, said.last()); failed != nil {
		return exit.Stats, failed
	}
	return exit.Stats, err
}

var (
	errDone = errors.New("it has done its work")
	errGone = errors.New("Chromium ended before it was done")
)

// pipes are the browser's descriptors 3, which it reads, and 4, and our ends of them.
type pipes struct {
	its  [2]*os.File
	in   *os.File
	out  *os.File
	once sync.Once
}

func newPipes() (*pipes, error) {
	var p pipes
	var err error
	if p.its[0], p.in, err = os.Pipe(); err != nil {
		return nil, err
	}
	if p.out, p.its[1], err = os.Pipe(); err != nil {
		_ = errors.Join(p.its[0].Close(), p.in.Close())
		return nil, err
	}
	return &p, nil
}

func (p *pipes) closeIts() { p.once.Do(func() { _ = errors.Join(p.its[0].Close(), p.its[1].Close()) }) }

func (p *pipes) close() {
	p.closeIts()
	_ = errors.Join(p.in.Close(), p.out.Close())
}

// A message is an answer, or an event.
type message struct {
	ID     int
	Method string
	Result json.RawMessage
	Error  *struct{ Message string }
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
		case m.Method == "Inspector.targetCrashed" || m.Method == "Target.targetCrashed" || m.Method == "Target.detachedFromTarget":
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

// A tail keeps the last maxSaid bytes.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p[max(0, len(p)-maxSaid):]...)
	t.text = t.text[max(0, len(t.text)-maxSaid):]
	return len(p), nil
}

// last is the last line.
func (t *tail) last() string {
	text := bytes.TrimSpace(t.text)
	return strings.ToValidUTF8(string(text[bytes.LastIndexByte(text, '\n')+1:]), "�")
}
