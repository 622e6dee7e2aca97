package stdout_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/stdout"
)

func TestItPrintsAndReturnsTheMessage(t *testing.T) {
	c, r := moduletest.Call(t)
	out, err := stdout.Module.Run(t.Context(), c, map[string]any{"msg": "a\nb"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"stdout": "a\nb", "lines": []any{"a", "b"}}, out)
	require.Equal(t, "a\nb\n", r.Stdout.String())
	require.Empty(t, r.Stderr.String())
}

func TestAMessageMustBeGivenButMayBeEmpty(t *testing.T) {
	c, r := moduletest.Call(t)
	_, err := stdout.Module.Run(t.Context(), c, nil)
	require.EqualError(t, err, `prop "message" is missing`)
	_, err = stdout.Module.Run(t.Context(), c, map[string]any{"message": ""})
	require.NoError(t, err)
	require.Equal(t, "\n", r.Stdout.String())
}
