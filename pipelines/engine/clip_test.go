package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/pipelines/render"
)

// runMany runs a pipeline of n tasks that each return out, or fail with err.
func runMany(t *testing.T, n int, out map[string]any, err error) *engine.Run {
	t.Helper()
	type output struct {
		Out map[string]any `json:"out" doc:"What was given."`
	}
	mod := modules.Define(modules.Spec{Name: "Give", Summary: "Gives what it is told.", Example: "- module: Give\n"},
		func(context.Context, *modules.Call, struct{}) (output, error) { return output{out}, err })
	mods, rerr := modules.NewRegistry(mod)
	require.NoError(t, rerr)
	cbs, rerr := modules.NewRegistry()
	require.NoError(t, rerr)
	var doc strings.Builder
	doc.WriteString("tasks:\n")
	for i := range n {
		fmt.Fprintf(&doc, "  - {module: Give, register: out%d}\n", i)
	}
	p, rerr := pipelines.Parse("many.yaml", []byte(doc.String()))
	require.NoError(t, rerr)
	state, rerr := render.NewState(t.Context(), render.Config{})
	require.NoError(t, rerr)
	secrets := new(redact.Set)
	secrets.Add("hunter2\nhunter3\n")
	return engine.New(engine.Config{Modules: mods, Callbacks: cbs}).Run(t.Context(), engine.Input{Pipeline: p, State: state, Redact: secrets})
}

func TestWhatARunTellsIsBoundedHoweverMuchItsTasksReturn(t *testing.T) {
	many := make(map[string]any)
	for i := range 2000 {
		many[fmt.Sprint(i)] = i
	}
	lines := make([]any, 100)
	for i := range lines {
		lines[i] = strings.Repeat("\x00\"<é", 500)
	}
	for _, tt := range []struct {
		name string
		out  map[string]any
	}{
		{"long lines that JSON makes longer", map[string]any{"lines": lines}},
		{"lists in lists", map[string]any{"a": []any{lines, []any{lines, lines}}, "b": lines}},
		{"many keys", map[string]any{"many": many}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := runMany(t, 12, tt.out, nil)
			require.Equal(t, engine.Succeeded, run.Status)
			for _, task := range run.Tasks {
				b, err := json.Marshal(task.Output)
				require.NoError(t, err)
				require.Less(t, len(b), 300<<10)
			}
			b, err := json.Marshal(run)
			require.NoError(t, err)
			require.Less(t, len(b), 5<<20, "a child can tell it in one line")
		})
	}
}

func TestAnOutputWhoseNameIsSecretIsNotTold(t *testing.T) {
	run := runMany(t, 1, map[string]any{"data": []any{map[string]any{"access_token": "abc", "token_type": "bearer", "tokens": 7}}}, nil)
	require.Equal(t, map[string]any{"out": map[string]any{"data": []any{
		map[string]any{"access_token": redact.Mask, "token_type": redact.Mask, "tokens": int64(7)},
	}}}, run.Tasks[0].Output)
}

func TestAnErrorIsToldInOneShortLine(t *testing.T) {
	run := runMany(t, 1, nil, errors.New("one\r\n\n\ttwo\x00three\x1b[1m\nhunter2\nfour "+strings.Repeat("ä", 100_000)))
	require.Regexp(t, `^one; two three \[1m; \[REDACTED\]; four ä+…$`, run.Failure.Message)
	require.Less(t, len(run.Failure.Message), 5_000)
	require.Equal(t, run.Failure.Message, run.Tasks[0].Failure.Message)
}
