package render_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

func TestWhatTemplatesShareIsWeighedEachTime(t *testing.T) {
	s := newState(t, render.Config{Data: map[string]any{"s": strings.Repeat("x", 1<<20)}})
	list := "{{ [" + strings.Repeat("s,", 40) + "1] }}"
	text := "{{ s }}" + strings.Repeat("{{ s }}", 9)
	_, err := s.Value(t.Context(), list)
	require.NoError(t, err)
	for name, props := range map[string]map[string]any{
		"one value":          {"a": "{{ [" + strings.Repeat("s,", 64) + "1] }}"},
		"as keys of a map":   {"a": "{{ {x: [" + strings.Repeat("s,", 64) + "1]} }}"},
		"two props":          {"a": list, "b": []any{list}},
		"a prop with a loop": {"a": list, "b": render.Scoped{Text: list, Vars: map[string]any{"i": 1}}},
		"texts":              {"a": text, "b": text, "c": text, "d": text, "e": text, "f": text, "g": text},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := s.Props(t.Context(), props)
			require.ErrorIs(t, err, nunjucks.ErrMemory)
			require.ErrorContains(t, err, "more than 64 MiB")
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestAStateThatDoublesIsRefused(t *testing.T) {
	_, err := render.NewState(t.Context(), render.Config{
		Data:     map[string]any{"s": strings.Repeat("x", 1<<20)},
		Document: map[string]any{"a": "{{ [s, s, s, s, s, s, s, s] }}", "b": "{{ [a, a, a, a, a, a, a, a] }}"},
	})
	require.ErrorIs(t, err, nunjucks.ErrMemory)
	require.ErrorContains(t, err, `state key "b"`)
}
