package chromium

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/warm"
)

// grace is what it gets to end by itself: it has nothing to save.
const grace = time.Millisecond

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

// A process is a browser that runs.
type process struct {
	*browser
	own    string // its folder: its profile, and what pages are handed
	page   *page  // that was opened in advance, and knows no model yet; nil is none
	cancel context.CancelCauseFunc
	pipes  *pipes
	limits proc.Limits
	usage  proc.Usage

	done chan struct{} // closed when it is gone, and the fields below are set
	said warm.Tail
	exit proc.Exit
	err  error
}

// start starts a browser, which runs until it is ended or ctx is.
func (c Chromium) start(ctx context.Context) (*process, error) {
	found, err := c.Tools.Find(ctx, tool.Chromium())
	if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
		return nil, fault.As(fault.Permanent, lacks)
	}
	if err != nil {
		return nil, fmt.Errorf("find Chromium: %w", err)
	}
	pipes, err := newPipes()
	if err != nil {
		return nil, err
	}
	own, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		pipes.close()
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	p := &process{
		browser: &browser{in: pipes.in, out: bufio.NewReaderSize(pipes.out, 1<<20)},
		own:     own, cancel: cancel, pipes: pipes, limits: c.Tools.LimitsOf(tool.Chromium()), done: make(chan struct{}),
	}
	start, args := found.Command()
	cmd := proc.Cmd{
		Path: start, Args: append(args, flags(own)...), Dir: own, Stderr: &p.said, Grace: grace, Limits: p.limits, Usage: &p.usage, Files: pipes.its[:],
		Env: append(slices.Clone(c.Env), "HOME="+own, "TMPDIR="+own, "XDG_CONFIG_HOME="+own, "XDG_CACHE_HOME="+own),
	}
	go func() { // ends with the process: End waits for it
		defer close(p.done)
		p.exit, p.err = c.Exec.Run(ctx, cmd)
		pipes.closeIts() // what we wait for on the other end does not come any more
	}()
	return p, nil
}

// lead has work lead the browser, which is ended where ctx ends first. The error says why the browser ended, where that is why work
// failed.
func (p *process) lead(ctx context.Context, work func() error) error {
	stop := context.AfterFunc(ctx, func() { p.cancel(context.Cause(ctx)) })
	defer stop()
	err := work()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.Is(err, errGone):
		return err
	}
	p.cancel(errDone)
	<-p.done
	if p.err != nil && !errors.Is(p.err, errDone) {
		return fmt.Errorf("run Chromium: %w", p.err)
	}
	if failed := p.exit.Failure("Chromium", p.limits, p.said.Last()); failed != nil {
		return failed
	}
	return err
}

var (
	errDone = errors.New("it has done its work")
	errGone = errors.New("Chromium ended before it was done")
)

// Gone says that the browser has ended.
func (p *process) Gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// End ends the browser with all it started.
func (p *process) End() {
	p.cancel(errDone)
	<-p.done
	p.pipes.close()
	_ = os.RemoveAll(p.own)
}

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
