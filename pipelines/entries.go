package pipelines

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

// maxEntries bounds the pipelines in one document.
const maxEntries = 100

// entries reads the pipelines of a document.
func (p *parser) entries(f field, places Positions) []Entry {
	places["entries"] = f.pos
	fields := p.fields(f)
	if len(fields) > maxEntries {
		p.Errorf(f.pos, "the document has %d entries, and %d are allowed; split it", len(fields), maxEntries)
		return nil
	}
	var out []Entry
	for _, f := range fields {
		places["entries."+f.key] = f.pos
		if !validName(f.key) {
			p.Errorf(f.pos, "%q can't be an entry's name; use letters, digits, dot, dash and _", Shorten(f.key))
			continue
		}
		out = append(out, p.entry(f))
	}
	return out
}

func (p *parser) entry(f field) Entry {
	e := Entry{Name: f.key, Pos: f.pos}
	if f.value.kind != mapNode {
		p.Errorf(f.pos, "entry %q must be a map with description, params and tasks, got %s", f.key, f.value.what())
		return e
	}
	for _, f := range f.value.fields {
		switch f.key {
		case "description":
			e.Description = p.text(f)
		case "params":
			e.Params = p.params(f)
		case "tasks":
			e.Tasks = p.tasks(f)
		default:
			p.unknown(f, "an entry", "description", "params", "tasks")
		}
	}
	if !f.value.has("tasks") {
		p.Errorf(f.pos, "entry %q has no tasks; add a list of them under tasks", f.key)
	}
	return e
}

// twice reports params of entries that the document declares for all of them.
func (p *parser) twice(pl *Pipeline) {
	lines := map[string]int{}
	for _, param := range pl.Params {
		lines[param.Name] = param.Pos.Line
	}
	for _, e := range pl.Entries {
		for _, param := range e.Params {
			if line, ok := lines[param.Name]; ok {
				p.Errorf(param.Pos, "param %q is declared for all entries on line %d; keep one of them", Shorten(param.Name), line)
			}
		}
	}
}

// Select returns the pipeline with the tasks and params of one of its entries. Empty is its own tasks, or its only
// entry where it has none. What it returns shares all else with p. The error is permanent and lists the entries.
func (p *Pipeline) Select(entry string) (*Pipeline, error) {
	switch {
	case entry != "":
	case p.Tasks != nil:
		return p, nil
	case len(p.Entries) == 1:
		entry = p.Entries[0].Name
	default:
		return nil, fault.As(fault.Permanent, fmt.Errorf("%s has no tasks of its own; name one of its entries: %s", p.called(), strings.Join(p.entryNames(), ", ")))
	}
	at := slices.IndexFunc(p.Entries, func(e Entry) bool { return e.Name == entry })
	if at < 0 {
		return nil, fault.As(fault.Permanent, p.noEntry(entry))
	}
	e := p.Entries[at]
	out := *p
	out.Entry, out.Tasks, out.Params = e.Name, e.Tasks, slices.Concat(p.Params, e.Params)
	out.State, out.Positions = maps.Clone(p.State), maps.Clone(p.Positions)
	out.defaults(e.Params)
	return &out, nil
}

func (p *Pipeline) noEntry(entry string) error {
	if len(p.Entries) == 0 {
		return fmt.Errorf("%s has no entries, and %q was asked for; leave entry out", p.called(), Shorten(entry))
	}
	names := p.entryNames()
	if near := modules.Closest(entry, names); near != "" {
		return fmt.Errorf("%s has no entry %q, did you mean %q? It has %s", p.called(), Shorten(entry), near, strings.Join(names, ", "))
	}
	return fmt.Errorf("%s has no entry %q; it has %s", p.called(), Shorten(entry), strings.Join(names, ", "))
}

func (p *Pipeline) entryNames() []string {
	names := make([]string, len(p.Entries))
	for i, e := range p.Entries {
		names[i] = e.Name
	}
	return names
}

// called is what messages call the document.
func (p *Pipeline) called() string {
	if p.Source != "" {
		return p.Source
	}
	return "the pipeline"
}
