// Package historytest records what servers see of workers under faults, and holds it against what we promise.
//
// A worker speaks to its servers over a Wire of its own: first a proxy that can break (latency, silence, resets), then a
// Recorder that writes down every request and every answer, and can stop at either. What the servers saw, what was done
// to the workers, what the receiver of callbacks got, and what is there at the end make a History. Check reads it.
//
// The invariants are numbered as in the documentation of the guarantees:
//
//	I1  every message that was sent is settled with a record, or buried, or still there
//	I2  a job has at most one final record
//	I3  no partial object stands under a final key, and nothing is published by a worker that lost its lease
//	I4  a callback is sent only after the final record stands, and has one id for a job
//	I5  nothing is said about a message by a worker whose lease is over
//	I6  a worker leaves no process and no temporary folder behind
//	I7  no secret is seen outside
//	I8  no receive begins after SIGTERM
package historytest

import (
	"slices"
	"sync"
	"time"
)

// A Call is one request to a server, and its answer.
type Call struct {
	Worker string // the process that made it, as its Wire is named
	Verb   string // of SQS: ReceiveMessage, …; of S3: PUT, GET, HEAD, DELETE, LIST
	Bucket string // of S3
	Key    string // of S3, of a LIST its prefix
	Queue  string // of SQS, its last part

	Came     time.Time // when the recorder had the whole request
	Answered time.Time // when the server had answered; zero: it was not asked, or did not answer
	Status   int       // of the server's answer, or of the fault in its place
	Size     int       // bytes of the request's body

	Create   bool       // PUT that must not replace an object
	Match    string     // PUT that must replace this ETag
	State    string     // PUT of a lease in a bucket: what it says
	Token    string     // PUT of a lease in a bucket: of the delivery
	Messages []Delivery // of ReceiveMessage
	Changes  []Change   // of ChangeMessageVisibility and DeleteMessage, and of their batches
	Wait     time.Duration
	Hidden   time.Duration // of ReceiveMessage and of a lease: how long; 0 is the queue's own
	Leak     bool          // a secret stands in the request
}

// A Delivery is one message in an answer.
type Delivery struct {
	ID, Receipt string
	Jobs        []string // that it asks for
}

// A Change is what a request says about one receipt, and what came of it.
type Change struct {
	Receipt string
	Delete  bool
	Hidden  time.Duration // of a change of visibility
	Done    bool          // the server did it
	entry   string        // its ID in a batch
}

// Passed says whether the server did what it was asked.
func (c Call) Passed() bool { return !c.Answered.IsZero() && c.Status/100 == 2 }

// A Deed is what was done to a worker, or became of it.
type Deed string

const (
	Started Deed = "started"
	Term    Deed = "SIGTERM"
	Killed  Deed = "SIGKILL"
	Exited  Deed = "exited"
)

// An Act is a deed at a time.
type Act struct {
	Worker string
	Deed   Deed
	At     time.Time
}

// A Callback is a request that the receiver got.
type Callback struct {
	Job, ID  string
	At       time.Time
	Status   int  // what it was answered
	Verified bool // its signature is right
	Leak     bool // a secret stands in it
}

// A Job is what was sent.
type Job struct {
	ID       string
	Callback bool // one is owed when it ends
	Succeeds bool // it must, whatever happens to its workers
	Shares   bool // its message asks for others too, and is in the dead-letter queue where one of them failed
}

// A History is all that is known of a run. Its methods may be called from several goroutines; its fields are for when
// nothing runs any more.
type History struct {
	Visibility time.Duration // of the queue, where a receive does not say
	Store      string        // bucket of the records
	Secrets    []string      // that must be seen nowhere

	Jobs    []Job
	Sent    map[string][]string // job IDs of messages in a bucket, by their own
	Waiting map[string]int      // job IDs of messages that are still in the queue, and how many
	Dead    map[string]int      // job IDs of messages in the dead-letter queue
	Objects map[string]Object   // of the store at the end, by key
	Logs    map[string]string   // of the workers, by worker
	Left    []string            // processes and temporary files that outlived their workers

	mu        sync.Mutex
	calls     []*Call    // guarded by mu, in the order in which they came
	acts      []Act      // guarded by mu
	callbacks []Callback // guarded by mu
}

// An Object is what lies under a key.
type Object struct {
	Size   int64
	SHA256 string // hex
	Body   []byte // of records; nil of artifacts
	Leak   bool
}

// Calls returns what came so far, in that order.
func (h *History) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Call, len(h.calls))
	for i, c := range h.calls {
		all[i] = *c
		all[i].Messages, all[i].Changes = slices.Clone(c.Messages), slices.Clone(c.Changes)
	}
	return all
}

// Acts returns what was done so far.
func (h *History) Acts() []Act {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.acts)
}

// Callbacks returns what the receiver got so far.
func (h *History) Callbacks() []Callback {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.callbacks)
}

// Add notes calls, in the order in which they came.
func (h *History) Add(calls ...*Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, calls...)
}

// Act notes that something was done to a worker, now.
func (h *History) Act(worker string, d Deed) { h.ActAt(worker, d, time.Now()) }

// ActAt notes that something was done to a worker.
func (h *History) ActAt(worker string, d Deed, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acts = append(h.acts, Act{worker, d, at})
}

// Call notes a callback that the receiver got.
func (h *History) Call(c Callback) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.callbacks = append(h.callbacks, c)
}

// fill changes a call that was noted before.
func (h *History) fill(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}
