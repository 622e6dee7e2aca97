package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
)

// ErrAbandoned is how Serve ends when its worker went away while a job ran. The caller must end the process, and
// with it everything the job started.
var ErrAbandoned = errors.New("the worker is gone")

// Serve is a child's life: it hears its setup, prepares itself by it, then runs one request after the other until
// its stdin ends. prepare confines the process and returns what runs requests and a word on the confinement.
func Serve(in io.Reader, out io.Writer, prepare func(Setup) (Service, string, error)) error {
	start := time.Now()
	lines, events := newLineReader(in, maxRequest), &lineWriter{w: out}
	var first toChild
	if err := lines.next(&first); err != nil || first.Setup == nil {
		return fmt.Errorf("read setup: %w", errors.Join(err, errOutOfTurn))
	}
	service, confined, err := prepare(*first.Setup)
	if err != nil {
		return fmt.Errorf("prepare child: %w", err)
	}
	if err := events.write(fromChild{Ready: &Ready{Confined: confined, Took: time.Since(start)}}); err != nil {
		return err
	}
	s := &server{
		dir: first.Setup.Dir, service: service, events: events, done: make(chan error, 1),
		link: &link{events: events, waiting: map[int]chan answer{}},
	}
	return s.loop(lines)
}

var errOutOfTurn = errors.New("not what was expected now")

type server struct {
	dir     Dir
	service Service
	events  *lineWriter
	link    *link
	stop    context.CancelCauseFunc // of the request under way; nil when idle
	done    chan error              // one value a request: what writing its end gave
}

func (s *server) loop(lines *lineReader) error {
	msgs := make(chan toChild)
	var readErr error // set before msgs is closed
	// The reader ends with stdin, which ends with the worker; Serve does not wait for it when writing fails first.
	go func() {
		defer close(msgs)
		for {
			var m toChild
			if readErr = lines.next(&m); readErr != nil {
				return
			}
			msgs <- m
		}
	}()
	for {
		select {
		case m, ok := <-msgs:
			switch {
			case !ok && s.stop != nil:
				return ErrAbandoned
			case !ok && errors.Is(readErr, io.EOF):
				return nil
			case !ok:
				return readErr
			case m.Request != nil || m.Idle:
				if s.stop != nil { // the worker has read the last run's end; we have not yet heard that it was written
					if err := <-s.done; err != nil {
						return err
					}
					s.stop = nil
				}
				if m.Request != nil {
					s.start(m.Request)
				} else if s.service.Idle != nil {
					s.service.Idle()
				}
			case m.Stop != nil && s.stop != nil:
				s.stop(m.Stop)
			case m.Stop != nil: // it came too late: the run is over
			case m.Answer != nil:
				s.link.hear(*m.Answer)
			default:
				return errOutOfTurn
			}
		case err := <-s.done:
			s.stop = nil
			if err != nil {
				return err
			}
		}
	}
}

// start runs a request; its end arrives on s.done.
func (s *server) start(req *Request) {
	ctx, cancel := context.WithCancelCause(context.Background())
	s.stop = cancel
	rep := engine.ReporterFunc(func(_ context.Context, ev engine.Event) {
		// An event that can't be written means that the worker is gone: stdin says so too.
		_ = s.events.write(fromChild{Event: &ev})
	})
	req.Host, req.Keys = s.link, s.link.Keys
	go func() {
		defer cancel(nil)
		s.done <- s.events.write(fromChild{Done: s.service.Run(ctx, s.dir, req, rep)})
	}()
}
