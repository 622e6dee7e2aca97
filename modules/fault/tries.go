package fault

import (
	"context"
	"fmt"
	"io"
	"time"
)

const (
	maxSleep = 30 * time.Second // our own pauses stop doubling here
	maxWait  = 60 * time.Second // who asks for more gets the job handed back instead
)

// Tries is how often a call that fails, for a reason that can pass, is made again.
type Tries struct {
	More  int           // after the first
	Sleep time.Duration // before the second; it doubles up to 30 s, and is longer where the error asks for that
	Say   io.Writer     // gets a line before each pause
}

// Do calls until an error is nil or not Transient, More calls have followed the first, or an error asks to wait longer than
// a minute. It returns the last error, or the cause of ctx where that ends in a pause.
func (t Tries) Do(ctx context.Context, call func(context.Context) error) error {
	sleep := t.Sleep
	for left := t.More; ; left-- {
		err := call(ctx)
		wait := max(sleep, Delay(err))
		if left <= 0 || Of(err) != Transient || wait > maxWait {
			return err
		}
		if _, werr := fmt.Fprintf(t.Say, "%v; trying again in %s\n", err, wait); werr != nil {
			return fmt.Errorf("print: %w", werr)
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		sleep = min(2*sleep, maxSleep)
	}
}

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
