package trial

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// A reader goes through a run in its order, and says where a template read of an output what neither the test gave nor
// the props said: it came out empty, and in reality would not.
type reader struct {
	*judge
	made map[string]made // by the variable that holds it, so far
	said map[string]bool
}

// made is the output of a task.
type made struct {
	task   string
	output map[string]any
}

func (j *judge) reads(rec *recording) {
	r := &reader{judge: j, made: map[string]made{}, said: map[string]bool{}}
	p := rec.pipeline
	r.callbacks("the pipeline", p.Callbacks, pipelines.OnStart)
	for _, run := range rec.run.Tasks {
		t := &p.Tasks[run.Index]
		name := label(run.Name, run.Index)
		who := fmt.Sprintf("task %q", name)
		r.condition(who, t.When)
		if run.Status == engine.Skipped {
			continue
		}
		r.texts(who, t.Props)
		r.callbacks(who, t.Callbacks, pipelines.OnStart)
		seen := rec.tasks[run.Index]
		if seen != nil && run.Status == engine.Succeeded {
			r.produced(name, t.Register, seen.output)
			key, _ := seen.props["resultKey"].(string)
			r.produced(name, key, seen.output)
		}
		r.callbacks(who, t.Callbacks, endsWith(run.Status)...)
	}
	r.callbacks("the pipeline", p.Callbacks, endsWith(rec.run.Status)...)
}

// endsWith are the events that a task or a run of that status ends with.
func endsWith(s engine.Status) []pipelines.Event {
	if s == engine.Succeeded {
		return []pipelines.Event{pipelines.OnSuccess, pipelines.OnEnd}
	}
	return []pipelines.Event{pipelines.OnError, pipelines.OnFailure, pipelines.OnEnd}
}

func (r *reader) produced(task, key string, output map[string]any) {
	if key != "" {
		r.made[key] = made{task, output}
	}
}

func (r *reader) callbacks(who string, all map[pipelines.Event][]pipelines.Callback, on ...pipelines.Event) {
	for _, ev := range on {
		for _, c := range all[ev] {
			r.texts(fmt.Sprintf("%s's %s callback", who, ev), c.Props)
		}
	}
}

// texts looks at every template in v.
func (r *reader) texts(who string, v any) {
	switch x := v.(type) {
	case string:
		if !r.mayRead(x) || !nunjucks.HasTemplate(x) {
			return
		}
		if t, err := r.runner.env.Parse("", x); err == nil {
			r.refs(who, t.Vars())
		}
	case render.Scoped:
		r.texts(who, x.Text)
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			r.texts(who, x[k])
		}
	case []any:
		for _, e := range x {
			r.texts(who, e)
		}
	}
}

func (r *reader) condition(who, src string) {
	if !r.mayRead(src) {
		return
	}
	if x, err := r.runner.env.ParseExpr("", src); err == nil {
		r.refs(who, x.Vars())
	}
}

// mayRead spares parsing a text that names no output.
func (r *reader) mayRead(src string) bool {
	for key := range r.made {
		if strings.Contains(src, key) {
			return true
		}
	}
	return false
}

func (r *reader) refs(who string, refs []nunjucks.Ref) {
	for _, ref := range refs {
		name, path := ref.Name, ref.Path
		if name == "state" && len(path) > 0 {
			name, path = path[0], path[1:]
		}
		m, ok := r.made[name]
		if !ok || ref.Guarded {
			continue
		}
		missing := absent(m.output, path)
		if missing == "" || r.said[m.task+"\x00"+missing] {
			continue
		}
		r.said[m.task+"\x00"+missing] = true
		r.problem(r.path("given.outputs"), "%s reads %s.%s, which the test does not say: add %s to given.outputs of %q",
			who, name, missing, missing, m.task)
	}
}

// absent returns the beginning of path that v does not have, "" where all of it is there.
func absent(v any, path []string) string {
	for i, key := range path {
		switch x := v.(type) {
		case map[string]any:
			e, ok := x[key]
			if !ok {
				return strings.Join(path[:i+1], ".")
			}
			v = e
		case []any:
			n, err := strconv.Atoi(key)
			if n < 0 {
				n += len(x)
			}
			if err != nil || n < 0 || n >= len(x) {
				return ""
			}
			v = x[n]
		default:
			return ""
		}
	}
	return ""
}
