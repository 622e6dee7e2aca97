package historytest

import (
	"path"
	"slices"
	"strings"
	"time"
)

// A lease is what the servers granted one worker: the right to one message, until a time.
type lease struct {
	worker, receipt string
	jobs            []string // of its message
	ends            time.Time
	over            time.Time // when it was handed back, deleted, or its loss was told; zero: it was not
	deleted         bool
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
	sent       map[string][]string // job IDs of messages in a bucket
	byReceipt  map[string]*lease
	byJob      map[string][]*lease // by worker and job
}

func newLeases(h *History) *leases {
	return &leases{h.Visibility, h.Sent, map[string]*lease{}, map[string][]*lease{}}
}

// heard takes in a server's answer.
func (ls *leases) heard(c *Call) {
	for _, m := range c.Messages {
		hidden := c.Hidden
		if hidden == 0 {
			hidden = ls.visibility
		}
		ls.grant(c.Worker, m.Jobs, m.Receipt, c.Answered.Add(hidden))
	}
	if c.leases() && c.Passed() {
		ls.wrote(c)
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

func (ls *leases) grant(worker string, jobs []string, receipt string, ends time.Time) {
	l := &lease{worker: worker, jobs: jobs, receipt: receipt, ends: ends}
	ls.byReceipt[receipt] = l
	for _, job := range jobs {
		ls.byJob[worker+" "+job] = append(ls.byJob[worker+" "+job], l)
	}
}

// wrote takes in a lease that a worker wrote into a bucket.
func (ls *leases) wrote(c *Call) {
	id, _, _ := strings.Cut(path.Base(c.Key), ".")
	l := ls.byReceipt[c.Token]
	switch {
	case l == nil && c.State == "held":
		ls.grant(c.Worker, ls.sent[id], c.Token, c.Answered.Add(c.Hidden))
	case l == nil:
	case c.State == "held":
		l.ends = c.Answered.Add(c.Hidden)
	default:
		l.over = c.Answered
	}
}

// holds says whether a worker has a lease on a job's message at t, give or take slack; known says whether it ever had.
func (ls *leases) holds(worker, job string, t time.Time, slack time.Duration) (held, known bool) {
	all := ls.byJob[worker+" "+job]
	return slices.ContainsFunc(all, func(l *lease) bool { return l.held(t, slack) }), len(all) > 0
}
