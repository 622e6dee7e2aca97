package bucket

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
)

const (
	// tries is how often a call is made at most.
	tries = 4
	// firstPause is at most how long it waits before the second try; every further wait may be twice as long.
	firstPause = 200 * time.Millisecond
	// floor is the slowest transfer that counts as one, in bytes/s.
	floor = 4 << 10
)

// try makes a call that sends next to nothing until it is done, refused, or has been tried often enough. what is for people.
func (s *Store) try(ctx context.Context, what string, call func(context.Context) error) error {
	return s.again(ctx, func() error {
		limited, cancel := context.WithTimeoutCause(ctx, s.stall, errSilent)
		defer cancel()
		return s.explain(ctx, limited, what, call(limited))
	})
}

// send makes a call that sends size bytes of r, from its start at each try. A try ends when it stalls, however long it takes.
func (s *Store) send(ctx context.Context, what string, r io.ReaderAt, size int64, call func(context.Context, *Body) error) error {
	return s.again(ctx, func() error {
		limited, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		body := &Body{ReadSeeker: io.NewSectionReader(r, 0, size), size: size}
		defer s.watch(body, func(why error) { cancel(why) })()
		return s.explain(ctx, limited, what, call(limited, body))
	})
}

// sendBytes is send of what lies in memory.
func (s *Store) sendBytes(ctx context.Context, what string, b []byte, call func(context.Context, *Body) error) error {
	return s.send(ctx, what, bytes.NewReader(b), int64(len(b)), call)
}

// watch looks at a body once in every s.stall and gives the call up where it stalls, until stop is called.
func (s *Store) watch(body *Body, giveUp func(error)) (stop func()) {
	p := &pace{body: body, most: int64(floor * s.stall.Seconds())}
	ended := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(s.stall)
		defer t.Stop()
		for {
			select {
			case <-ended:
				return
			case <-t.C:
				if !p.keeps() {
					giveUp(errSilent)
					return
				}
			}
		}
	}()
	return func() {
		close(ended)
		<-done
	}
}

// again makes a call until it is done, refused, or has been tried often enough.
func (s *Store) again(ctx context.Context, call func() error) error {
	for n := 1; ; n++ {
		err := call()
		if err == nil || n == tries || !passes(err) || !pause(ctx, n) {
			return err
		}
	}
}

// explain makes a *cloud.Error of what a call within limited returned, where it wasn't ctx that ended.
func (s *Store) explain(ctx, limited context.Context, what string, err error) error {
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		err = context.Cause(limited)
	}
	return sdk.Explain(ctx, what, err)
}

// passes says that the same call may be done next time.
func passes(err error) bool {
	return cloud.Is(err, cloud.Unreachable) || cloud.Is(err, cloud.Throttled)
}

// pause waits before try n+1, and says false where ctx ends before.
func pause(ctx context.Context, n int) bool {
	t := time.NewTimer(rand.N(firstPause<<(n-1)) + time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
