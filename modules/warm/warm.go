// Package warm keeps a program running from one request to the next, where its start takes longer than its work.
package warm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/proc"
)

// maxSaid is how much of the end of what a program prints is kept for the sentence on its failure, in bytes.
const maxSaid = 4 << 10

// A Program answers each line of its standard input with one of its standard output, and ends where there are no more.
type Program struct {
	Name      string // as people know it
	Exec      proc.Runner
	Cmd       proc.Cmd // its Dir is its own, and goes with it; standard input and output are set here
	MaxAnswer int      // bytes of a line
}

// A Request is one line, and what becomes of the answer.
type Request struct {
	// Line makes it, without its end; dir is the folder of the program that will be asked, to put files into.
	Line func(dir string) ([]byte, error)
	// Take reads the answer, and files of dir. After an error the program is not asked again.
	Take func(dir string, answer []byte) error
}

// A Keeper keeps one program. It belongs to one job: nothing of another may be in the program's memory. All methods may be
// called from any goroutine; requests wait for each other.
type Keeper struct {
	uses int           // that one program is good for: what it leaks goes with it
	turn chan struct{} // holds a token: who took it may use p
	p    *process      // nil where none runs
}

// NewKeeper makes one whose programs answer so many requests each. Close it after use.
func NewKeeper(uses int) *Keeper {
	k := &Keeper{uses: uses, turn: make(chan struct{}, 1)}
	k.turn <- struct{}{}
	return k
}

// Close ends the program, and waits for it.
func (k *Keeper) Close() {
	<-k.turn
	defer func() { k.turn <- struct{}{} }()
	k.end()
}

func (k *Keeper) end() {
	if k.p != nil {
		k.p.end()
		k.p = nil
	}
}

// Ask makes a request of the program that runs, or of a new one. What a program used is known, but for the time, when it ends.
func (k *Keeper) Ask(ctx context.Context, start func(context.Context) (Program, error), r Request) (stats proc.Stats, err error) {
	began := time.Now()
	select {
	case <-k.turn:
		defer func() { k.turn <- struct{}{} }()
	case <-ctx.Done():
		return stats, context.Cause(ctx)
	}
	if k.p != nil && (k.p.uses >= k.uses || k.p.gone()) {
		k.end()
	}
	if k.p == nil {
		program, err := start(ctx)
		if err != nil {
			return stats, err
		}
		if k.p, err = begin(context.WithoutCancel(ctx), program); err != nil {
			return stats, err
		}
	}
	k.p.uses++
	if err = k.p.exchange(ctx, r); err != nil {
		stats = k.p.end()
		k.p = nil
	}
	stats.Elapsed = time.Since(began)
	return stats, err
}

// Once makes one request of a program, which ends upon it.
func (p Program) Once(ctx context.Context, r Request) (proc.Stats, error) {
	began := time.Now()
	run, err := begin(ctx, p)
	if err != nil {
		return proc.Stats{}, err
	}
	err = run.exchange(ctx, r)
	if err == nil {
		_ = run.stdin.Close() // which it ends upon by itself
		select {
		case <-run.done:
		case <-ctx.Done():
		}
	}
	stats := run.end()
	stats.Elapsed = time.Since(began)
	return stats, err
}

// An EndedError is a program that ended in the place of an answer, otherwise than well.
type EndedError struct {
	Exit  proc.Exit
	cause error // a sentence
}

func (e *EndedError) Error() string { return e.cause.Error() }
func (e *EndedError) Unwrap() error { return e.cause }

// A process is a program that runs.
type process struct {
	Program
	stdin   *os.File
	stdout  *os.File
	answers *bufio.Reader
	cancel  context.CancelFunc
	uses    int

	done  chan struct{} // closed when it is gone, and the fields below are set
	stats proc.Stats
	err   error
}

// begin starts a program, which runs until it is ended or ctx is.
func begin(ctx context.Context, program Program) (*process, error) {
	cmd := program.Cmd
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(cmd.Dir))
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), stdin.Close(), os.RemoveAll(cmd.Dir))
	}
	said := &tail{}
	cmd.Stdin, cmd.Stdout = in, stdout
	if cmd.Stderr = io.Writer(said); program.Cmd.Stderr != nil {
		cmd.Stderr = io.MultiWriter(said, program.Cmd.Stderr)
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &process{Program: program, stdin: stdin, stdout: out, answers: bufio.NewReader(out), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		exit, err := program.Exec.Run(ctx, cmd)
		p.stats = exit.Stats
		if cause := exit.Failure(program.Name, cmd.Limits, said.last()); cause != nil {
			p.err = &EndedError{exit, cause}
		}
		if err != nil {
			p.err = fmt.Errorf("run %s: %w", program.Name, err)
		}
		_ = errors.Join(in.Close(), stdout.Close()) // the reader of answers meets their end
	}()
	return p, nil
}

func (p *process) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// exchange makes a request and has its answer read. Where that takes too long the process is ended.
func (p *process) exchange(ctx context.Context, r Request) error {
	stop := context.AfterFunc(ctx, p.cancel)
	defer stop()
	line, err := r.Line(p.Cmd.Dir)
	if err != nil {
		return err
	}
	_, err = p.stdin.Write(append(line, '\n'))
	var answer []byte
	if err == nil {
		answer, err = p.line()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		return r.Take(p.Cmd.Dir, answer)
	}
	p.stop()
	if p.err != nil && !errors.Is(p.err, context.Canceled) {
		return p.err
	}
	return fmt.Errorf("%s gave no answer: %w", p.Name, err)
}

func (p *process) line() ([]byte, error) {
	var all []byte
	for {
		part, err := p.answers.ReadSlice('\n')
		if all = append(all, part...); len(all) > p.MaxAnswer {
			return nil, fmt.Errorf("its answer is longer than %d bytes", p.MaxAnswer)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return all, err
		}
	}
}

// end ends the process, and returns what it used.
func (p *process) end() proc.Stats {
	p.stop()
	_ = os.RemoveAll(p.Cmd.Dir)
	return p.stats
}

// stop ends the program, and waits for it. What it still prints meets a closed door: it would wait for a reader.
func (p *process) stop() {
	p.cancel()
	_ = errors.Join(p.stdin.Close(), p.stdout.Close())
	<-p.done
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
