package historytest_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/historytest"
)

var slack = historytest.Slack{Call: 100 * time.Millisecond, Term: 200 * time.Millisecond}

const secret = "canary-d41d8cd9"

// A story is a history that a test tells: everything in it takes 10 ms.
type story struct {
	*historytest.History
	now time.Time
}

// told is one job that was received, extended, published, committed, called back and deleted by worker a.
func told(t *testing.T) *story {
	s := &story{
		History: &historytest.History{
			Visibility: 2 * time.Second, Store: "store", Secrets: []string{secret},
			Jobs:    []historytest.Job{{ID: "job", Callback: true, Succeeds: true}},
			Waiting: map[string]int{}, Dead: map[string]int{}, Objects: map[string]historytest.Object{}, Logs: map[string]string{"a": "all is well"},
		},
		now: time.Now(),
	}
	s.Act("a", historytest.Started)
	s.receive("a", "r1")
	s.extend("a", "r1", 2*time.Second)
	s.put("a", "artifacts/job/1/a.bin", 200)
	art := s.Describe("artifacts/job/1/a.bin", []byte("abc"))
	s.Objects["artifacts/job/1/a.bin"] = art
	s.final(t, art.SHA256, "SUCCEEDED")
	s.put("a", "jobs/5e/job/final", 200)
	s.callback("msg_1")
	s.delete("a", "r1")
	s.ActAt("a", historytest.Term, s.now)
	return s
}

func (s *story) final(t *testing.T, sum, status string) {
	t.Helper()
	s.Objects["jobs/5e/job/final"] = s.Describe("jobs/5e/job/final",
		fmt.Appendf(nil, `{"id":"job","status":%q,"artifacts":[{"key":"artifacts/job/1/a.bin","size":3,"sha256":%q}]}`, status, sum))
}

func (s *story) call(c historytest.Call) {
	c.Came, c.Answered = s.now.Add(10*time.Millisecond), s.now.Add(20*time.Millisecond)
	if c.Status == 0 {
		c.Status = 200
	}
	s.now = c.Answered
	s.Add(&c)
}

func (s *story) receive(worker, receipt string) {
	s.call(historytest.Call{Worker: worker, Verb: "ReceiveMessage", Queue: "q", Messages: []historytest.Delivery{{ID: "m", Jobs: []string{"job"}, Receipt: receipt}}})
}

func (s *story) extend(worker, receipt string, d time.Duration) {
	s.call(historytest.Call{Worker: worker, Verb: "ChangeMessageVisibility", Queue: "q", Changes: []historytest.Change{{Receipt: receipt, Hidden: d, Done: true}}})
}

func (s *story) delete(worker, receipt string) {
	s.call(historytest.Call{Worker: worker, Verb: "DeleteMessageBatch", Queue: "q", Changes: []historytest.Change{{Receipt: receipt, Delete: true, Done: true}}})
}

func (s *story) put(worker, key string, status int) {
	s.call(historytest.Call{Worker: worker, Verb: "PUT", Bucket: "store", Key: key, Create: true, Status: status})
}

func (s *story) callback(id string) {
	s.now = s.now.Add(10 * time.Millisecond)
	s.Call(historytest.Callback{Job: "job", ID: id, At: s.now, Status: 204, Verified: true})
}

func TestAHistoryWithoutFaultHasNoViolations(t *testing.T) {
	require.Empty(t, historytest.Check(told(t).History, slack))
}

func TestWhatFaultsExcuseIsNoViolation(t *testing.T) {
	for name, tell := range map[string]func(s *story){
		"a second worker does it again after the lease, and is refused": func(s *story) {
			s.now = s.now.Add(3 * time.Second)
			s.receive("b", "r2")
			s.put("b", "artifacts/job/2/a.bin", 200)
			s.put("b", "jobs/5e/job/final", 412)
			s.delete("b", "r2")
		},
		"a message is still there":                func(s *story) { s.Waiting["job"] = 1; delete(s.Objects, "jobs/5e/job/final") },
		"a callback came twice with one id":       func(s *story) { s.callback("msg_1") },
		"an extension that came late was refused": func(s *story) { s.receive("b", "r2") },
		"a receive that began before SIGTERM":     func(s *story) { s.ActAt("b", historytest.Term, s.now.Add(50*time.Millisecond)); s.receive("b", "r3") },
		"the callback waits in the outbox": func(s *story) {
			s.Jobs = append(s.Jobs, historytest.Job{ID: "other", Callback: true})
			s.Objects["jobs/00/other/final"] = s.Describe("jobs/00/other/final", []byte(`{"id":"other","status":"SUCCEEDED"}`))
			s.Objects["outbox/due/20261121T155110Z-other"] = s.Describe("outbox/123/other", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := told(t)
			tell(s)
			require.Empty(t, historytest.Check(s.History, slack))
		})
	}
}

func TestEveryInvariantCanBeViolated(t *testing.T) {
	final := "jobs/5e/job/final"
	for _, tt := range []struct {
		invariant, name string
		tell            func(t *testing.T, s *story)
	}{
		{"I1", "a message is gone without a record", func(_ *testing.T, s *story) { delete(s.Objects, final) }},
		{"I1", "a failed job is not buried", func(t *testing.T, s *story) {
			s.Jobs[0].Succeeds = false
			s.final(t, s.Objects["artifacts/job/1/a.bin"].SHA256, "FAILED")
		}},
		{"I1", "a healthy job is buried", func(t *testing.T, s *story) {
			s.Dead["job"] = 1
			s.final(t, s.Objects["artifacts/job/1/a.bin"].SHA256, "DEAD")
		}},
		{"I1", "a job that succeeded is buried", func(_ *testing.T, s *story) { s.Dead["job"] = 1 }},
		{"I2", "two finals are created", func(_ *testing.T, s *story) { s.put("b", final, 200) }},
		{"I2", "a final is overwritten", func(_ *testing.T, s *story) {
			s.call(historytest.Call{Worker: "b", Verb: "PUT", Bucket: "store", Key: final})
		}},
		{"I2", "a final is deleted", func(_ *testing.T, s *story) {
			s.call(historytest.Call{Worker: "b", Verb: "DELETE", Bucket: "store", Key: final})
		}},
		{"I3", "an artifact is cut short", func(_ *testing.T, s *story) {
			s.Objects["artifacts/job/1/a.bin"] = s.Describe("artifacts/job/1/a.bin", []byte("ab"))
		}},
		{"I3", "an artifact is missing", func(_ *testing.T, s *story) { delete(s.Objects, "artifacts/job/1/a.bin") }},
		{"I3", "a final record is half written", func(_ *testing.T, s *story) { s.Objects[final] = s.Describe(final, []byte(`{"id":"jo`)) }},
		{"I3", "something is published after the lease", func(_ *testing.T, s *story) {
			s.now = s.now.Add(3 * time.Second)
			s.receive("b", "r2")
			s.now = s.now.Add(3 * time.Second)
			s.put("b", "artifacts/job/2/a.bin", 200)
		}},
		{"I3", "a final record is created after the lease", func(_ *testing.T, s *story) {
			s.call(historytest.Call{Worker: "b", Verb: "ReceiveMessage", Queue: "q", Messages: []historytest.Delivery{{ID: "n", Jobs: []string{"other"}, Receipt: "r2"}}})
			s.now = s.now.Add(3 * time.Second)
			s.put("b", "jobs/00/other/final", 200)
		}},
		{"I3", "something is published after a handing back", func(_ *testing.T, s *story) {
			s.receive("b", "r2")
			s.extend("b", "r2", 0)
			s.now = s.now.Add(time.Second)
			s.put("b", "artifacts/job/2/a.bin", 200)
		}},
		{"I4", "a callback has no record", func(_ *testing.T, s *story) {
			s.Call(historytest.Callback{Job: "never", ID: "msg_0", At: s.now, Verified: true, Status: 204})
		}},
		{"I4", "a callback comes before the record", func(_ *testing.T, s *story) {
			s.Call(historytest.Callback{Job: "job", ID: "msg_1", At: s.now.Add(-time.Hour), Verified: true, Status: 204})
		}},
		{"I4", "a callback has another id", func(_ *testing.T, s *story) { s.callback("msg_2") }},
		{"I4", "a callback is not signed", func(_ *testing.T, s *story) {
			s.Call(historytest.Callback{Job: "job", ID: "msg_1", At: s.now, Status: 204})
		}},
		{"I4", "a callback is forgotten", func(_ *testing.T, s *story) {
			s.Jobs = append(s.Jobs, historytest.Job{ID: "other", Callback: true})
			s.Objects["jobs/00/other/final"] = s.Describe("jobs/00/other/final", []byte(`{"id":"other","status":"SUCCEEDED"}`))
		}},
		{"I5", "a lease is extended after its end", func(_ *testing.T, s *story) {
			s.receive("b", "r2")
			s.now = s.now.Add(3 * time.Second)
			s.extend("b", "r2", time.Second)
		}},
		{"I5", "a message is deleted after the lease", func(_ *testing.T, s *story) {
			s.receive("b", "r2")
			s.now = s.now.Add(3 * time.Second)
			s.delete("b", "r2")
		}},
		{"I5", "a lease in a bucket is written without a condition", func(_ *testing.T, s *story) {
			s.call(historytest.Call{Worker: "b", Verb: "PUT", Bucket: "queue", Key: "q/leases/01J", State: "held", Token: "t"})
		}},
		{"I3", "something is published after a lease in a bucket", func(_ *testing.T, s *story) {
			s.Sent = map[string][]string{"01J": {"job"}}
			s.call(historytest.Call{Worker: "b", Verb: "PUT", Bucket: "queue", Key: "q/leases/01J", Create: true, State: "held", Token: "t", Hidden: time.Second})
			s.call(historytest.Call{Worker: "b", Verb: "PUT", Bucket: "queue", Key: "q/leases/01J", Match: "e", State: "held", Token: "t", Hidden: time.Second})
			s.now = s.now.Add(2 * time.Second)
			s.put("b", "artifacts/job/2/a.bin", 200)
		}},
		{"I3", "something is published after a handing back in a bucket", func(_ *testing.T, s *story) {
			s.Sent = map[string][]string{"01J": {"job"}}
			s.call(historytest.Call{Worker: "b", Verb: "PUT", Bucket: "queue", Key: "q/leases/01J", Create: true, State: "held", Token: "t", Hidden: time.Minute})
			s.call(historytest.Call{Worker: "b", Verb: "PUT", Bucket: "queue", Key: "q/leases/01J", Match: "e", State: "free", Token: "t"})
			s.now = s.now.Add(time.Second)
			s.put("b", "artifacts/job/2/a.bin", 200)
		}},
		{"I6", "a process is left", func(_ *testing.T, s *story) { s.Left = append(s.Left, "sleep 1000") }},
		{"I7", "a secret is logged", func(_ *testing.T, s *story) { s.Logs["a"] += secret }},
		{"I7", "a secret is stored", func(_ *testing.T, s *story) { s.Objects["x"] = s.Describe("x", []byte("it is "+secret)) }},
		{"I7", "a secret is sent to a server", func(_ *testing.T, s *story) { s.call(historytest.Call{Worker: "a", Verb: "PUT", Key: "x", Leak: true}) }},
		{"I7", "a secret is called back", func(_ *testing.T, s *story) {
			s.Call(historytest.Callback{Job: "job", ID: "msg_1", At: s.now, Status: 204, Verified: true, Leak: true})
		}},
		{"I8", "a receive begins after SIGTERM", func(_ *testing.T, s *story) {
			s.now = s.now.Add(time.Second)
			s.receive("a", "r9")
			s.delete("a", "r9")
		}},
		{"I8", "a message of a bucket is claimed after SIGTERM", func(_ *testing.T, s *story) {
			s.now = s.now.Add(time.Second)
			s.call(historytest.Call{Worker: "a", Verb: "PUT", Bucket: "queue", Key: "q/leases/01J", Create: true, State: "held", Token: "t"})
		}},
	} {
		t.Run(tt.invariant+" "+tt.name, func(t *testing.T) {
			s := told(t)
			tt.tell(t, s)
			found := historytest.Check(s.History, slack)
			require.True(t, slices.ContainsFunc(found, func(v historytest.Violation) bool { return v.Invariant == tt.invariant }), "%v", found)
			require.False(t, slices.ContainsFunc(found, func(v historytest.Violation) bool { return v.Invariant != tt.invariant }), "%v", found)
		})
	}
}
