package worker

import (
	"context"
	"errors"
	"time"
)

// aloneWait is how long a job waits for the rest of its worker to fall idle. Slots that fall free meanwhile stay empty: see
// takeSlots.
const aloneWait = 2 * time.Minute

// errNotAlone is why a job that must run alone was handed back.
var errNotAlone = errors.New("this job has to run alone, and other jobs are running here")

// takeAlone waits until nothing but the caller's job runs here, by taking every other slot. release gives them back.
func (w *Worker) takeAlone(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, aloneWait)
	defer cancel()
	select {
	case <-w.alone:
	default:
		return nil, errNotAlone // two that wait for each other's slots would wait for ever
	}
	taken := 0
	release = func() {
		w.giveSlots(taken)
		w.alone <- struct{}{}
	}
	for ; taken < w.cfg.Slots-1; taken++ {
		if !take(ctx, w.slots) {
			release()
			return nil, errNotAlone
		}
	}
	return release, nil
}
