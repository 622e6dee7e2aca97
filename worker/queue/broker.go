package queue

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound says that the queue holds no such message.
	ErrNotFound = errors.New("no such message")
	// ErrInFlight says that a worker has the message.
	ErrInFlight = errors.New("message is in flight")
)

// A State is where a message stands.
type State string

const (
	Visible  State = "visible"  // the next Receive may get it
	InFlight State = "inflight" // a worker has it
	Delayed  State = "delayed"  // hidden until its delay is over
)

// A Waiting message is one that is not settled.
type Waiting struct {
	ID         string
	State      State
	Enqueued   time.Time
	Delivery   int           // how often it was received
	Hidden     time.Duration // for so long still; 0 when visible
	Body       []byte
	Attributes map[string]string
	Group      string
}

// A Buried message is one that was given up.
type Buried struct {
	ID         string // as it was in the queue
	Enqueued   time.Time
	Buried     time.Time
	Delivery   int // how often it was received
	Reason     string
	Body       []byte
	Attributes map[string]string
	Group      string
	Receipt    Receipt // of the dead-letter queue, for Revive alone
}

// A Broker is a Driver that people can look into and mend. Every driver that ships is one.
type Broker interface {
	Driver
	// Name is what people call the queue: its file, URL, or bucket and prefix.
	Name() string
	// Peek returns up to limit messages that wait, roughly the oldest first. Where a broker shows nothing that it does
	// not deliver (SQS), only visible ones are shown, and the look counts as a delivery.
	Peek(ctx context.Context, limit int) ([]Waiting, error)
	// Purge deletes all that waits, and what is in flight where the broker does so (SQS).
	Purge(ctx context.Context) error
	// Dead returns up to limit messages of the dead-letter queue, the latest first where the broker keeps them in order.
	Dead(ctx context.Context, limit int) ([]Buried, error)
	// Revive sends a message in the place of one that Dead returned, which is gone then, and returns the new one's ID.
	// A crash on the way leaves both, never neither. ErrNotFound when the buried one is gone, or was shown too long ago.
	Revive(ctx context.Context, b Buried, d Draft) (id string, err error)
	// Examine says how the queue is set up, and what is wrong with it.
	Examine(ctx context.Context) []Finding
	Close() error
}

// A Level is how bad a Finding is.
type Level string

const (
	Good    Level = "ok"
	Warning Level = "warning" // it works, until it does not
	Bad     Level = "error"   // it can't work
)

// A Finding is one thing that was looked at.
type Finding struct {
	Check  string // what was looked at, in a word or two: "dead-letter queue"
	Level  Level
	Text   string // one sentence: what was found
	Remedy string // one sentence: what to do; empty when it is good
}
