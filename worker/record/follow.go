package record

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
)

// followEvery is how often a follower looks for more.
const followEvery = 500 * time.Millisecond

// Logs yields what the job's attempts have written to their logs, the first attempt first, each in the order in which
// it happened. With follow it goes on until the job is over, and waits for a job that has not begun; without, that is
// ErrNotFound. Lines that a power cut has cut off are left out.
func (b *Book) Logs(ctx context.Context, id string, follow bool) iter.Seq2[engine.Event, error] {
	return func(yield func(engine.Event, error) bool) {
		t := tailer{book: b, id: id, seen: make(map[int]int), yield: yield}
		err := checkID(id)
		for over := !follow; err == nil; {
			var final bool
			if final, err = t.next(ctx, follow); err != nil || over {
				break // over was known before the chunks were listed: there are no more
			}
			over = final
			err = pause(ctx, followEvery) // also then: the log may be a moment behind the final record
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(engine.Event{}, fmt.Errorf("read log of job %s: %w", id, err))
		}
	}
}

// errStop says that the caller has had enough.
var errStop = errors.New("stop")

// A tailer is one reading of a job's log.
type tailer struct {
	book  *Book
	id    string
	seen  map[int]int // attempt → number of its last chunk that was yielded
	yield func(engine.Event, error) bool
}

// next yields the chunks that are new, and says whether the job is over.
func (t *tailer) next(ctx context.Context, follow bool) (final bool, err error) {
	f, err := t.book.folder(ctx, t.id)
	if err != nil {
		return false, err
	}
	if len(f.attempts) == 0 && !f.final && !follow {
		return false, ErrNotFound
	}
	for _, c := range f.logs {
		if c.seq <= t.seen[c.n] {
			continue
		}
		if err := t.chunk(ctx, chunkKey(t.id, "log", c)); err != nil {
			return false, err
		}
		t.seen[c.n] = c.seq
	}
	return f.final, nil
}

func (t *tailer) chunk(ctx context.Context, key string) (err error) {
	r, _, err := t.book.store.Open(ctx, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		var ev engine.Event
		if json.Unmarshal(line, &ev) == nil && !t.yield(ev, nil) {
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
