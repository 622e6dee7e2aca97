package bucket

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
)

const (
	// tries is how often a call is made at most.
	tries = 4
	// firstPause is at most how long it waits before the second try; every further wait may be twice as long.
	firstPause = 200 * time.Millisecond
	// floor is the slowest transfer that counts as one, in bytes/s.
	floor = 4 << 10
)

// try makes a call that sends size bytes until it is done, refused, or has been tried often enough. what is for people.
func (s *Store) try(ctx context.Context, what string, size int, call func(context.Context) error) error {
	for n := 1; ; n++ {
		err := s.once(ctx, what, size, call)
		if err == nil || n == tries || !passes(err) || !pause(ctx, n) {
			return err
		}
	}
}

func (s *Store) once(ctx context.Context, what string, size int, call func(context.Context) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, s.stall+time.Duration(size)*time.Second/floor, errSilent)
	defer cancel()
	return s.explain(ctx, limited, what, call(limited))
}

// explain makes a *cloud.Error of what a call within limited returned, where it wasn't ctx that ended.
func (s *Store) explain(ctx, limited context.Context, what string, err error) error {
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return fault.As(fault.Transient, &cloud.Error{Call: what, Why: cloud.Unreachable, Err: context.Cause(limited)})
	}
	return cloud.Explain(ctx, what, err)
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
