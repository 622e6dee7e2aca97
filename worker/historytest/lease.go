package historytest

import (
	"slices"
	"time"
)

// A lease is what the servers granted one worker: the right to one message, until a time.
type lease struct {
	worker, job, receipt string
	ends                 time.Time
	over                 time.Time // when it was handed back, deleted, or its loss was told; zero: it was not
	deleted              bool
}

// held says whether the worker may still act for the message at t, give or take slack.
func (l *lease) held(t time.Time, slack time.Duration) bool {
	if !l.over.IsZero() && !l.deleted && t.After(l.over.Add(slack)) {
		return false
	}
	return !t.After(l.ends.Add(slack))
}

// A moment is a call's coming or its answer.
type moment struct {
	at       time.Time
	call     *Call
	answered bool
}

// moments puts comings and answers into the order of time.
func moments(calls []Call) []moment {
	var all []moment
	for i := range calls {
		c := &calls[i]
		all = append(all, moment{c.Came, c, false})
		if !c.Answered.IsZero() {
			all = append(all, moment{c.Answered, c, true})
		}
	}
	slices.SortStableFunc(all, func(a, b moment) int { return a.at.Compare(b.at) })
	return all
}

// A book of leases, as the servers granted them so far.
type leases struct {
	visibility time.Duration
	byReceipt  map[string]*lease
	byJob      map[string][]*lease // by worker and job
}

func newLeases(visibility time.Duration) *leases {
	return &leases{visibility, map[string]*lease{}, map[string][]*lease{}}
}

// heard takes in a server's answer.
func (ls *leases) heard(c *Call) {
	for _, m := range c.Messages {
		hidden := c.Hidden
		if hidden == 0 {
			hidden = ls.visibility
		}
		l := &lease{worker: c.Worker, job: m.Job, receipt: m.Receipt, ends: c.Answered.Add(hidden)}
		ls.byReceipt[m.Receipt] = l
		ls.byJob[c.Worker+" "+m.Job] = append(ls.byJob[c.Worker+" "+m.Job], l)
	}
	for _, ch := range c.Changes {
		l := ls.byReceipt[ch.Receipt]
		if l == nil {
			continue
		}
		switch {
		case !ch.Done && c.Status/100 == 4 && !l.held(c.Answered, 0): // it is told, and it is true
			l.over = c.Answered
		case !ch.Done:
		case ch.Delete:
			l.over, l.deleted = c.Answered, true
		default:
			l.ends = c.Answered.Add(ch.Hidden)
		}
	}
}

// holds says whether a worker has a lease on a job's message at t, give or take slack; known says whether it ever had.
func (ls *leases) holds(worker, job string, t time.Time, slack time.Duration) (held, known bool) {
	all := ls.byJob[worker+" "+job]
	return slices.ContainsFunc(all, func(l *lease) bool { return l.held(t, slack) }), len(all) > 0
}
