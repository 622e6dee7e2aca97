package lint

import (
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipelines"
)

// Document returns everything that is wrong with a document, in the order of the text: with its shape, and, as far as that
// can be read, what Pipeline says of it. What its blocks hide while nothing is given is looked at too. name is what
// problems call the source. It is nil when the document is clean.
func Document(name string, doc []byte, o Options) []pipelines.Problem {
	views, tags := pipelines.Explore(name, doc)
	found := pipelines.Problems(view(views[0], o))
	if len(tags) > 0 {
		expressions(tags, views[0].Pipeline, &found)
	}
	shown := maps.Clone(views[0].Lines)
	for _, v := range views[1:] {
		for _, problem := range view(v, o) {
			if !shown[problem.Pos.Line] {
				found.Add(problem)
			}
		}
		maps.Copy(shown, v.Lines)
	}
	return found.Sorted()
}

// view returns what is wrong with one view of a document.
func view(v pipelines.View, o Options) []pipelines.Problem {
	if v.Pipeline == nil {
		return v.Problems
	}
	found := append(v.Problems, Pipeline(v.Pipeline, o)...)
	if v.Unresolved != nil && !slices.ContainsFunc(found, func(p pipelines.Problem) bool { return inState(v.Pipeline, p) }) {
		found = append(found, *v.Unresolved)
	}
	return found
}

// inState says that an error stands in a pipeline's state.
func inState(pl *pipelines.Pipeline, p pipelines.Problem) bool {
	for path, at := range pl.Positions {
		if p.Severity == pipelines.SeverityError && strings.HasPrefix(path, "state") && at.Line == p.Pos.Line {
			return true
		}
	}
	return false
}
