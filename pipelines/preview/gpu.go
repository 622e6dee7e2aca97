package preview

import (
	"context"
	"slices"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/render"
)

// WithGPUs returns p with the need of a GPU that its tasks have by the option of renderers (use_gpu: true) written down as if
// they had asked for one themselves, as far as that is known before the run: templates are rendered with what is given, which
// is what Bind returned, or nil. A task that is then known to be skipped needs none. p is not changed.
func WithGPUs(ctx context.Context, p *pipelines.Pipeline, given map[string]any) *pipelines.Pipeline {
	out := *p
	out.Tasks = needing(ctx, p, given)
	out.Entries = slices.Clone(p.Entries)
	for i, e := range p.Entries {
		if own, err := p.Select(e.Name); err == nil {
			out.Entries[i].Tasks = needing(ctx, own, given)
		}
	}
	return &out
}

// needing returns the tasks of p with what they need.
func needing(ctx context.Context, p *pipelines.Pipeline, given map[string]any) []pipelines.Task {
	var out []pipelines.Task
	var v *previewer
	for i, t := range p.Tasks {
		if t.GPU != nil || !mayUse(t.Props) {
			continue
		}
		if v == nil {
			s, err := render.NewState(ctx, render.Config{Name: p.Name, Document: p.State, Data: given, Strict: p.Settings.Strict})
			if err != nil {
				return p.Tasks // no run begins
			}
			v, out = newPreviewer(p, s, new(redact.Set)), slices.Clone(p.Tasks)
		}
		if v.uses(ctx, i) {
			out[i].GPU = &gpu.Need{Use: gpu.Required, Count: 1}
		}
	}
	if out == nil {
		return p.Tasks
	}
	return out
}

const useGPU = "use_gpu"

// optionOf are the props by which a task says that it draws on a GPU.
func optionOf(props map[string]any) []any {
	config, _ := props["config"].(map[string]any)
	return []any{config[useGPU], props[useGPU]}
}

func mayUse(props map[string]any) bool {
	all := optionOf(props)
	return all[0] != nil || all[1] != nil
}

// uses says that task i is known to draw on a GPU.
func (v *previewer) uses(ctx context.Context, i int) bool {
	t := &v.pipeline.Tasks[i]
	if runs, err := v.known(ctx, i); err != nil || runs != nil && !*runs {
		return false
	}
	m := moment{task: i, state: v.state.With(t.Vars), vars: t.Vars}
	for _, option := range optionOf(t.Props) {
		values, _, err := v.values(ctx, m, map[string]any{useGPU: option})
		if err == nil && (values[useGPU] == true || values[useGPU] == "true") {
			return true
		}
	}
	return false
}
