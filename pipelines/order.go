package pipelines

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
)

// A link is what one task says of its place in the order.
type link struct {
	name   string // as the source has it: a template perhaps
	key    string // after, depends_on or dependsOn; empty where the task says nothing
	before []reference
}

// A reference calls a task by its id or name.
type reference struct {
	text string
	list bool // it stood in a list: its commas part nothing
	pos  Pos
}

// after reads what a task comes after: a task's id or name, several of them parted by commas, or a list of them. Where
// it says nothing, as in [], the task starts at once.
func (p *parser) after(f field, l *link) {
	if l.key != "" {
		p.Errorf(f.pos, "%s and %s are the same key; keep one of them", f.key, l.key)
		return
	}
	l.key = f.key
	switch n := f.value; {
	case n.empty():
	case n.kind == scalarNode:
		l.before = []reference{{text: p.text(f), pos: n.pos}}
	case n.kind == listNode:
		for _, e := range n.list {
			text := p.text(field{f.key, e.pos, e})
			switch {
			case text != "":
				l.before = append(l.before, reference{text, true, e.pos})
			case e.kind == scalarNode:
				p.Errorf(e.pos, "%s has an entry that names no task; remove it", f.key)
			}
		}
	default:
		p.Errorf(f.pos, "%s must be the id or name of a task, or a list of them, got a map", f.key)
	}
}

// id reads what after calls a task.
func (p *parser) id(f field) string {
	const longest = 128 // characters
	id := p.text(f)
	if len([]rune(id)) > longest || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		p.Errorf(f.pos, "id %q can't be used; write at most %d characters on one line", Shorten(id), longest)
		return ""
	}
	return id
}

// parallel reads how many tasks may run at once.
func (p *parser) parallel(f field) int {
	v, ok := f.value.value.(int64)
	if !ok || v < 1 || v > MaxParallel {
		p.Errorf(f.pos, "parallel must be a whole number of tasks from 1 to %d, got %s", MaxParallel, f.value.what())
		return 0
	}
	return int(v)
}

// order fills Task.After. links say, for each task, what the document does.
func (p *parser) order(tasks []Task, links []link) {
	o := orderer{parser: p, tasks: tasks, links: links, ids: map[string]int{}, names: map[string][]int{}}
	for i, t := range tasks {
		o.call(i, t)
	}
	for i := range tasks {
		if links[i].key == "" {
			if i > 0 {
				tasks[i].After = []int{i - 1}
			}
			continue
		}
		for _, ref := range links[i].before {
			tasks[i].After = append(tasks[i].After, o.resolve(i, ref)...)
		}
		slices.Sort(tasks[i].After)
		tasks[i].After = slices.Compact(tasks[i].After)
	}
	o.circles()
}

// An orderer knows the tasks of one list by what they are called.
type orderer struct {
	*parser
	tasks   []Task
	links   []link
	ids     map[string]int
	names   map[string][]int // indexes, of the source's text and of what it was expanded to
	guesses int              // made so far for names that are unknown
}

func (o *orderer) call(i int, t Task) {
	if t.ID != "" {
		if first, twice := o.ids[t.ID]; twice {
			o.Errorf(t.Positions["id"], "id %q is already that of the task on line %d; ids are unique", Shorten(t.ID), o.tasks[first].Pos.Line)
		} else {
			o.ids[t.ID] = i
		}
	}
	for _, name := range []string{t.Name, o.links[i].name} {
		if at := o.names[name]; name != "" && (len(at) == 0 || at[len(at)-1] != i) {
			o.names[name] = append(at, i)
		}
	}
}

// resolve returns the tasks that a reference of task i means: one, or several where its commas part them.
func (o *orderer) resolve(i int, ref reference) []int {
	_, byID := o.ids[ref.text]
	if byID || len(o.names[ref.text]) > 0 || ref.list || !strings.Contains(ref.text, ",") {
		return o.one(i, ref)
	}
	var all []int
	for text := range strings.SplitSeq(ref.text, ",") {
		if text = strings.TrimSpace(text); text != "" {
			all = append(all, o.one(i, reference{text, true, ref.pos})...)
		}
	}
	return all
}

func (o *orderer) one(i int, ref reference) []int {
	key := o.links[i].key
	at, ok := o.ids[ref.text]
	if named := o.names[ref.text]; !ok {
		switch len(named) {
		case 0:
			o.unknownTask(key, ref)
			return nil
		case 1:
			at = named[0]
		default:
			o.Errorf(ref.pos, "%s: %q is the name of the tasks on lines %d and %d; give the one that is meant an id",
				key, Shorten(ref.text), o.tasks[named[0]].Pos.Line, o.tasks[named[1]].Pos.Line)
			return nil
		}
	}
	if at == i {
		o.Errorf(ref.pos, "%s: the task can't come after itself; remove %q", key, Shorten(ref.text))
		return nil
	}
	return []int{at}
}

func (o *orderer) unknownTask(key string, ref reference) {
	const mostGuesses = 10 // a document has thousands of names, and each guess looks at many
	near := ""
	if o.guesses++; o.guesses <= mostGuesses {
		known := make([]string, 0, len(o.tasks))
		for _, t := range o.tasks {
			for _, name := range []string{t.ID, t.Name} {
				if name != "" {
					known = append(known, name)
				}
			}
		}
		near = modules.Closest(ref.text, known)
	}
	if near != "" {
		o.Errorf(ref.pos, "%s: no task has the id or name %q, did you mean %q?", key, Shorten(ref.text), Shorten(near))
		return
	}
	o.Errorf(ref.pos, "%s: no task has the id or name %q", key, Shorten(ref.text))
}

// circles reports tasks that wait for each other, each in at most one circle.
func (o *orderer) circles() {
	const (
		unseen = iota
		open   // on the path that is being followed
		done
	)
	state := make([]int, len(o.tasks))
	var path []int
	var follow func(i int)
	follow = func(i int) {
		state[i] = open
		path = append(path, i)
		for _, next := range o.tasks[i].After {
			switch state[next] {
			case unseen:
				follow(next)
			case open:
				o.circle(path[slices.Index(path, next):])
			}
		}
		path = path[:len(path)-1]
		state[i] = done
	}
	for i := range o.tasks {
		if state[i] == unseen {
			follow(i)
		}
	}
}

// circle reports one circle: each task of it comes after the one that follows in the list, the last after the first.
func (o *orderer) circle(members []int) {
	const shown = 12
	first := slices.Index(members, slices.Min(members))
	members = slices.Concat(members[first:], members[:first])
	var words []string
	implied := false
	for n, i := range members {
		implied = implied || o.links[i].key == ""
		switch {
		case n < shown:
			words = append(words, fmt.Sprintf("%s (%s)", o.called(i), o.tasks[i].Pos))
		case n == shown:
			words = append(words, fmt.Sprintf("… %d more …", len(members)-shown))
		}
	}
	words = append(words, o.called(members[0]))
	why := ""
	if implied {
		why = "; a task without after comes after the one before it"
	}
	o.Errorf(o.tasks[members[0]].Pos, "tasks wait for each other in a circle: %s, and none of them can start%s", strings.Join(words, " → "), why)
}

// called is what messages call a task.
func (o *orderer) called(i int) string {
	t := o.tasks[i]
	switch {
	case t.ID != "":
		return Shorten(t.ID)
	case t.Name != "":
		return Shorten(strings.Join(strings.Fields(t.Name), " "))
	}
	return fmt.Sprintf("#%d", i)
}
