package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
)

// inOrder runs the tasks, each when those that it waits for have ended, as many at once as the document allows, and
// those of the front of the document first. After a failure that ends the run nothing starts, and what runs goes on to
// its own end. It returns the first such failure.
func (r *runner) inOrder(ctx context.Context) *Failure {
	tasks := r.in.Pipeline.Tasks
	o, running, ended := newOrder(tasks), 0, make(chan int)
	parallel := cmp.Or(r.in.Pipeline.Settings.Parallel, pipelines.DefaultParallel)
	for {
		for running < parallel && len(o.ready) > 0 && r.failure() == nil {
			i := o.next()
			s := r.begin(ctx, i)
			switch {
			case s == nil:
				o.end(i)
			case running == 0 && (parallel == 1 || len(o.ready) == 0): // nothing can run beside it
				s.work(ctx)
				o.end(i)
			default:
				running++
				go func() {
					s.work(ctx)
					ended <- i
				}()
			}
		}
		if running == 0 {
			break
		}
		o.end(<-ended)
		running--
	}
	if f := r.failure(); f != nil || o.left == 0 {
		return f
	}
	return o.stuck(tasks)
}

// failure is why the run must end, or nil.
func (r *runner) failure() *Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fatal
}

// hold notes that f ends the run and says whether nothing else did before. Only that somebody canceled the job counts
// for more than what came first.
func (r *runner) hold(f *Failure) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.fatal == nil
	if first || f.Reason == Cancel {
		r.fatal = f
	}
	return first
}

// An order is which tasks may start, as those before them end.
type order struct {
	ready   []int   // ascending
	waits   []int   // by task: how many of those that it waits for have not ended
	waiting [][]int // by task: those that wait for it
	left    int     // tasks that have not started
}

func newOrder(tasks []pipelines.Task) *order {
	o := &order{waits: make([]int, len(tasks)), waiting: make([][]int, len(tasks)), left: len(tasks)}
	for i, t := range tasks {
		o.waits[i] = len(t.After)
		for _, before := range t.After {
			if before >= 0 && before < len(tasks) {
				o.waiting[before] = append(o.waiting[before], i)
			}
		}
		if len(t.After) == 0 {
			o.ready = append(o.ready, i)
		}
	}
	return o
}

// next takes the first task that may start.
func (o *order) next() int {
	i := o.ready[0]
	o.ready = o.ready[1:]
	o.left--
	return i
}

// end notes that task i has ended, or was skipped.
func (o *order) end(i int) {
	for _, w := range o.waiting[i] {
		if o.waits[w]--; o.waits[w] == 0 {
			at, _ := slices.BinarySearch(o.ready, w)
			o.ready = slices.Insert(o.ready, at, w)
		}
	}
}

// stuck says what each task waits for that can't start. Parse returns no such document.
func (o *order) stuck(tasks []pipelines.Task) *Failure {
	label := func(i int) string {
		if i < 0 || i >= len(tasks) {
			return fmt.Sprintf("#%d, which is not there", i)
		}
		return fmt.Sprintf("%q", labelOf(i, &tasks[i]))
	}
	var all []string
	for i, t := range tasks {
		if o.waits[i] == 0 {
			continue
		}
		var before []string
		for _, b := range t.After {
			if b < 0 || b >= len(tasks) || o.waits[b] > 0 {
				before = append(before, label(b))
			}
		}
		all = append(all, fmt.Sprintf("task %s waits for %s", label(i), strings.Join(before, " and ")))
	}
	return &Failure{Kind: fault.Permanent, Message: sentence("no task runs and none can start: " + strings.Join(all, ", "))}
}
