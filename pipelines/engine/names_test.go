package engine_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
)

func TestACallbackSeesTheNamesOfItsEvent(t *testing.T) {
	var b bench
	_, in := b.input(t, `
name: p
tasks:
  - module: Do
    props: {print: a line}
    callbacks: {onStart: [{module: Look}], onStdout: [{module: Look}], onSuccess: [{module: Look}], onEnd: [{module: Look}]}
callbacks: {onStart: [{module: Look}], onLog: [{module: Look}], onDebug: [{module: Look}], onSuccess: [{module: Look}], onEnd: [{module: Look}]}
`)
	all := []string{"event", "status", "current_task", "error_message", "processed_count", "execution_time", "callback_id", "line", "level"}
	seen := map[pipelines.Event][]string{}
	look := modules.Define(modules.Spec{Name: "Look", Summary: "Looks at its variables.", Example: "- module: Look\n"},
		func(_ context.Context, c *modules.Call, _ struct{}) (struct{}, error) {
			event, _ := c.State.Get("event")
			on := pipelines.Event(event.(string))
			seen[on] = nil
			for _, name := range all {
				if _, ok := c.State.Get(name); ok {
					seen[on] = append(seen[on], name)
				}
			}
			return struct{}{}, nil
		})
	mods, err := modules.NewRegistry(b.module())
	require.NoError(t, err)
	cbs, err := modules.NewRegistry(look)
	require.NoError(t, err)
	engine.New(engine.Config{Modules: mods, Callbacks: cbs}).Run(t.Context(), in)
	require.Len(t, seen, 6)
	for on, names := range seen {
		require.Equal(t, on.Names(), names, on)
	}
}
