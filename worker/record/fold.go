package record

import (
	"slices"

	"github.com/millrace/millrace/pipelines/engine"
)

// keptInterruptions is how many interrupted attempts a Record lists. They cost a job nothing, so there may be any number.
const keptInterruptions = 10

// Folded adds up the interrupted attempts that a Record does not list: all but the newest.
type Folded struct {
	Interrupted int      `json:"interrupted"`
	Bounced     int      `json:"bounced,omitzero"`    // of Interrupted: History.Bounced
	Crowded     int      `json:"crowded,omitzero"`    // the same: History.Crowded
	GPUsLost    []string `json:"gpusLost,omitzero"`   // hosts of those under which a GPU failed, each once
	GPUSeconds  float64  `json:"gpuSeconds,omitzero"` // how long they have had GPUs, times how many
}

// fold makes r list no more than keptInterruptions that were interrupted.
func (r *Record) fold() {
	more := -keptInterruptions
	for _, a := range r.Attempts {
		if a.Status == AttemptInterrupted {
			more++
		}
	}
	if more <= 0 {
		return
	}
	var f Folded
	if r.Folded != nil {
		f = *r.Folded
	}
	r.Attempts = slices.DeleteFunc(slices.Clone(r.Attempts), func(a AttemptRecord) bool {
		if a.Status != AttemptInterrupted || more == 0 {
			return false
		}
		more--
		f.add(a)
		return true
	})
	r.Folded = &f
}

// add adds an interrupted attempt.
func (f *Folded) add(a AttemptRecord) {
	f.Interrupted++
	f.GPUSeconds += a.GPUSeconds
	switch {
	case a.Reason == engine.GPULost && !slices.Contains(f.GPUsLost, a.Host):
		f.GPUsLost = append(slices.Clone(f.GPUsLost), a.Host)
	case a.crowded():
		f.Crowded++
	case a.bounced():
		f.Bounced++
	}
}

// Tried is how many attempts there were.
func (r *Record) Tried() int {
	if r.Folded == nil {
		return len(r.Attempts)
	}
	return len(r.Attempts) + r.Folded.Interrupted
}
