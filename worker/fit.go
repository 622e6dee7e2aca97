package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// misfit says why a worker with these labels can't run a job that requires those; empty when it can.
func misfit(requires, labels map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(requires)) {
		has, ok := labels[name]
		switch want := requires[name]; {
		case !ok:
			return fmt.Sprintf("the job requires %s=%s, and this worker has no such label", name, want)
		case !satisfies(has, want):
			return fmt.Sprintf("the job requires %s=%s, and this worker has %s", name, want, has)
		}
	}
	return ""
}

// satisfies says whether a label's value is what a job wants. Numbers and sizes ("2", "16Gi") have to be at least as
// large; text has to be equal without regard to case, where "*" stands for any text.
func satisfies(has, want string) bool {
	h, isNumber := quantity(has)
	w, wantsNumber := quantity(want)
	if isNumber && wantsNumber {
		return h >= w
	}
	parts := strings.Split(strings.ToLower(want), "*")
	rest, ok := strings.CutPrefix(strings.ToLower(has), parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[last])
}

// quantity reads a number, or a size as Kubernetes writes it.
func quantity(s string) (float64, bool) {
	digits := strings.TrimRight(s, "KMGTkmgtiI")
	if strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, false
	}
	for power, letter := range []string{"", "k", "m", "g", "t"} {
		switch unit := strings.ToLower(s[len(digits):]); {
		case unit == letter:
			return n * pow(1000, power), true
		case letter != "" && unit == letter+"i":
			return n * pow(1024, power), true
		}
	}
	return 0, false
}

func pow(base float64, n int) float64 {
	p := 1.0
	for range n {
		p *= base
	}
	return p
}

// release gives a message up whose job this worker can't run: to the queue of its class, where there is one, else back to
// where it came from, hidden for longer at each delivery. Nothing is recorded, and the job pays nothing.
func (a *attempt) release(ctx context.Context, why string) {
	delay := a.again(ctx)
	ctx, cancel := answering(ctx)
	defer cancel()
	if class, q := a.classQueue(); q != nil {
		if err := a.sendOn(ctx, q, class); err != nil {
			why = fmt.Sprintf("%s; send to the queue of class %s: %s", why, class, err)
		} else {
			a.log.InfoContext(ctx, "message released", "class", class, "err", why)
			return
		}
	}
	a.log.InfoContext(ctx, "message released", "delay", delay, "err", why)
	if err := a.lease.Nack(ctx, delay); err != nil && !errors.Is(err, queue.ErrLeaseLost) {
		a.log.ErrorContext(ctx, "message not settled", "verdict", nack, "err", err)
	}
}

// again is how long to hide a message that goes back untouched: longer each time that it comes.
func (a *attempt) again(ctx context.Context) time.Duration {
	if ctx.Err() != nil { // it is us who go
		return jitter(time.Second)
	}
	return a.bounced()
}

// classQueue is the queue of the workers that the job is for, where they are of another class than this one and the
// message has not been there yet.
func (a *attempt) classQueue() (class string, q *queue.Queue) {
	class = strings.ToLower(a.job.Requires[job.ClassLabel])
	if class == "" || class == a.job.Forwarded || satisfies(a.worker.cfg.Labels[job.ClassLabel], class) {
		return class, nil
	}
	return class, a.worker.cfg.Classes[class]
}

// sendOn puts the message into another queue and deletes it here. A crash between the two leaves both, and their
// common job ID lets one of them run.
func (a *attempt) sendOn(ctx context.Context, q *queue.Queue, class string) error {
	d, ok := a.job.Forward(a.lease.Message, class)
	if !ok {
		return errors.New("the message has no room for one more attribute")
	}
	if err := a.lease.Lost(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if _, err := q.Send(ctx, d); err != nil {
		return err
	}
	if err := a.lease.Ack(ctx); err != nil {
		a.log.ErrorContext(ctx, "message not settled", "verdict", ack, "err", err)
	}
	return nil
}

// sendTimeout bounds how long a message takes to send on.
const sendTimeout = 30 * time.Second
