package pipelines

import (
	"slices"
	"strings"
)

// maxTasks bounds what one run tells of itself.
const maxTasks = 5000

// tasks reads a list of tasks and puts them in order.
func (p *parser) tasks(f field) []Task {
	list := p.list(f)
	if len(list) > maxTasks {
		p.errorf(f.pos, "the pipeline has %d tasks, and %d are allowed; split it", len(list), maxTasks)
		return nil
	}
	out, links := []Task{}, []link{}
	for _, e := range list {
		if e.kind != mapNode {
			p.errorf(e.pos, "a task is a map with module and props, got %s", e.what())
			continue
		}
		t, l := p.task(e)
		out, links = append(out, t), append(links, l)
	}
	p.order(out, links)
	return out
}

func (p *parser) task(n *node) (Task, link) {
	t := Task{Pos: n.pos, Vars: n.vars, Positions: make(map[string]Pos)}
	var l link
	for _, f := range n.fields {
		if f.key != "callbacks" {
			f.value.places(f.key, f.pos, t.Positions)
		}
		switch f.key {
		case "name":
			t.Name = p.text(f)
			l.name = strings.TrimSpace(f.value.text)
		case "id":
			t.ID = p.id(f)
		case "after", "depends_on", "dependsOn":
			p.after(f, &l)
		case "gpu":
			t.GPU = p.gpu(f)
		case "module":
			t.Module = p.text(f)
		case "props":
			t.Props = p.plainMap(f)
		case "callbacks":
			t.Callbacks = p.callbacks(f, TaskEvents)
		case "register":
			t.Register = p.register(f)
		case "when":
			t.When = p.text(f)
		case "throw":
			t.Soft = !p.boolean(f, true)
		case "retry":
			t.Retry = new(p.count(f))
		case "retry_sleep":
			t.RetrySleep = new(p.duration(f))
		case "timeout":
			t.Timeout = p.duration(f)
		default:
			p.unknown(f, "a task", "name", "id", "after", "module", "props", "callbacks", "register", "when", "throw", "retry",
				"retry_sleep", "timeout", "gpu", "depends_on", "dependsOn")
		}
	}
	if _, hidden := t.Vars[t.Register]; hidden {
		p.errorf(t.Positions["register"], "register %q is the name of a variable that a block sets here, which hides what the task registers; give one of them another name", t.Register)
	}
	if t.Module == "" {
		p.errorf(n.pos, "the task names no module; add module: and one of those that `millrace modules` lists")
	}
	return t, l
}

func (p *parser) callbacks(f field, events []Event) map[Event][]Callback {
	var out map[Event][]Callback
	for _, f := range p.fields(f) {
		on := Event(f.key)
		if !slices.Contains(events, on) {
			p.unknown(f, "callbacks", names(events)...)
			continue
		}
		for _, e := range p.list(f) {
			if out == nil {
				out = make(map[Event][]Callback)
			}
			out[on] = append(out[on], p.callback(e))
		}
	}
	return out
}

func (p *parser) callback(n *node) Callback {
	c := Callback{Pos: n.pos, Positions: make(map[string]Pos)}
	if n.kind != mapNode {
		p.errorf(n.pos, "a callback is a map with module and props, got %s", n.what())
		return c
	}
	for _, f := range n.fields {
		f.value.places(f.key, f.pos, c.Positions)
		switch f.key {
		case "module":
			c.Module = p.text(f)
		case "props":
			c.Props = p.plainMap(f)
		default:
			p.unknown(f, "a callback", "module", "props")
		}
	}
	if c.Module == "" {
		p.errorf(n.pos, "the callback names no module; add module: and one of those that `millrace modules` lists")
	}
	return c
}

func names(events []Event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = string(e)
	}
	return out
}
