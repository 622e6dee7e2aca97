package preview

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// A moment is when in a run something is rendered.
type moment struct {
	task  int             // -1 is the whole run
	ended bool            // the task has, or the run
	event pipelines.Event // that a callback hears; empty is no callback
	state *render.State
	vars  map[string]any // hide all else
}

// values renders what is known of values before the run. What must wait for it is left as its template. notes says why,
// by path, and names the variables that nothing defines.
func (v *previewer) values(ctx context.Context, m moment, values map[string]any) (tree map[string]any, notes map[string]string, err error) {
	k := &keeper{previewer: v, moment: m, notes: map[string]string{}}
	marked, err := k.mark(ctx, values, "")
	if err != nil {
		return nil, nil, err
	}
	tree, missing, err := m.state.Props(ctx, marked.(map[string]any))
	if err != nil {
		return nil, nil, err
	}
	for path, name := range missing {
		if _, ok := k.notes[path]; !ok {
			k.notes[path] = name + " is not defined"
		}
	}
	v.learn(tree)
	return v.shown(tree).(map[string]any), k.notes, nil
}

// shown masks secrets, and turns what was kept into its text again.
func (v *previewer) shown(value any) any {
	switch x := value.(type) {
	case kept:
		return v.secrets.String(string(x))
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[v.secrets.String(k)] = v.shown(e)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = v.shown(e)
		}
		return out
	}
	return v.secrets.Value(value)
}

// A kept is a template that only the run can render. It is no text to the rendering of what stands around it.
type kept string

// A keeper finds the texts that must wait for the run.
type keeper struct {
	*previewer
	moment
	notes map[string]string // by path: what they wait for
}

func (k *keeper) mark(ctx context.Context, value any, path string) (any, error) {
	switch x := value.(type) {
	case string:
		return k.text(ctx, x, x, path, k.vars)
	case render.Scoped:
		return k.text(ctx, x, x.Text, path, x.Vars)
	case map[string]any:
		out := make(map[string]any, len(x))
		for _, key := range slices.Sorted(maps.Keys(x)) {
			below := key
			if path != "" {
				below = path + "." + key
			}
			e, err := k.mark(ctx, x[key], below)
			if err != nil {
				return nil, err
			}
			out[key] = e
		}
		return out, nil
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			e, err := k.mark(ctx, e, path+"["+strconv.Itoa(i)+"]")
			if err != nil {
				return nil, err
			}
			out[i] = e
		}
		return out, nil
	}
	return value, nil
}

// text returns value, which is src with the variables around it, or what keeps it.
func (k *keeper) text(ctx context.Context, value any, src, path string, vars map[string]any) (any, error) {
	if !nunjucks.HasTemplate(src) {
		return value, nil
	}
	t, err := k.env.Parse("", src)
	if err != nil {
		return nil, &render.ValueError{Path: path, Err: err}
	}
	m := k.moment
	m.vars = vars
	if why := k.waits(ctx, m, t.Vars()); why != "" {
		k.notes[path] = why
		return kept(src), nil
	}
	return value, nil
}

// waits says what must have happened before something that reads refs can be rendered; "" is nothing.
func (v *previewer) waits(ctx context.Context, m moment, refs []nunjucks.Ref) string {
	var after []int
	for _, r := range refs {
		name := r.Name
		if _, own := m.vars[name]; own {
			continue
		}
		if m.event != "" && (name == "task" || slices.Contains(m.event.Names(), name)) {
			return "when it happens"
		}
		names := []string{name}
		if _, own := v.pipeline.State["state"]; name == "state" && !own {
			names = slices.Sorted(maps.Keys(v.makers))
			if len(r.Path) > 0 {
				names = r.Path[:1]
			}
		}
		for _, name := range names {
			for _, i := range v.makers[name] {
				if v.mayPrecede(ctx, i, m) && !slices.Contains(after, i) {
					after = append(after, i)
				}
			}
		}
	}
	return v.after(after)
}

// after names tasks: `after task "Look"`.
func (v *previewer) after(tasks []int) string {
	const most = 3
	slices.Sort(tasks)
	var names []string
	for n, i := range tasks {
		switch {
		case i == byCallback:
			names = append(names, "a callback")
		case n == most:
			names = append(names, fmt.Sprintf("%d more", len(tasks)-most))
			return "after " + strings.Join(names, ", ")
		default:
			names = append(names, fmt.Sprintf("task %q", v.label(i)))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "after " + strings.Join(names, ", ")
}

// mayPrecede says that task i may have set its variables by then.
func (v *previewer) mayPrecede(ctx context.Context, i int, m moment) bool {
	if i == byCallback {
		return true
	}
	if runs, _ := v.known(ctx, i); runs != nil && !*runs {
		return false
	}
	if m.task == -1 || m.task == i {
		return m.ended
	}
	return !v.follows(i, m.task)
}

// known is what a task's when comes to; nil where only the run can tell. A template that fails is reported with its task.
func (v *previewer) known(ctx context.Context, i int) (*bool, error) {
	if k, ok := v.runs[i]; ok {
		return k.runs, k.err
	}
	v.runs[i] = verdict{} // a task whose when hangs on itself, through others beside it, is for the run to tell
	runs, err := v.cond(ctx, i)
	v.runs[i] = verdict{runs, err}
	return runs, err
}

type verdict struct {
	runs *bool
	err  error
}

func (v *previewer) cond(ctx context.Context, i int) (*bool, error) {
	t := &v.pipeline.Tasks[i]
	if strings.TrimSpace(t.When) == "" {
		return new(true), nil
	}
	x, err := v.env.ParseExpr("", t.When)
	if err != nil {
		return nil, err
	}
	if v.waits(ctx, moment{task: i, vars: t.Vars}, x.Vars()) != "" {
		return nil, nil
	}
	runs, err := v.state.With(t.Vars).Cond(ctx, t.When)
	if err != nil {
		return nil, err
	}
	return &runs, nil
}

// follows says that task i begins only when task of has ended.
func (v *previewer) follows(i, of int) bool {
	if v.followers == nil {
		v.followers = make([][]int, len(v.pipeline.Tasks))
		for i, t := range v.pipeline.Tasks {
			for _, p := range t.After {
				v.followers[p] = append(v.followers[p], i)
			}
		}
	}
	if v.of != of || v.behind == nil {
		v.of, v.behind = of, make([]bool, len(v.pipeline.Tasks))
		for next := []int{of}; len(next) > 0; {
			at := next[len(next)-1]
			next = next[:len(next)-1]
			for _, f := range v.followers[at] {
				if !v.behind[f] {
					v.behind[f] = true
					next = append(next, f)
				}
			}
		}
	}
	return v.behind[i]
}
