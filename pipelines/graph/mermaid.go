package graph

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/millrace/millrace/modules/show"
)

// longestLabel is how many characters of one text are written.
const longestLabel = 120

// Mermaid returns the graph as a Mermaid flowchart, which GitHub and GitLab draw in a ```mermaid block.
func (g *Graph) Mermaid() string {
	m := &mermaid{}
	if g.Title != "" {
		m.line("---\ntitle: %s\n---", quoted(g.Title))
	}
	m.line("flowchart TD")
	for i, group := range g.Groups {
		m.group(i, group)
	}
	if len(g.Callbacks) > 0 {
		m.line("  run>%q]", strings.Join(escaped(g.Callbacks), "<br/>"))
		m.notes = append(m.notes, "run")
	}
	m.class("soft", "stroke-dasharray:5 4", m.soft)
	m.class("gpu", "stroke-width:3px", m.gpu)
	m.class("note", "stroke-dasharray:2 3,font-size:12px", m.notes)
	return m.text.String()
}

type mermaid struct {
	text             strings.Builder
	soft, gpu, notes []string // boxes of a class
}

func (m *mermaid) line(format string, args ...any) { fmt.Fprintf(&m.text, format+"\n", args...) }

func (m *mermaid) group(index int, g Group) {
	id := func(task int) string { return fmt.Sprintf("g%dt%d", index, task) }
	if g.Name != "" {
		m.line("  subgraph g%d[%q]", index, escape("entry "+g.Name))
	}
	for i, t := range g.Tasks {
		m.task(id(i), t)
	}
	for i, t := range g.Tasks {
		for _, p := range t.After {
			m.line("  %s --> %s", id(p), id(i))
		}
	}
	if g.Name != "" {
		if len(g.Tasks) == 0 {
			m.line("  g%dnone[\"no tasks\"]", index)
		}
		m.line("  end")
	}
}

func (m *mermaid) task(id string, t Task) {
	label := []string{"<b>" + escape(t.Name) + "</b>", escape(t.Module)}
	if t.When != "" {
		label = append(label, "<i>when "+escape(t.When)+"</i>")
	}
	if t.GPU != "" {
		label = append(label, escape(t.GPU))
		m.gpu = append(m.gpu, id)
	}
	if t.Soft {
		label = append(label, "may fail")
		m.soft = append(m.soft, id)
	}
	m.line("  %s[%q]", id, strings.Join(label, "<br/>"))
	if len(t.Callbacks) > 0 {
		m.line("  %sc>%q] -.- %s", id, strings.Join(escaped(t.Callbacks), "<br/>"), id)
		m.notes = append(m.notes, id+"c")
	}
}

// class gives boxes a look. It is a line of its own: behind a label it could become part of what a text says.
func (m *mermaid) class(name, style string, ids []string) {
	if len(ids) == 0 {
		return
	}
	m.line("  classDef %s %s", name, style)
	m.line("  class %s %s", strings.Join(ids, ","), name)
}

// escape makes text that Mermaid shows as it is, and takes for no syntax, HTML or Markdown: everything but letters,
// digits and blanks becomes a character code (#34; is a quote).
func escape(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > longestLabel {
			b.WriteString("…")
			break
		}
		if r == ' ' || r == '→' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, "#%d;", r)
	}
	return b.String()
}

func escaped(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = escape(t)
	}
	return out
}

// quoted is text in double quotes, as YAML and JSON write it alike.
func quoted(text string) string {
	if r := []rune(text); len(r) > longestLabel {
		text = string(r[:longestLabel]) + "…"
	}
	out, err := show.Text(text, show.JSON)
	if err != nil {
		return `""` // no text is none
	}
	return out
}
