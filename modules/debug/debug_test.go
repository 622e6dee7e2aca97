package debug_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/debug"
	"github.com/millrace/millrace/modules/moduletest"
)

func TestItPrintsVariablesAndMessages(t *testing.T) {
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  string
	}{
		{"a variable", map[string]any{"var": "who"}, "World\n"},
		{"a path", map[string]any{"var": "listing.stdoutLines"}, "[\"a\",\"b\"]\n"},
		{"as yaml", map[string]any{"var": "listing", "format": "yaml"}, "stdoutLines:\n  - a\n  - b\n"},
		{"the whole state without reserved keys", map[string]any{"var": "state", "format": "raw"}, `{"listing":{"stdoutLines":["a","b"]},"who":"World"}` + "\n"},
		{"nothing there", map[string]any{"var": "whom"}, "whom is not defined\n"},
		{"a value that was rendered already", map[string]any{"var": []any{int64(1)}}, "[1]\n"},
		{"a message", map[string]any{"message": "hi"}, "hi\n"},
		{"both", map[string]any{"msg": "who?", "var": "who"}, "who?\nWorld\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := moduletest.Call(t)
			r.State = map[string]any{
				"who": "World", "listing": map[string]any{"stdoutLines": []any{"a", "b"}}, "__kafka": "x",
			}
			_, err := debug.Module.Run(t.Context(), c, tt.props)
			require.NoError(t, err)
			require.Equal(t, tt.want, r.Stdout.String())
		})
	}
}

func TestItsOutputHoldsTheValue(t *testing.T) {
	c, r := moduletest.Call(t)
	r.State["n"] = int64(3)
	out, err := debug.Module.Run(t.Context(), c, map[string]any{"var": "n"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"var": "n", "message": nil, "format": "raw", "value": int64(3)}, out)
	_, err = debug.Module.Run(t.Context(), c, nil)
	require.EqualError(t, err, `prop "var" is missing; name a variable, or give "message"`)
}
