package engine

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/millrace/millrace/pipelines"
)

// attach finds the callback modules that hear every event because the document lists them as plugins. One that can't is
// left out, with a warning: it only ever watches.
func (r *runner) attach(ctx context.Context) {
	for i, name := range r.in.Pipeline.Plugins {
		pos := r.in.Pipeline.Positions["plugins["+strconv.Itoa(i)+"]"]
		cb, err := r.plugin(name, pos)
		if err != nil {
			r.leaveOut(ctx, fmt.Sprintf("%s: plugin left out: %v", pos, err))
			continue
		}
		r.plugins = append(r.plugins, cb)
	}
}

// leaveOut warns of a plugin, unless the run that an epilogue ends was warned already.
func (r *runner) leaveOut(ctx context.Context, msg string) {
	if !slices.Contains(r.run.Warnings, sentence(r.in.Redact.String(msg))) {
		r.warn(ctx, -1, msg)
	}
}

func (r *runner) plugin(name string, pos pipelines.Pos) (pipelines.Callback, error) {
	m, ok := r.cfg.Callbacks.Lookup(name)
	if !ok {
		return pipelines.Callback{}, unknown(name, r.cfg.Callbacks, r.cfg.Planned)
	}
	s := m.Spec()
	if s.Plugin == nil {
		return pipelines.Callback{}, fmt.Errorf("module %q can't be a plugin: it does nothing without props; write it under callbacks", name)
	}
	return pipelines.Callback{Module: name, Props: s.Plugin, Pos: pos}, nil
}

// listeners are the callbacks that hear an event, the document's first. Plugins hear all but onLog and onDebug, whose
// lines have events of their own.
func (r *runner) listeners(all map[pipelines.Event][]pipelines.Callback, on pipelines.Event) []pipelines.Callback {
	if on == pipelines.OnLog || on == pipelines.OnDebug {
		return r.in.Pipeline.Callbacks[on]
	}
	if len(r.plugins) == 0 {
		return all[on]
	}
	return slices.Concat(all[on], r.plugins)
}
