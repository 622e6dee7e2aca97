package blender

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/warm"
)

// maxUses is how many requests one Blender answers before another takes its place.
const maxUses = 200

// A Warm keeps a Blender for a job's next request. The scene is emptied in between.
type Warm struct{ place *warm.Place[*process] }

// NewWarm makes one. Close it after use.
func NewWarm() *Warm { return &Warm{warm.New[*process](maxUses)} }

// Close ends the Blender, and waits for it.
func (w *Warm) Close() { w.place.Close() }

// Ready starts b.Warm's Blender before there is a request, and does not wait until it has loaded. It is an error where it can't be
// started; the next request tries again.
func (b Blender) Ready(ctx context.Context) error {
	return b.Warm.place.Use(ctx, b.Env, b.start, func(*process) error { return nil })
}

// ask makes a request of the Blender that runs, or of a new one.
func (w *Warm) ask(ctx context.Context, b Blender, line []byte) (answer []byte, stats proc.Stats, err error) {
	began := time.Now()
	var asked *process
	err = w.place.Use(ctx, b.Env, b.start, func(p *process) (err error) {
		asked = p
		p.usage.Take() // what others used
		answer, err = p.ask(ctx, line)
		stats = p.usage.Take()
		return err
	})
	if asked != nil && asked.Gone() {
		stats = asked.stats
	}
	stats.Elapsed = time.Since(began)
	return answer, stats, err
}

// A process is a Blender that runs.
type process struct {
	stdin   *os.File
	stdout  *os.File
	answers *bufio.Reader // of stdout
	cancel  context.CancelFunc
	own     string // its folder

	usage proc.Usage

	done  chan struct{} // closed when it is gone, and the fields below are set
	stats proc.Stats
	err   error
}

// start starts a Blender, which runs until it is ended or ctx is.
func (b Blender) start(ctx context.Context) (*process, error) {
	cmd, limits, err := b.command(ctx)
	if err != nil {
		return nil, err
	}
	own := cmd.Dir
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(own))
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), stdin.Close(), os.RemoveAll(own))
	}
	said := &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, stdout, b.stderr(said)
	ctx, cancel := context.WithCancel(ctx)
	p := &process{stdin: stdin, stdout: out, answers: bufio.NewReader(out), cancel: cancel, own: own, done: make(chan struct{})}
	cmd.Usage = &p.usage
	go func() {
		defer close(p.done)
		exit, err := b.Exec.Run(ctx, cmd)
		p.stats = exit.Stats
		if p.err = failure(exit, limits, said.last()); err != nil {
			p.err = fmt.Errorf("run Blender: %w", err)
		}
		_ = errors.Join(in.Close(), stdout.Close()) // the reader of answers meets their end
	}()
	return p, nil
}

// Gone says that it has ended.
func (p *process) Gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// ask writes a request and reads its answer. Where that takes too long the process is ended.
func (p *process) ask(ctx context.Context, line []byte) ([]byte, error) {
	stop := context.AfterFunc(ctx, p.cancel)
	defer stop()
	_, err := p.stdin.Write(append(line, '\n'))
	var answer []byte
	if err == nil {
		answer, err = p.line()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err == nil {
		return answer, nil
	}
	p.cancel()
	_ = p.stdout.Close() // what it still prints would wait for a reader
	<-p.done
	if p.err != nil && !errors.Is(p.err, context.Canceled) {
		return nil, p.err
	}
	return nil, fmt.Errorf("Blender gave no answer: %w", err)
}

func (p *process) line() ([]byte, error) {
	var all []byte
	for {
		part, err := p.answers.ReadSlice('\n')
		if all = append(all, part...); len(all) > maxAnswer {
			return nil, errLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return all, err
		}
	}
}

var errLong = fmt.Errorf("the answer is longer than %d MiB", maxAnswer>>20)

// End ends the process.
func (p *process) End() {
	_ = p.stdin.Close() // which it ends upon by itself, were it not busy
	p.cancel()
	_ = p.stdout.Close()
	<-p.done
	_ = os.RemoveAll(p.own)
}

// once makes one request of a Blender of its own.
func (b Blender) once(ctx context.Context, line []byte) ([]byte, proc.Stats, error) {
	cmd, limits, err := b.command(ctx)
	if err != nil {
		return nil, proc.Stats{}, err
	}
	defer os.RemoveAll(cmd.Dir)
	answers, said := &limited{most: maxAnswer}, &tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(append(line, '\n')), answers, b.stderr(said)
	exit, err := b.Exec.Run(ctx, cmd)
	if err != nil {
		return nil, exit.Stats, fmt.Errorf("run Blender: %w", err)
	}
	if err := failure(exit, limits, said.last()); err != nil {
		return nil, exit.Stats, err
	}
	if answers.over {
		return nil, exit.Stats, errLong
	}
	return answers.text, exit.Stats, nil
}
