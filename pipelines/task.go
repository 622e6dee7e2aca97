package pipelines

import (
	"slices"
	"strings"
)

// tasks reads a list of tasks and puts them in order.
func (p *parser) tasks(f field) []Task {
	list := p.list(f)
	if len(list) > MaxTasks {
		p.Errorf(f.pos, "the pipeline has %d tasks, and %d are allowed; split it", len(list), MaxTasks)
		return nil
	}
	out, links := []Task{}, []link{}
	for _, e := range list {
		if e.kind != mapNode {
			p.Errorf(e.pos, "a task is a map with module and props, got %s", e.what())
			continue
		}
		t, l := p.task(e)
		out, links = append(out, t), append(links, l)
	}
	p.order(out, links)
	return out
}

func (p *parser) task(n *node) (Task, link) {
	t := Task{Pos: n.pos, Vars: n.vars, Positions: make(Positions, 2*len(n.fields))}
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
		p.Errorf(t.Positions["register"], "register %q is the name of a variable that a block sets here, which hides what the task registers; give one of them another name", t.Register)
	}
	if t.Module == "" {
		p.Errorf(n.pos, "the task names no module; add module: and one of those that `millrace modules` lists")
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
	c := Callback{Pos: n.pos, Positions: make(Positions, 2*len(n.fields))}
	if n.kind != mapNode {
		p.Errorf(n.pos, "a callback is a map with module and props, got %s", n.what())
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
		p.Errorf(n.pos, "the callback names no module; add module: and one of those that `millrace modules` lists")
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

// Writes returns the state keys that a task or callback writes by its props, besides what register says.
func Writes(module string, props map[string]any) []string {
	var keys []string
	for _, name := range []string{"resultKey", "key"} {
		if key, ok := props[name].(string); ok && (name == "resultKey" || module == "Now") {
			keys = append(keys, key)
		}
	}
	return keys
}
