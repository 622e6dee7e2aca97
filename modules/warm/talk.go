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

// A Talker is a program that answers each line of its standard input with one of its standard output, and ends where there are no more.
type Talker struct {
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

// Once makes one request of a program, which ends upon it.
func (t Talker) Once(ctx context.Context, r Request) (proc.Stats, error) {
	began := time.Now()
	p, err := t.Begin(ctx)
	if err != nil {
		return proc.Stats{}, err
	}
	err = p.Exchange(ctx, r)
	if err == nil {
		_ = p.stdin.Close() // which it ends upon by itself
		select {
		case <-p.done:
		case <-ctx.Done():
		}
	}
	p.End()
	stats := p.Used()
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

// A Talk is with a Talker that runs. It is a Program for a Place.
type Talk struct {
	Talker
	stdin   *os.File
	stdout  *os.File
	answers *bufio.Reader
	cancel  context.CancelFunc

	usage proc.Usage

	done  chan struct{} // closed when it is gone, and the fields below are set
	stats proc.Stats
	err   error
}

var _ Program = (*Talk)(nil)

// Begin starts the program, which runs until it is ended or ctx is.
func (t Talker) Begin(ctx context.Context) (*Talk, error) {
	cmd := t.Cmd
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(cmd.Dir))
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), stdin.Close(), os.RemoveAll(cmd.Dir))
	}
	said := &Tail{}
	cmd.Stdin, cmd.Stdout = in, stdout
	if cmd.Stderr = io.Writer(said); t.Cmd.Stderr != nil {
		cmd.Stderr = io.MultiWriter(said, t.Cmd.Stderr)
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &Talk{Talker: t, stdin: stdin, stdout: out, answers: bufio.NewReader(out), cancel: cancel, done: make(chan struct{})}
	cmd.Usage = &p.usage
	go func() {
		defer close(p.done)
		exit, err := t.Exec.Run(ctx, cmd)
		p.stats = exit.Stats
		if cause := exit.Failure(t.Name, cmd.Limits, said.Last()); cause != nil {
			p.err = &EndedError{exit, cause}
		}
		if err != nil {
			p.err = fmt.Errorf("run %s: %w", t.Name, err)
		}
		_ = errors.Join(in.Close(), stdout.Close()) // the reader of answers meets their end
	}()
	return p, nil
}

// Gone says that it has ended.
func (p *Talk) Gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Exchange makes a request and has its answer read. Where that takes too long the process is ended.
func (p *Talk) Exchange(ctx context.Context, r Request) error {
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

func (p *Talk) line() ([]byte, error) {
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

// End ends the program, and waits for it.
func (p *Talk) End() {
	p.stop()
	_ = os.RemoveAll(p.Cmd.Dir)
}

// Used is what it used since this was last asked; of one that is gone, in all.
func (p *Talk) Used() proc.Stats {
	if p.Gone() {
		return p.stats
	}
	return p.usage.Take()
}

// stop ends the program, and waits for it. What it still prints meets a closed door: it would wait for a reader.
func (p *Talk) stop() {
	p.cancel()
	_ = errors.Join(p.stdin.Close(), p.stdout.Close())
	<-p.done
}

// A Tail keeps the last maxSaid bytes of what a program prints.
type Tail struct{ text []byte }

func (t *Tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p[max(0, len(p)-maxSaid):]...)
	t.text = t.text[max(0, len(t.text)-maxSaid):]
	return len(p), nil
}

// Last is the last line.
func (t *Tail) Last() string {
	text := bytes.TrimSpace(t.text)
	return strings.ToValidUTF8(string(text[bytes.LastIndexByte(text, '\n')+1:]), "�")
}
