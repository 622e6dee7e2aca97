package route

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines"
)

// related says what is wrong with rules beside each other. All of them are whole.
func (p *parser) related(at []pipelines.Value, rules []*Rule) {
	for i, r := range rules {
		for _, name := range r.OutputsOf {
			switch other := p.names[name]; {
			case other == nil:
				at[i].Key("outputs_of").Errorf("outputs_of: there is no route called %q%s", pipelines.Shorten(name), closest(name, slices.Sorted(maps.Keys(p.names))))
			case other == r:
				at[i].Key("outputs_of").Errorf("outputs_of: a route can't take its own results")
			case !feeds(other, r):
				at[i].Key("outputs_of").Errorf("outputs_of: this route takes nothing of what %q makes: bucket, prefix, suffixes or events keep it out", name)
			}
		}
		for _, before := range rules[:i] {
			if before.covers(r) {
				at[i].Errorf("route %q never fires: %q, on line %d, takes all that it would; put it before that, or remove it", r.Name, before.Name, before.Pos.Line)
				break
			}
		}
		if feeds(r, r) {
			at[i].Errorf("route %q would go on for ever: its results (%s) are what it takes; %s", r.Name, results(r), remedy)
		}
	}
	alone := slices.DeleteFunc(slices.Clone(rules), func(r *Rule) bool { return feeds(r, r) })
	if way := circle(alone); way != nil {
		at[slices.Index(rules, way[0])].Errorf("routes %s would go on for ever: each takes the results of the one before; %s", arrows(way), remedy)
	}
}

const remedy = "say in output.prefix a folder that is not taken, or in output.suffixes what results end in"

// results says what a rule's results are called.
func results(r *Rule) string {
	endings := ""
	if len(r.Output.Suffixes) > 0 {
		endings = ", ending in " + quoted(r.Output.Suffixes)
	}
	return fmt.Sprintf("%q%s", strings.TrimSuffix(r.Output.Folder(), "/")+"/"+r.Output.Stem(), endings)
}

func arrows(way []*Rule) string {
	var names []string
	for _, r := range append(slices.Clone(way), way[0]) {
		names = append(names, strconv.Quote(r.Name))
	}
	return strings.Join(names, " → ")
}

// covers says whether r takes everything that other does.
func (r *Rule) covers(other *Rule) bool {
	sameRegex := r.Regex == nil || other.Regex != nil && r.Regex.String() == other.Regex.String()
	return sameRegex && strings.HasPrefix(other.Prefix, r.Prefix) && r.MinSize <= other.MinSize &&
		(r.MaxSize < 0 || other.MaxSize >= 0 && other.MaxSize <= r.MaxSize) &&
		allIn(other.Buckets, r.Buckets) && allIn(other.Sources, r.Sources) && !slices.ContainsFunc(other.OutputsOf, func(name string) bool { return !slices.Contains(r.OutputsOf, name) }) &&
		allIn(other.Events, r.Events) && r.coversSuffixes(other)
}

func (r *Rule) coversSuffixes(other *Rule) bool {
	if len(r.Suffixes) == 0 {
		return true
	}
	if len(other.Suffixes) == 0 || other.IgnoreCase && !r.IgnoreCase {
		return false
	}
	return !slices.ContainsFunc(other.Suffixes, func(s string) bool { return !r.takesSuffix(s, r.endsIn()) })
}

// allIn says whether every word of a list is in another. An empty list is any word.
func allIn(words, list []string) bool {
	if len(list) == 0 || len(words) == 0 {
		return len(list) == 0
	}
	return !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(list, w) })
}
