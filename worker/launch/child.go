package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines/engine"
)

const (
	startTimeout = 30 * time.Second // from start to ready
	endTimeout   = 2 * time.Second  // from the end of its stdin to its exit
)

// StartEnv is a variable that a child is started with: until it is ready nothing is collected, which is a third of what its
// start would cost. The child then sets the percentage that it works with.
const StartEnv = "GOGC=off"

// A child is one process that runs jobs, seen from the worker.
type child struct {
	cfg      Config
	dir      Dir
	devices  []string // that it may use
	key      string   // what it is warm for; empty before its first job
	jobs     int
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	to       *lineWriter
	events   *os.File
	from     *lineReader
	stderr   *ends
	confined string        // what confines it, in its own words
	memory   int64         // resident bytes that its present job's tree may use; 0 is no limit
	began    bool          // it has told something of its present job
	started  int           // proc.LastStarted when it was last looked at, and had no descendants
	looked   time.Time     // when that was
	left     bool          // its last job may have left processes behind
	warmed   bool          // it was told that it is idle, and may have processes that no job started
	dying    bool          // it was killed after its last job, and may not be gone yet
	reaping  sync.Mutex    // held while the process is reaped or killed: its pid must not be a stranger's by then
	exited   chan struct{} // closed when the process was waited for
}

func startChild(cfg Config, dir Dir, devices []string) (*child, error) {
	cmd := exec.Command(cfg.Argv[0], cfg.Argv[1:]...)
	cmd.Env = append(append(slices.Clone(cfg.Env), dir.Environ()...), StartEnv)
	cmd.Dir = dir.Workspace()
	cmd.SysProcAttr = childAttr()
	cmd.WaitDelay = time.Second
	c := &child{cfg: cfg, dir: dir, devices: devices, cmd: cmd, stderr: &ends{max: 8 << 10}, exited: make(chan struct{})}
	cmd.Stderr = c.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// A pipe of our own, not cmd's: Wait would close it before the last events are read.
	events, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = w
	c.stdin, c.to, c.events, c.from = stdin, &lineWriter{w: stdin}, events, newLineReader(events, maxEvent)
	err = cmd.Start()
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, errors.Join(err, events.Close())
	}
	go func() { // ends with the process: end and kill wait for exited
		if proc.AwaitExit(c.pid()) {
			c.reaping.Lock()
			defer c.reaping.Unlock()
		}
		_ = cmd.Wait() // how it ended is in ProcessState
		close(c.exited)
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// gone says that the process has exited.
func (c *child) gone() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// awaitReady tells the child its setup and waits for its word.
func (c *child) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, c.kill)()
	setup := c.cfg.Setup
	setup.Dir, setup.Devices = c.dir, c.devices
	var m fromChild
	err := c.to.write(toChild{Setup: &setup})
	if err == nil {
		err = c.from.next(&m)
	}
	if err == nil && m.Ready == nil {
		err = errOutOfTurn
	}
	if err != nil {
		c.kill()
		return fmt.Errorf("child did not get ready: %w: %s", err, c.stderr)
	}
	c.cfg.Log.DebugContext(ctx, "child ready", "pid", c.pid(), "confined", m.Ready.Confined, "duration", m.Ready.Took)
	c.confined = m.Ready.Confined
	return nil
}

// work runs a request to its end; the job asks for what share has. died says that the process is no more: the run is then
// made of what it had told.
func (c *child) work(ctx context.Context, share *Share, req *Request, rep engine.Reporter) (run *engine.Run, died bool) {
	c.memory = share.memory()
	var oom killed
	blame := func(f *engine.Failure) {
		if req.Blame != nil && ctx.Err() == nil { // stopped, it is nobody's fault
			req.Blame(ctx, *f)
		}
	}
	stopWatch := c.watch(&oom, blame)
	defer stopWatch()
	// On ctx's end the child is told to stop; one that does not within the grace is killed.
	over, stopped := make(chan struct{}), make(chan struct{})
	unstop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		c.stop(context.Cause(ctx), over)
	})
	defer func() {
		close(over)
		if !unstop() {
			<-stopped // or the next job of this child would hear the stop
		}
	}()

	counter := newCounter(share, c.to)
	defer counter.close(c.cfg.Grace, c.kill)

	c.began = false
	if c.jobs == 0 && !c.warmed { // until now nothing of a job's was in it
		c.started, c.looked = proc.LastStarted(), time.Now()
	}
	partial := startRun(req)
	err := c.to.write(toChild{Request: req})
	for err == nil {
		var m fromChild
		if err = c.from.next(&m); err != nil {
			break
		}
		switch {
		case m.Event != nil:
			c.began = true
			clip(m.Event)
			partial.add(m.Event)
			rep.Report(ctx, *m.Event)
		case m.Ask != nil && c.from.size > maxAsk:
			err = errAsksTooMuch
		case m.Ask != nil:
			err = counter.take(ctx, *m.Ask)
		case m.Done != nil:
			c.rest(m.Done, share.lent() || req.Alone)
			return share.judged(believed(ctx, m.Done, counter.refusal)), false
		default:
			err = errOutOfTurn
		}
	}
	c.kill()
	f := c.obituary(err, oom.get(), share)
	if c.began && oom.get() == 0 {
		blame(f)
	}
	return partial.end(ctx, f), true
}

// roundTrip is too short a time for a machine to give out all numbers of processes.
const roundTrip = 50 * time.Millisecond

// rest ends a child whose job is over, and what that has started, but for a child that has left nothing behind and may have
// another job. wait says that what the process itself holds goes to others: it is gone then, if it was ended.
func (c *child) rest(run *engine.Run, wait bool) {
	c.jobs++
	before, since := c.started, c.looked
	c.started, c.looked = proc.LastStarted(), time.Now()
	// Most jobs start nothing: then nobody need be looked for.
	quiet := before != 0 && before == c.started && c.looked.Sub(since) < roundTrip && !wait
	if run.Status == engine.Succeeded && c.jobs < c.cfg.Reuse && (quiet || proc.IsAlone(c.pid())) {
		return
	}
	c.dying = true
	c.reaping.Lock()
	switch {
	case c.gone():
		c.left = !quiet
	case quiet:
		_ = c.cmd.Process.Kill()
		c.left = proc.LastStarted() != c.started
	default:
		c.left = !proc.KillTree(c.pid())
	}
	c.reaping.Unlock()
	if wait {
		<-c.exited
	}
}

// idle tells the child that it waits for a job, which nobody else must be about to hand to it.
func (c *child) idle() {
	if c.cfg.Setup.Warm == nil {
		return
	}
	c.warmed, c.started = true, 0       // what it starts is to be looked for
	_ = c.to.write(toChild{Idle: true}) // a child that is gone is seen when it is taken
}

// obituary says why the child died; err is what its events ended with.
func (c *child) obituary(err error, oom int64, share *Share) *engine.Failure {
	if oom > 0 {
		return c.hoarded(oom)
	}
	f := &engine.Failure{
		Reason: engine.Crash, Kind: fault.Unknown, Message: fmt.Sprintf("the process that ran the job died (%s)", c.cmd.ProcessState),
	}
	itself := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !itself {
		f.Message += ": " + err.Error()
	}
	if line := c.stderr.reason(); line != "" {
		f.Message += ": " + line
	}
	if ws, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); itself && ok && ws.Signal() == syscall.SIGKILL {
		return share.ranOut(f)
	}
	return f
}

// stopOf is the Stop that a context's cause is or stands for.
func stopOf(cause error) *engine.Stop {
	if s, ok := errors.AsType[*engine.Stop](cause); ok {
		return s
	}
	return &engine.Stop{Reason: engine.Shutdown, Message: cause.Error()}
}

// stop asks the child to end its run, and kills it when the run is not over after the grace. It returns when over is
// closed.
func (c *child) stop(cause error, over <-chan struct{}) {
	s := stopOf(cause)
	if s.Now {
		c.kill()
		return
	}
	t := time.AfterFunc(c.cfg.Grace, c.kill) // before the write: a child that does not read blocks it until it is killed
	_ = c.to.write(toChild{Stop: s})         // when it is gone, work sees that itself
	<-over
	if !t.Stop() {
		c.kill() // under way: wait for it
	}
}

// kill ends the child and its tree at once and waits for it.
func (c *child) kill() {
	c.reaping.Lock()
	if !c.gone() {
		proc.KillTree(c.pid())
	}
	c.reaping.Unlock()
	<-c.exited
}

// end lets an idle child go, or kills it when it stays.
func (c *child) end() {
	defer c.events.Close()
	_ = c.stdin.Close()
	select {
	case <-c.exited:
	case <-time.After(endTimeout):
		c.kill()
	}
}
