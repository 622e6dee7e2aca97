package keda

import (
	"time"

	"github.com/millrace/millrace/keda/pods"
	"github.com/millrace/millrace/worker/queue"
)

// A reading is what is known of a queue and its pods.
type reading struct {
	load    queue.Load
	counted time.Time   // when the broker last said so; zero: it never has
	then    pods.Census // what the pods said at that time
	census  pods.Census // what they said last
	due     bool        // there is something besides messages to do
}

// work is how many messages there are for workers: those that wait, those that were sent with a delay, and those that run. It
// is never less than what keeps as many replicas as there are busy pods, nor than 1 while something else is due: whichever worker
// is idle then does it.
//
// How many run, the pods know: the broker counts as in flight what is only hidden for back-off, too. A pod that does not answer
// may have as many jobs as it has slots, but all of them together no more than are in flight. While the broker says nothing, what
// waited when it last did and runs now is not counted twice.
func (r reading) work(t trigger) int {
	then, now := r.then, r.census
	if t.elsewhere {
		then, now = pods.Census{}, pods.Census{}
	}
	running := r.load.InFlight
	if then.Complete {
		running = min(running, then.Jobs+then.Silent*t.slots)
	}
	running = max(running, then.Jobs)
	least := 0
	if r.due {
		least = 1
	}
	return max(least, r.load.Visible+r.load.Delayed+running, now.Jobs, (now.Busy+now.Silent)*t.target)
}

// age is for how long the broker has not said anything newer.
func (r reading) age() time.Duration { return time.Since(r.counted) }
