// Package graph draws a pipeline: its tasks and which waits for which, as Mermaid text or as an SVG picture. What it is
// given is hostile: names may hold anything, and neither form lets them be more than text.
package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/pipelines"
)

// A Graph is what is drawn of a pipeline.
type Graph struct {
	Title  string
	Groups []Group
	// Callbacks are those of the whole run, one line for each event.
	Callbacks []string
}

// A Group is one list of tasks: the document's own, which has no name, or that of an entry.
type Group struct {
	Name  string
	Tasks []Task
}

// A Task is one box.
type Task struct {
	Name      string // as it is known before the run; "#3" where there is none
	Module    string
	When      string
	GPU       string // "GPU", "2 × GPU, 16 GiB"; empty is none
	Soft      bool
	Callbacks []string // one line for each event
	After     []int    // what it waits for, less what follows from the others
}

// New returns the graph of p: of the entry that was selected, else of its tasks and those of each entry. All texts are one
// line, without control characters.
func New(p *pipelines.Pipeline) *Graph {
	g := &Graph{Title: plain(p.Name), Callbacks: lines(p.Callbacks)}
	if p.Entry != "" {
		g.Groups = []Group{{Name: plain(p.Entry), Tasks: tasks(p.Tasks)}}
		return g
	}
	if len(p.Tasks) > 0 || len(p.Entries) == 0 {
		g.Groups = append(g.Groups, Group{Tasks: tasks(p.Tasks)})
	}
	for _, e := range p.Entries {
		g.Groups = append(g.Groups, Group{Name: plain(e.Name), Tasks: tasks(e.Tasks)})
	}
	return g
}

// WithoutCallbacks returns g with the tasks alone.
func (g *Graph) WithoutCallbacks() *Graph {
	out := &Graph{Title: g.Title}
	for _, group := range g.Groups {
		group.Tasks = slices.Clone(group.Tasks)
		for i := range group.Tasks {
			group.Tasks[i].Callbacks = nil
		}
		out.Groups = append(out.Groups, group)
	}
	return out
}

// Edges is how many arrows there are.
func (g *Graph) Edges() int {
	n := 0
	for _, group := range g.Groups {
		for _, t := range group.Tasks {
			n += len(t.After)
		}
	}
	return n
}

func tasks(list []pipelines.Task) []Task {
	out := make([]Task, len(list))
	after := reduce(list)
	for i, t := range list {
		out[i] = Task{
			Name: cmp.Or(plain(t.Name), plain(t.ID), "#"+strconv.Itoa(i)), Module: plain(t.Module), When: plain(t.When),
			GPU: need(t.GPU), Soft: t.Soft, Callbacks: lines(t.Callbacks), After: after[i],
		}
	}
	return out
}

// lines says what each event runs, in the order in which they happen: "onError → StdErr, Http".
func lines(all map[pipelines.Event][]pipelines.Callback) []string {
	var out []string
	for _, ev := range pipelines.Events(all) {
		var names []string
		for _, cb := range all[ev] {
			names = append(names, plain(cb.Module))
		}
		out = append(out, string(ev)+" → "+strings.Join(names, ", "))
	}
	return out
}

func need(g *gpu.Need) string {
	if g == nil || !g.Wanted() {
		return ""
	}
	text := "GPU"
	if g.Count > 1 {
		text = fmt.Sprintf("%d × GPU", g.Count)
	}
	if g.Memory > 0 {
		text += fmt.Sprintf(", %.4g GiB", float64(g.Memory)/(1<<30))
	}
	if g.Capability != "" {
		text += ", CUDA " + plain(g.Capability)
	}
	if g.Encoder {
		text += ", NVENC"
	}
	if g.Use == gpu.Preferred {
		text += ", else CPU"
	}
	return text
}

// plain makes text one line that shows what it is: no control characters, none that turn the direction of writing.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}
