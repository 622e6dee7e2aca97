package pipelines

import (
	"context"

	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// Given is what a job brings to a document. The zero Given is what lint and the catalogue assume: nothing.
type Given struct {
	State      map[string]any // laid over the document's, shallow; data, never rendered
	StateOrder *nunjucks.Order
	Env        map[string]string // that templates may read
	Job        map[string]any    // id, name, attempt, …
	Entry      string            // of Pipeline.Entries; empty is as Select has it

	// Secrets learns what is secret in Env and the document's state before blocks, and what stands in them, are rendered:
	// problems may quote it. May be nil.
	Secrets *redact.Set
}

// ParseGiven is Parse for a job: blocks between values are expanded with what the job gives laid over the document's
// state, and Given.Entry selects the tasks. What the job gives is not held against the params: Bind does that.
func ParseGiven(ctx context.Context, name string, doc []byte, g Given) (*Pipeline, error) {
	p := parser{file: name, given: g, job: true}
	pl, err := p.parse(ctx, doc)
	if err != nil {
		return nil, err
	}
	return pl.Select(g.Entry)
}
