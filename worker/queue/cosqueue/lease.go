package cosqueue

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// A state is what a lease object says of its message.
type state string

const (
	held state = "held" // somebody has it
	free state = "free" // it was handed back, and may be taken after the delay
	done state = "done" // it was acked: what is left of it is to be deleted
	dead state = "dead" // it was buried: it is to be moved to dead/
)

// The size of a lease object tells its state, and of a free one about how long it hides its message, so that a listing
// shows it: neither one that is held nor one whose delay has not passed need be read. In bytes.
const (
	heldSize = 512
	doneSize = 513
	freeSize = 514  // and one more for each step of the delay
	deadSize = 2048 // or more
	maxLease = 4096
)

// step is how much longer than the one before a delay is for its lease to be a byte longer: 7 days are 1,338 steps.
const step = 1.01

// maxReason is how much of a reason a lease object keeps; in bytes.
const maxReason = 512 // the object in dead/ keeps more

// maxBuriedReason is how much of it a dead message keeps; in bytes.
const maxBuriedReason = 32 << 10

// A lease is the object leases/NAME. Gen and Token make the bytes of every write differ, and so its ETag.
type lease struct {
	State      state  `json:"state"`
	Owner      string `json:"owner"` // for people: which machine has or had it
	Token      string `json:"token"` // of the delivery
	Gen        int64  `json:"gen"`   // counts the writes
	Deliveries int    `json:"deliveries"`
	// Millis is how long a held lease lasts, counted by each observer from when it first saw this very write, or for how
	// long a free one hides its message.
	Millis  int64     `json:"ms"`
	Version string    `json:"version,omitempty"` // of the job's object
	Reason  string    `json:"reason,omitempty"`
	Buried  time.Time `json:"buried,omitzero"` // for people
}

func (l lease) lasts() time.Duration {
	return min(max(time.Duration(l.Millis)*time.Millisecond, 0), maxDelay)
}

// next is the lease to write in place of l.
func (l lease) next(s state, d time.Duration) lease {
	l.State, l.Millis, l.Gen = s, d.Milliseconds(), l.Gen+1
	return l
}

func (l lease) encode() []byte {
	b, err := json.Marshal(l)
	if err != nil {
		panic(fmt.Sprintf("cosqueue: a lease that JSON can't hold: %v", err)) // its fields are text, numbers and our own clock
	}
	size := map[state]int{held: heldSize, free: freeSize, done: doneSize, dead: deadSize}[l.State]
	if l.State == free {
		size += int(math.Log(1+l.lasts().Seconds()) / math.Log(step))
	}
	return append(b, bytes.Repeat([]byte(" "), max(0, size-len(b)))...)
}

// decode reads a lease. One that can't be read is held by nobody we know, and is taken over in time.
func decode(b []byte) lease {
	var l lease
	if json.Unmarshal(b, &l) != nil {
		return lease{State: held}
	}
	return l
}

// stateOf reads the state off the size in a listing, and of a free lease for how long it hides its message at least. It
// is a hint: whoever acts on it reads the object first.
func stateOf(size int64) (s state, least time.Duration) {
	switch {
	case size >= deadSize:
		return dead, 0
	case size >= freeSize:
		seconds := math.Pow(step, float64(size-freeSize)) - 1
		return free, min(time.Duration(seconds*float64(time.Second)), maxDelay)
	case size == doneSize:
		return done, 0
	}
	return held, 0
}

func newToken() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// clip cuts a text to at most n bytes of valid UTF-8.
func clip(s string, n int) string {
	return strings.ToValidUTF8(s[:min(len(s), n)], "")
}
