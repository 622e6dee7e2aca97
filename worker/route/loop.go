package route

import (
	"path"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/worker/job"
)

// fromGateway is the source of what was uploaded to a gateway.
const fromGateway = "gateway"

// Where a rule does not say: results lie in a folder like the input's below outputs, and have a name of their own.
const (
	defaultPrefix = "outputs/{{ directory }}"
	defaultName   = "optimized_{{ stem }}"
)

// Folder is Prefix, or what stands in its place where that is empty.
func (o Output) Folder() string {
	if o.Prefix == "" {
		return defaultPrefix
	}
	return o.Prefix
}

// Stem is Name, or what stands in its place where that is empty.
func (o Output) Stem() string {
	if o.Name == "" {
		return defaultName
	}
	return o.Name
}

// literal is what a template begins with, whatever it is rendered with, and whether that is all of it.
func literal(tmpl string) (head string, all bool) {
	if !nunjucks.HasTemplate(tmpl) {
		return tmpl, true
	}
	head, _, _ = strings.Cut(tmpl, "{")
	return strings.TrimRightFunc(head, unicode.IsSpace), false // which {{- takes away
}

// folderHead is what the keys of all results begin with.
func (o Output) folderHead() string {
	head, all := literal(o.Folder())
	if all {
		return strings.TrimSuffix(head, "/") + "/"
	}
	return head
}

// nameHead is what the names of all results begin with.
func (o Output) nameHead() string {
	head, _ := literal(o.Stem())
	return head
}

// keyHead is as much of the results' keys as is the same for all.
func (o Output) keyHead() string {
	if _, all := literal(o.Folder()); all {
		return o.folderHead() + o.nameHead()
	}
	return o.folderHead()
}

// feeds says whether a result of the rule a may be what the rule b takes. Where it is not known, it may.
func feeds(a, b *Rule) bool {
	if !b.takesCreations() || !bucketsMeet(a.Buckets, b.Buckets) {
		return false
	}
	made := a.Output.keyHead()
	for _, wanted := range []string{b.Prefix, b.anchor} {
		if !strings.HasPrefix(made, wanted) && !strings.HasPrefix(wanted, made) {
			return false
		}
	}
	return suffixesMeet(a.Output.Suffixes, b.Suffixes, b.endsIn())
}

// takesCreations says whether a new object in a bucket may be what the rule takes.
func (r *Rule) takesCreations() bool {
	if len(r.Sources) == 1 && r.Sources[0] == fromGateway {
		return false
	}
	return slices.ContainsFunc(r.Events, mayCreate)
}

// mayCreate says whether a kind of events, or one as its source calls it, may tell of a new object.
func mayCreate(event string) bool {
	switch job.Change(event) {
	case job.Deleted, job.Restored, job.Other:
		return false
	}
	return !slices.ContainsFunc([]string{"ObjectRemoved:", "Object Deleted", "Object:Delete"}, func(gone string) bool {
		return strings.HasPrefix(event, gone)
	})
}

// bucketsMeet says whether one bucket may match both lists. Of two globs it is taken for granted where what they begin with
// allows it.
func bucketsMeet(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	for _, x := range a {
		for _, y := range b {
			if globsMeet(x, y) {
				return true
			}
		}
	}
	return false
}

func globsMeet(a, b string) bool {
	i, j := strings.IndexAny(a, globSigns), strings.IndexAny(b, globSigns)
	switch {
	case i < 0:
		ok, err := path.Match(b, a)
		return ok && err == nil
	case j < 0:
		ok, err := path.Match(a, b)
		return ok && err == nil
	}
	return strings.HasPrefix(a[:i], b[:j]) || strings.HasPrefix(b[:j], a[:i])
}

// globSigns are what make a bucket's name a glob.
const globSigns = `*?[\`

// suffixesMeet says whether a key may end in one of each list. A nil list is any.
func suffixesMeet(made, wanted []string, endsIn func(text, suffix string) bool) bool {
	if len(made) == 0 || len(wanted) == 0 {
		return true
	}
	return slices.ContainsFunc(made, func(m string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool {
			return endsIn(m, w) || endsIn(w, m)
		})
	})
}

// anchored is what every key that a regex matches begins with, as far as it says: "in/" of ^in/.*\.stl$.
func anchored(tree *syntax.Regexp) string {
	if tree.Op != syntax.OpConcat || len(tree.Sub) < 2 || tree.Sub[0].Op != syntax.OpBeginText {
		return ""
	}
	if first := tree.Sub[1]; first.Op == syntax.OpLiteral && first.Flags&syntax.FoldCase == 0 {
		return string(first.Rune)
	}
	return ""
}

// circle returns rules of which each may take what the one before has made, and the first what the last has: the shortest way
// round from the first that is in one; nil where there is none.
func circle(rules []*Rule) []*Rule {
	takers := map[*Rule][]*Rule{}
	for _, a := range rules {
		for _, b := range rules {
			if feeds(a, b) {
				takers[a] = append(takers[a], b)
			}
		}
	}
	for _, start := range rules {
		before := map[*Rule]*Rule{}
		for todo := []*Rule{start}; len(todo) > 0; todo = todo[1:] {
			for _, next := range takers[todo[0]] {
				if next == start {
					return wayBack(before, start, todo[0])
				}
				if before[next] == nil {
					before[next] = todo[0]
					todo = append(todo, next)
				}
			}
		}
	}
	return nil
}

// wayBack is the way from start to end.
func wayBack(before map[*Rule]*Rule, start, end *Rule) []*Rule {
	way := []*Rule{end}
	for way[0] != start {
		way = slices.Insert(way, 0, before[way[0]])
	}
	return way
}
