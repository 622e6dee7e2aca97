package pipelines

import "context"

// Given is what a job brings to a document. The zero Given is what lint and the catalogue assume: nothing.
type Given struct {
	State map[string]any    // laid over the document's, shallow; data, never rendered
	Env   map[string]string // that templates may read
	Job   map[string]any    // id, name, attempt, …
	Entry string            // of Pipeline.Entries; empty is the document's own tasks
}

// ParseGiven is Parse for a job: blocks between values are expanded with what the job gives laid over the document's
// state, and Given.Entry selects the tasks.
func ParseGiven(ctx context.Context, name string, doc []byte, g Given) (*Pipeline, error) {
	p := parser{file: name, given: g}
	pl := p.document(ctx, doc)
	if err := p.err(); err != nil {
		return nil, err
	}
	return pl, nil
}

// Bind holds what a job gives against the params of p, and returns the state to run with: given, with text turned into
// the declared types and defaults filled in. The error is permanent, and names every param that is wrong or missing.
func (p *Pipeline) Bind(given map[string]any) (map[string]any, error) { return given, nil }
