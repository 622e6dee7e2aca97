package trial

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
)

// outputs finds the task of each output that the test gives, and says where there is none, or where the task's module
// has no such output.
func (j *judge) outputs(p *pipelines.Pipeline) map[int][]output {
	all := map[int][]output{}
	for _, o := range j.test.given.outputs {
		found := find(p.Tasks, o.task)
		switch {
		case len(found) == 0:
			j.at(o.pos, "no task is called %q%s", clip(o.task, 64), closestTask(p.Tasks, o.task))
			continue
		case len(found) > 1:
			j.at(o.pos, "%d tasks are called %q; give their outputs as %q and so on", len(found), clip(o.task, 64), fmt.Sprintf("#%d", found[0]))
			continue
		}
		i := found[0]
		if _, twice := all[i]; twice {
			j.at(o.pos, "the outputs of task %q are given twice; keep one", label(p.Tasks[i].Name, i))
		}
		all[i] = o.tries
		m, ok := j.runner.cfg.Modules.Lookup(p.Tasks[i].Module)
		for _, try := range o.tries {
			if ok {
				j.fields(try.pos, m.Spec().Name, "", m.Spec().Outputs, try.values)
			}
		}
	}
	return all
}

// later returns the modules that the test takes as a later version may have them.
func (j *judge) later() []string {
	var all []string
	for i, name := range j.test.given.later {
		m, ok := j.runner.cfg.Modules.Lookup(name)
		if !ok {
			j.problem(fmt.Sprintf("%s[%d]", j.path("given.later"), i), "module %q is not one of this version; leave it out, its props are not checked anyway", clip(name, 64))
			continue
		}
		all = append(all, m.Spec().Name)
	}
	return all
}

// at notes a problem of the test itself.
func (j *judge) at(pos pipelines.Pos, format string, args ...any) {
	if len(j.problems) < maxShown {
		j.problems = append(j.problems, Problem{Line: pos.Line, Column: pos.Column, Message: fmt.Sprintf(format, args...)})
	}
}

func closestTask(tasks []pipelines.Task, key string) string {
	var known []string
	for i, t := range tasks {
		if i == 1000 {
			break // hostile documents have more
		}
		known = append(known, label(t.Name, i))
		if t.ID != "" {
			known = append(known, t.ID)
		}
	}
	if near := modules.Closest(key, known); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	if len(known) == 0 {
		return "; the pipeline has no tasks"
	}
	return "; there are " + clip(strings.Join(known, ", "), 400)
}

// fields checks given outputs against those that a module has.
func (j *judge) fields(pos pipelines.Pos, module, path string, fields []modules.Field, given map[string]any) {
	for key, v := range given {
		f, ok := field(fields, key)
		if !ok {
			j.at(pos, "%s has no output %q%s", module, path+clip(key, 64), closestField(fields, key))
			continue
		}
		if !fits(f.Type, v) {
			j.at(pos, "output %q of %s is %s, got %s", path+key, module, article(f.Type), show(v))
			continue
		}
		if nested, ok := v.(map[string]any); ok && f.Fields != nil {
			j.fields(pos, module, path+key+".", f.Fields, nested)
		}
	}
}

func field(fields []modules.Field, name string) (modules.Field, bool) {
	for _, f := range fields {
		if f.Name == name {
			return f, true
		}
	}
	return modules.Field{}, false
}

func closestField(fields []modules.Field, key string) string {
	var known []string
	for _, f := range fields {
		known = append(known, f.Name)
	}
	if near := modules.Closest(key, known); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	return "; it has " + strings.Join(known, ", ")
}

// fits says whether an output of type t can be v.
func fits(t modules.Type, v any) bool {
	ok := true
	switch t {
	case modules.String, modules.Duration:
		_, ok = v.(string)
	case modules.Bool:
		_, ok = v.(bool)
	case modules.Integer:
		_, ok = v.(int64)
	case modules.Number:
		_, ok = number(v)
	case modules.List:
		_, ok = v.([]any)
	case modules.Map:
		_, ok = v.(map[string]any)
	}
	return ok
}

func article(t modules.Type) string {
	if t == modules.Integer {
		return "an " + string(t)
	}
	return "a " + string(t)
}
