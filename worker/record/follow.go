package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/millrace/millrace/pipelines/engine"
)

// followEvery is how often Follow looks for more.
const followEvery = 500 * time.Millisecond

// Logs yields what the job's attempts have written to their logs so far, the first attempt first, each in the order
// in which it happened. It yields ErrNotFound for a job that has not begun.
func (b *Book) Logs(ctx context.Context, id string) iter.Seq2[engine.Event, error] {
	return b.logs(ctx, id, func(f *folder, _ bool) (bool, error) {
		if f.empty() {
			return false, ErrNotFound
		}
		return false, nil
	})
}

// Follow is Logs that goes on until the job is over or ctx ends, through all attempts. It waits for a job that has not
// begun.
func (b *Book) Follow(ctx context.Context, id string) iter.Seq2[engine.Event, error] {
	return b.logs(ctx, id, func(_ *folder, over bool) (bool, error) {
		if over {
			return false, nil
		}
		timer := time.NewTimer(followEvery)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	})
}

// logs yields the chunks that it has not yielded yet, again and again as long as more says so. more is told whether
// the job was over before the chunks were listed.
func (b *Book) logs(ctx context.Context, id string, more func(f *folder, over bool) (bool, error)) iter.Seq2[engine.Event, error] {
	return func(yield func(engine.Event, error) bool) {
		var seen chunk
		var over bool
		err := checkID(id)
		for err == nil {
			var f *folder
			if f, err = b.folder(ctx, id); err != nil {
				break
			}
			var stopped bool
			if seen, stopped, err = b.chunks(ctx, id, f.logs, seen, yield); stopped || err != nil {
				break
			}
			var again bool
			if again, err = more(f, over); !again {
				break
			}
			over = f.final
		}
		if err != nil {
			yield(engine.Event{}, fmt.Errorf("read log of job %s: %w", id, err))
		}
	}
}

// chunks yields the chunks after seen, and returns the last it has yielded and whether the caller has had enough.
func (b *Book) chunks(ctx context.Context, id string, logs []chunk, seen chunk, yield func(engine.Event, error) bool) (chunk, bool, error) {
	for _, c := range logs {
		if compareChunks(c, seen) <= 0 {
			continue
		}
		more, err := b.chunk(ctx, chunkKey(id, "log", c), yield)
		if !more || err != nil {
			return seen, !more, err
		}
		seen = c
	}
	return seen, false, nil
}

func (b *Book) chunk(ctx context.Context, key string, yield func(engine.Event, error) bool) (more bool, err error) {
	r, _, err := b.store.Open(ctx, key)
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	dec := json.NewDecoder(r)
	for {
		var ev engine.Event
		switch err := dec.Decode(&ev); {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return true, fmt.Errorf("decode %s: %w", key, err)
		}
		if !yield(ev, nil) {
			return false, nil
		}
	}
}
