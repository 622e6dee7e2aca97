package record

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
)

// followEvery is how soon a follower looks for more; while nothing comes it looks less and less often, down to followSlow.
const (
	followEvery = 500 * time.Millisecond
	followSlow  = 2 * time.Second
)

// A LogPlace is where an event stands in a job's log: of which attempt, in which chunk of its, in which line, each from 1. The zero
// one is before the first.
type LogPlace struct{ Attempt, Chunk, Line int }

func (p LogPlace) String() string { return fmt.Sprintf("%d-%d-%d", p.Attempt, p.Chunk, p.Line) }

// ParseLogPlace undoes String.
func ParseLogPlace(text string) (p LogPlace, err error) {
	numbers := strings.Split(text, "-")
	if len(numbers) != 3 || len(text) > 40 {
		return LogPlace{}, fmt.Errorf("%.40q is no place in a log: one looks like 1-2-3", text)
	}
	for i, to := range []*int{&p.Attempt, &p.Chunk, &p.Line} {
		n, err := strconv.ParseUint(numbers[i], 10, 31)
		if err != nil {
			return LogPlace{}, fmt.Errorf("%.40q is no place in a log: one looks like 1-2-3", text)
		}
		*to = int(n)
	}
	return p, nil
}

// A LogReading says what of a job's log is read.
type LogReading struct {
	After  LogPlace     // only what stands behind it
	Follow bool         // go on until the job is over, and wait for one that has not begun
	Rest   func() error // called before each wait for more, whose error ends the reading; may be nil
}

// A LogEvent is an event of a log.
type LogEvent struct {
	LogPlace
	engine.Event
}

// Logs is ReadLog from the beginning.
func (b *Book) Logs(ctx context.Context, id string, follow bool) iter.Seq2[engine.Event, error] {
	return func(yield func(engine.Event, error) bool) {
		for ev, err := range b.ReadLog(ctx, id, LogReading{Follow: follow}) {
			if !yield(ev.Event, err) {
				return
			}
		}
	}
}

// ReadLog yields what the job's attempts have written to their logs, the first attempt first, each in the order in which
// it happened. Of a job that has not begun, and is not followed, that is ErrNotFound. Lines that a power cut has cut off are left out.
func (b *Book) ReadLog(ctx context.Context, id string, o LogReading) iter.Seq2[LogEvent, error] {
	return func(yield func(LogEvent, error) bool) {
		t := tailer{book: b, id: id, after: o.After, seen: map[int]int{o.After.Attempt: o.After.Chunk - 1}, yield: yield}
		err := checkID(id)
		every := followEvery / 2
		for over := !o.Follow; err == nil; {
			var final, more bool
			if final, more, err = t.next(ctx, o.Follow); err != nil || over {
				break // over was known before the chunks were listed: there are no more
			}
			if every = min(2*every, followSlow); more || final {
				every = followEvery
			}
			if o.Rest != nil {
				if err = o.Rest(); err != nil {
					break
				}
			}
			over = final
			err = pause(ctx, every) // also when it is over: the log may be a moment behind the final record
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(LogEvent{}, fmt.Errorf("read log of job %s: %w", id, err))
		}
	}
}

// errStop says that the caller has had enough.
var errStop = errors.New("stop")

// A tailer is one reading of a job's log.
type tailer struct {
	book  *Book
	id    string
	after LogPlace
	seen  map[int]int // attempt → number of its last chunk that was yielded
	yield func(LogEvent, error) bool
}

// next yields the chunks that are new, and says whether the job is over, and whether there were any.
func (t *tailer) next(ctx context.Context, follow bool) (final, more bool, err error) {
	f, err := t.book.folder(ctx, t.id)
	if err != nil {
		return false, false, err
	}
	if len(f.attempts) == 0 && !f.final && !follow {
		return false, false, ErrNotFound
	}
	for _, c := range f.logs {
		if c.n < t.after.Attempt || c.seq <= t.seen[c.n] {
			continue
		}
		if err := t.chunk(ctx, c); err != nil {
			return false, false, err
		}
		t.seen[c.n], more = c.seq, true
	}
	return f.final, more, nil
}

func (t *tailer) chunk(ctx context.Context, c chunk) (err error) {
	key := chunkKey(t.id, "log", c)
	r, _, err := t.book.store.Open(ctx, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	at := LogPlace{Attempt: c.n, Chunk: c.seq}
	passed := 0 // lines of the chunk that were read before
	if t.after.Attempt == c.n && t.after.Chunk == c.seq {
		passed = t.after.Line
	}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		at.Line++
		var ev engine.Event
		if at.Line > passed && json.Unmarshal(line, &ev) == nil && !t.yield(LogEvent{at, ev}, nil) {
			return errStop
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
	}
}

// pause waits, and returns why it was cut short.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
