package route

import (
	"errors"
	"maps"
	"slices"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/render"
)

// Check holds rules against a catalogue: their pipelines must be there, have the version and entry that a rule says, and take
// its state. What a template comes to is known when an upload comes, and not held against anything. A table is good without
// it: a catalogue may change at any time, and a job whose pipeline does not take it says so itself.
func (rs *Rules) Check(c *pipelines.Catalogue) []pipelines.Problem {
	var wrong pipelines.Problems
	for _, r := range rs.List {
		for _, err := range r.check(c) {
			wrong.Errorf(r.Pos, "route %q: %v", r.Name, err)
		}
	}
	return wrong.Sorted()
}

func (r *Rule) check(c *pipelines.Catalogue) []error {
	p, err := c.Lookup(r.job.Pipeline)
	if err != nil {
		return []error{err}
	}
	if v := r.job.Version; v != "" && v != p.Digest {
		return []error{errors.New("the pipeline " + r.job.Pipeline + " of the catalogue has the version " + p.Digest)}
	}
	if p, err = p.Select(r.job.Entry); err != nil {
		return []error{err}
	}
	given := maps.Clone(r.State)
	if given == nil {
		given = map[string]any{}
	}
	for _, name := range stagingNames() {
		given[name] = "{{ " + name + " }}"
	}
	known := *p
	known.Params = slices.DeleteFunc(slices.Clone(p.Params), func(param pipelines.Param) bool { return render.IsTemplate(given[param.Name]) })
	_, err = known.Bind(given)
	e, ok := errors.AsType[*pipelines.ParseError](err)
	if !ok {
		return nil
	}
	var all []error
	for _, problem := range e.Problems {
		all = append(all, errors.New("pipeline "+r.job.Pipeline+": "+problem.Msg))
	}
	return all
}
