package trial

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
)

// A judge collects what is not as a test says.
type judge struct {
	test     *Test
	runner   *Runner
	problems []Problem
}

// maxShown is how many problems of one test are told.
const maxShown = 20

// problem notes one at a path of the test file.
func (j *judge) problem(path, format string, args ...any) {
	if len(j.problems) == maxShown {
		return
	}
	at := j.test.Pos
	for p := path; p != ""; p = p[:max(0, strings.LastIndexAny(p, ".["))] {
		if pos, ok := j.test.at[p]; ok {
			at = pos
			break
		}
	}
	j.problems = append(j.problems, Problem{Line: at.Line, Column: at.Column, Path: j.short(path), Message: fmt.Sprintf(format, args...)})
}

// short leaves the test itself out of a path: "tests[3].expect.tasks[0]" is "expect.tasks[0]".
func (j *judge) short(path string) string {
	_, rest, _ := strings.Cut(path, ".")
	return rest
}

// path is a key of the test, in the file.
func (j *judge) path(key string) string { return j.test.path + "." + key }

func (j *judge) judge(rec *recording) {
	e := &j.test.expect
	j.status(rec)
	j.tasks(rec)
	j.callbacks(rec)
	j.warnings(rec)
	for _, d := range compare(j.path("expect.result"), mapOrNil(e.result), resultOf(rec)) {
		j.problem(d.path, "%s", d)
	}
	for _, why := range rec.refused {
		j.problem(j.path("expect"), "a callback failed: %s", why)
	}
	if rec.pipeline != nil {
		j.reads(rec)
	}
}

func (j *judge) status(rec *recording) {
	e, run := &j.test.expect, rec.run
	why := ""
	if run.Failure != nil {
		why = run.Failure.Message
	}
	switch {
	case run.Status != e.status && why != "":
		j.problem(j.path("expect.status"), "want %s, got %s: %s", e.status, run.Status, why)
	case run.Status != e.status:
		j.problem(j.path("expect.status"), "want %s, got %s", e.status, run.Status)
	case e.failure != "" && !strings.Contains(why, e.failure):
		j.problem(j.path("expect.failure"), "want a failure that says %s, got %s", show(e.failure), show(why))
	}
}

func (j *judge) tasks(rec *recording) {
	e, reached := &j.test.expect, rec.run.Tasks
	if !e.all {
		for _, w := range e.tasks {
			j.some(rec, w)
		}
		return
	}
	if len(e.tasks) != len(reached) {
		j.problem(j.path("expect.tasks"), "want %d tasks to be reached, got %s", len(e.tasks), names(reached))
	}
	for i := range min(len(e.tasks), len(reached)) {
		j.task(rec, &e.tasks[i], &reached[i])
	}
}

// some judges a task that is expected by its key.
func (j *judge) some(rec *recording, w wantTask) {
	indexes := []int{}
	if rec.pipeline != nil {
		indexes = find(rec.pipeline.Tasks, w.key)
	}
	for i := range rec.run.Tasks {
		t := &rec.run.Tasks[i]
		if slices.Contains(indexes, t.Index) || t.Name == w.key {
			j.task(rec, &w, t)
			return
		}
	}
	j.problem(w.path, "the task was not reached; those that were are %s", names(rec.run.Tasks))
}

func (j *judge) task(rec *recording, w *wantTask, got *engine.TaskRun) {
	seen := rec.tasks[got.Index]
	if seen == nil {
		seen = new(taskRecord)
	}
	why := ""
	if got.Failure != nil {
		why = got.Failure.Message
	}
	var diffs []difference
	add := func(key string, want, got any) { diffs = append(diffs, compare(w.path+"."+key, want, got)...) }
	if w.name != "" && !slices.Contains(find(rec.pipeline.Tasks, w.name), got.Index) {
		add("name", w.name, label(got.Name, got.Index))
	}
	if w.module != "" {
		add("module", w.module, got.Module)
	}
	if w.tries > 0 {
		add("tries", w.tries, got.Tries)
	}
	if w.props != nil {
		add("props", w.props, mapOrNil(seen.props))
	}
	for _, d := range diffs {
		j.problem(d.path, "%s", d)
	}
	switch {
	case w.status != "" && w.status != got.Status && why != "":
		j.problem(w.path+".status", "want %s, got %s: %s", w.status, got.Status, why)
	case w.status != "" && w.status != got.Status:
		j.problem(w.path+".status", "want %s, got %s", w.status, got.Status)
	case !strings.Contains(why, w.failure):
		j.problem(w.path+".failure", "want a failure that says %s, got %s", show(w.failure), show(why))
	}
}

// callbacks looks for those expected among those told, in order.
func (j *judge) callbacks(rec *recording) {
	want := j.test.expect.callbacks
	if want != nil && len(want) == 0 && len(rec.told) > 0 {
		j.problem(j.path("expect.callbacks"), "want none, got %s", tellings(rec.told))
		return
	}
	rest := rec.told
	for _, w := range want {
		i := slices.IndexFunc(rest, func(t told) bool { return w.names(t) && len(compare("", mapOrNil(w.props), mapOrNil(t.props))) == 0 })
		if i >= 0 {
			rest = rest[i+1:]
			continue
		}
		if i = slices.IndexFunc(rest, w.names); i < 0 {
			j.problem(w.path, "no such callback was run here; %s", tellings(rest))
			return
		}
		for _, d := range compare(w.path+".props", mapOrNil(w.props), mapOrNil(rest[i].props)) {
			j.problem(d.path, "%s", d)
		}
		rest = rest[i+1:]
	}
}

// names says whether t may be the callback that w means, props apart.
func (w wantCallback) names(t told) bool {
	return (w.on == "" || w.on == t.on) && (w.module == "" || w.module == t.module) && (w.task == "" || w.task == t.task)
}

func tellings(all []told) string {
	if len(all) == 0 {
		return "none was run after those before it"
	}
	list := make([]string, len(all))
	for i, t := range all {
		list[i] = t.on + " " + t.module
		if t.task != "" {
			list[i] += " of " + t.task
		}
	}
	return "these were run: " + clip(strings.Join(list, ", "), 400)
}

func (j *judge) warnings(rec *recording) {
	want, got := j.test.expect.warnings, rec.run.Warnings
	if want != nil && len(want) == 0 && len(got) > 0 {
		j.problem(j.path("expect.warnings"), "want none, got %s", show(got))
	}
	for i, part := range want {
		if !slices.ContainsFunc(got, func(w string) bool { return strings.Contains(w, part) }) {
			j.problem(fmt.Sprintf("%s[%d]", j.path("expect.warnings"), i), "want a warning that says %s, got %s", show(part), show(got))
		}
	}
}

// resultOf is what the run's tasks registered, whole: the run's own record of it is clipped.
func resultOf(rec *recording) map[string]any {
	out := map[string]any{}
	if rec.pipeline == nil {
		return out
	}
	for _, t := range rec.run.Tasks {
		key := rec.pipeline.Tasks[t.Index].Register
		if seen := rec.tasks[t.Index]; key != "" && seen != nil && t.Status == engine.Succeeded {
			out[key] = seen.output
		}
	}
	return out
}

// find returns the tasks that a key names: by "#index", by id, by name.
func find(tasks []pipelines.Task, key string) []int {
	var byID, byName []int
	for i := range tasks {
		switch t := &tasks[i]; {
		case key == fmt.Sprintf("#%d", i):
			return []int{i}
		case t.ID != "" && t.ID == key:
			byID = append(byID, i)
		case t.Name != "" && t.Name == key:
			byName = append(byName, i)
		}
	}
	if len(byID) > 0 {
		return byID
	}
	return byName
}

// names lists the tasks that were reached.
func names(tasks []engine.TaskRun) string {
	if len(tasks) == 0 {
		return "0"
	}
	list := make([]string, len(tasks))
	for i, t := range tasks {
		list[i] = label(t.Name, t.Index)
	}
	return fmt.Sprintf("%d: %s", len(tasks), clip(strings.Join(list, ", "), 400))
}

// mapOrNil keeps a nil map from being a value that is there.
func mapOrNil(m map[string]any) any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
