package lint

import (
	"cmp"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
)

// A taskList is one list of tasks: their order, and what they set.
type taskList struct {
	tasks  []pipelines.Task
	before []taskSet             // of each task, those that have ended when it starts; nil: all that stand before it
	makers map[string][]maker    // by variable, in the order of the document
	first  map[pipelines.Pos]int // of the tasks that stand at one place, the rounds of an expanded loop
}

// A maker is a task that sets a variable.
type maker struct {
	task int
	pos  pipelines.Pos
	spec modules.Spec // without outputs where these are not known
}

func newTaskList(tasks []pipelines.Task, reg *modules.Registry) *taskList {
	l := &taskList{tasks: tasks, makers: map[string][]maker{}, first: map[pipelines.Pos]int{}}
	for i := range tasks {
		t := &tasks[i]
		if _, again := l.first[t.Pos]; !again {
			l.first[t.Pos] = i
		}
		var spec modules.Spec
		if reg != nil {
			if m, ok := reg.Lookup(t.Module); ok {
				spec = m.Spec()
			}
		}
		if t.Register != "" {
			l.makers[t.Register] = append(l.makers[t.Register], maker{i, t.Positions["register"], spec})
		}
		for _, key := range pipelines.Writes(t.Module, t.Props) {
			if t.Module == "Now" {
				spec = modules.Spec{}
			}
			l.makers[key] = append(l.makers[key], maker{i, t.Pos, spec})
		}
	}
	l.before = befores(tasks)
	return l
}

// A taskSet holds indexes of tasks, one bit each.
type taskSet []uint64

func (s taskSet) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s taskSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s taskSet) addAll(t taskSet) {
	for i := range t {
		s[i] |= t[i]
	}
}

// befores follows After. It is nil where each task comes after the one before it, as the document has it.
func befores(tasks []pipelines.Task) []taskSet {
	sequential := true
	for i, t := range tasks {
		if i > 0 && (len(t.After) != 1 || t.After[0] != i-1) {
			sequential = false
		}
	}
	if sequential {
		return nil
	}
	sets := make([]taskSet, len(tasks))
	var visit func(i int) taskSet
	visit = func(i int) taskSet {
		if sets[i] != nil {
			return sets[i]
		}
		sets[i] = make(taskSet, (len(tasks)+63)/64) // before its predecessors': a circle, which Parse refuses, ends here
		for _, a := range tasks[i].After {
			if a >= 0 && a < len(tasks) {
				sets[i].addAll(visit(a))
				sets[i].add(a)
			}
		}
		return sets[i]
	}
	for i := range tasks {
		visit(i)
	}
	return sets
}

// precedes says that task a has ended when task b starts.
func (l *taskList) precedes(a, b int) bool {
	if l.before == nil {
		return a < b
	}
	return l.before[b].has(a)
}

// apart says that neither of two tasks waits for the other.
func (l *taskList) apart(a, b int) bool {
	return a != b && !l.precedes(a, b) && !l.precedes(b, a)
}

// wait says how to make a task come after task i.
func (l *taskList) wait(i int) string {
	if name := cmp.Or(l.tasks[i].ID, l.tasks[i].Name); name != "" {
		return "add after: " + pipelines.Shorten(name)
	}
	return "give that one an id, and add it under after"
}

// sees returns the makers of a variable that a task may see: those that have ended, else those that may run at the same
// time. ended says which. A task of -1 sees all.
func (l *taskList) sees(name string, task int) (makers []maker, ended bool) {
	var beside []maker
	for _, m := range l.makers[name] {
		switch {
		case task < 0 || l.precedes(m.task, task):
			makers, ended = append(makers, m), true
		case l.apart(m.task, task):
			beside = append(beside, m)
		}
	}
	return append(makers, beside...), ended
}
