package lint

import (
	"maps"

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
	return append(v.Problems, Pipeline(v.Pipeline, o)...)
}
