package record

import "time"

// PollState is how a job stands in the words of clients that poll.
type PollState string

const (
	Processing    PollState = "processing" // queued, running, or waiting for another attempt
	PollCompleted PollState = "completed"
	PollFailed    PollState = "failed" // failed, dead or canceled
)

// A Polled record is one that is shown, with what clients that poll look for.
type Polled struct {
	*Record
	JobID string    `json:"jobId"`
	State PollState `json:"state"`
	// Next is when the next attempt may be made, give or take a second; zero where none waits, or the queue can't tell.
	Next time.Time `json:"nextAttemptAt,omitzero"`
}

// Polled returns r as it is shown.
func (r *Record) Polled() Polled {
	state := Processing
	switch {
	case r.Status == Succeeded:
		state = PollCompleted
	case r.Status.Final():
		state = PollFailed
	}
	return Polled{Record: r, JobID: r.ID, State: state}
}
