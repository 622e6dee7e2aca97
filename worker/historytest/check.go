package historytest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Violation is one broken promise.
type Violation struct {
	Invariant string // I1 …
	Text      string
}

func (v Violation) String() string { return v.Invariant + ": " + v.Text }

// Slack is how much later than it was sent a request may reach us: what the proxies add, and how busy the machine is.
type Slack struct {
	Call time.Duration // of any request
	Term time.Duration // of a receive after SIGTERM, besides the 100 ms that are promised
}

const termPromise = 100 * time.Millisecond

// Check holds a history against the invariants. Nothing may run any more.
func Check(h *History, slack Slack) []Violation {
	k := &checker{h: h, slack: slack, calls: h.Calls(), acts: h.Acts(), callbacks: h.Callbacks(), finals: map[string]final{}}
	k.readFinals()
	k.settled()
	k.oneFinal()
	k.whole()
	k.leases()
	k.called()
	k.leftBehind()
	k.secrets()
	k.drains()
	return k.found
}

type checker struct {
	h         *History
	slack     Slack
	calls     []Call
	acts      []Act
	callbacks []Callback
	finals    map[string]final // that stand at the end, by job
	found     []Violation
}

func (k *checker) violated(invariant, format string, args ...any) {
	k.found = append(k.found, Violation{invariant, fmt.Sprintf(format, args...)})
}

// A final is what we read of a final record.
type final struct {
	torn       bool // nothing else of it can be read
	ID, Status string
	Artifacts  []struct {
		Key, SHA256 string
		Size        int64
	}
}

func (k *checker) readFinals() {
	for key, o := range k.h.Objects {
		if job, ok := finalOf(key); ok {
			var f final
			if err := json.Unmarshal(o.Body, &f); err != nil || f.ID != job {
				k.violated("I3", "%s is no whole record: %v", key, err)
				f.torn = true
			}
			k.finals[job] = f
		}
	}
}

// finalOf is the job whose final record a key names.
func finalOf(key string) (job string, ok bool) {
	_, rest, ok := strings.Cut("/"+key, "/jobs/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 3 || parts[2] != "final" {
		return "", false
	}
	return parts[1], true
}

// artifactOf is the job that published what a key names.
func artifactOf(key string) (job string, ok bool) {
	_, rest, ok := strings.Cut("/"+key, "/artifacts/")
	job, _, _ = strings.Cut(rest, "/")
	return job, ok && job != ""
}

// publishes says of which job a call makes something known: an artifact, or a final record where it is the first.
func (c Call) publishes() (job string, ok bool) {
	if c.Verb != "PUT" {
		return "", false
	}
	if job, ok = finalOf(c.Key); ok {
		return job, c.Passed()
	}
	return artifactOf(c.Key)
}

// settled checks I1.
func (k *checker) settled() {
	for _, j := range k.h.Jobs {
		f, final := k.finals[j.ID]
		waiting, dead := k.h.Waiting[j.ID] > 0, k.h.Dead[j.ID] > 0
		switch {
		case f.torn:
		case !final && !waiting && !dead:
			k.violated("I1", "job %s is lost: it has no final record, and its message is gone", j.ID)
		case final && f.Status != "SUCCEEDED" && f.Status != "CANCELLED" && !waiting && !dead:
			k.violated("I1", "job %s ended %s, and its message is not in the dead-letter queue", j.ID, f.Status)
		case j.Succeeds && !waiting && f.Status != "SUCCEEDED":
			k.violated("I1", "job %s had to succeed, and is %q (in the dead-letter queue: %t)", j.ID, f.Status, dead)
		}
		if final && f.Status == "SUCCEEDED" && dead && !j.Shares {
			k.violated("I1", "job %s succeeded, and its message is in the dead-letter queue", j.ID)
		}
	}
}

// oneFinal checks I2.
func (k *checker) oneFinal() {
	creates := map[string]int{}
	for _, c := range k.calls {
		job, ok := finalOf(c.Key)
		if !ok || c.Bucket != k.h.Store {
			continue
		}
		switch {
		case c.Verb == "DELETE":
			k.violated("I2", "%s deleted the final record of %s", c.Worker, job)
		case c.Verb == "PUT" && !c.Create:
			k.violated("I2", "%s wrote the final record of %s without a condition", c.Worker, job)
		case c.Verb == "PUT" && c.Passed():
			creates[job]++
		}
	}
	for job, n := range creates {
		if n > 1 {
			k.violated("I2", "job %s has %d final records", job, n)
		}
	}
}

// whole checks the first half of I3: what final records name is there, and is what they say.
func (k *checker) whole() {
	for job, f := range k.finals {
		for _, a := range f.Artifacts {
			o, ok := k.h.Objects[a.Key]
			if !ok {
				k.violated("I3", "job %s names %s, which is not there", job, a.Key)
				continue
			}
			if o.SHA256 != a.SHA256 || o.Size != a.Size {
				k.violated("I3", "%s of job %s is not whole: %d bytes, and the record says %d", a.Key, job, o.Size, a.Size)
			}
		}
	}
}

// leases checks I5, and the second half of I3.
func (k *checker) leases() {
	ls := newLeases(k.h)
	for _, m := range moments(k.calls) {
		if m.answered {
			ls.heard(m.call)
			continue
		}
		for _, ch := range m.call.Changes {
			if l := ls.byReceipt[ch.Receipt]; l != nil && l.worker == m.call.Worker && m.at.After(l.ends.Add(k.slack.Call)) {
				k.violated("I5", "%s of job %s by %s, %s after its lease had ended", m.call.Verb, strings.Join(l.jobs, ", "), l.worker, m.at.Sub(l.ends))
			}
		}
		if m.call.leases() && !m.call.Create && m.call.Match == "" {
			k.violated("I5", "%s wrote %s without a condition", m.call.Worker, m.call.Key)
		}
		job, ok := m.call.publishes()
		if !ok || m.call.Bucket != k.h.Store {
			continue
		}
		if held, known := ls.holds(m.call.Worker, job, m.at, k.slack.Call); known && !held {
			k.violated("I3", "%s published %s without a lease", m.call.Worker, m.call.Key)
		}
	}
}

// called checks I4, and that what is owed was delivered.
func (k *checker) called() {
	committed := map[string]time.Time{}
	for _, c := range k.calls {
		if job, ok := finalOf(c.Key); ok && c.Verb == "PUT" && c.Passed() {
			if at, twice := committed[job]; !twice || c.Answered.Before(at) {
				committed[job] = c.Answered
			}
		}
	}
	ids, delivered := map[string]string{}, map[string]bool{}
	for _, c := range k.callbacks {
		if at, ok := committed[c.Job]; !ok || c.At.Before(at) {
			k.violated("I4", "the callback of job %s came before its final record stood", c.Job)
		}
		if first, ok := ids[c.Job]; ok && first != c.ID {
			k.violated("I4", "job %s has callbacks with the ids %s and %s", c.Job, first, c.ID)
		}
		if !c.Verified {
			k.violated("I4", "the callback of job %s is not signed as it must be", c.Job)
		}
		ids[c.Job] = c.ID
		delivered[c.Job] = delivered[c.Job] || c.Status/100 == 2
	}
	for _, j := range k.h.Jobs {
		if _, final := k.finals[j.ID]; final && j.Callback && !delivered[j.ID] && !k.owed(j.ID) && k.h.Waiting[j.ID] == 0 {
			k.violated("I4", "the callback of job %s was neither delivered nor kept", j.ID)
		}
	}
}

// owed says whether the store still holds a callback to deliver for a job.
func (k *checker) owed(job string) bool {
	for key := range k.h.Objects {
		if strings.Contains("/"+key, "/outbox/exhausted/") && strings.HasSuffix(key, "/"+job) || strings.Contains("/"+key, "/outbox/due/") && strings.HasSuffix(key, "-"+job) {
			return true
		}
	}
	return false
}

// leftBehind checks I6.
func (k *checker) leftBehind() {
	for _, left := range k.h.Left {
		k.violated("I6", "it outlived its worker: %s", left)
	}
}

// secrets checks I7.
func (k *checker) secrets() {
	for _, c := range k.calls {
		if c.Leak {
			k.violated("I7", "a secret stands in %s %s%s by %s", c.Verb, c.Queue, c.Key, c.Worker)
		}
	}
	for _, c := range k.callbacks {
		if c.Leak {
			k.violated("I7", "a secret stands in the callback of job %s", c.Job)
		}
	}
	for worker, log := range k.h.Logs {
		if k.h.leaks([]byte(log)) {
			k.violated("I7", "a secret stands in the log of %s", worker)
		}
	}
	for key, o := range k.h.Objects {
		if o.Leak {
			k.violated("I7", "a secret stands in %s", key)
		}
	}
}

// drains checks I8: of SQS by its receives, of a bucket by its claims.
func (k *checker) drains() {
	for _, a := range k.acts {
		if a.Deed != Term {
			continue
		}
		limit := a.At.Add(termPromise + k.slack.Term)
		late := slices.IndexFunc(k.calls, func(c Call) bool { return c.Worker == a.Worker && c.receives() && c.Came.After(limit) })
		if late >= 0 {
			k.violated("I8", "%s began a receive %s after SIGTERM", a.Worker, k.calls[late].Came.Sub(a.At))
		}
	}
}

// receives says whether a call takes messages.
func (c Call) receives() bool {
	return c.Verb == "ReceiveMessage" || c.leases() && c.State == "held" && c.Create
}

// Describe makes an Object of its bytes; records keep them.
func (h *History) Describe(key string, body []byte) Object {
	sum := sha256.Sum256(body)
	o := Object{Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Leak: h.leaks(body)}
	if _, ok := finalOf(key); ok {
		o.Body = body
	}
	return o
}
