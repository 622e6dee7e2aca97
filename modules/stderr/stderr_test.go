package stderr_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/stderr"
)

func TestItPrintsToStandardErrorOnly(t *testing.T) {
	c, r := moduletest.Call(t)
	out, err := stderr.Module.Run(t.Context(), c, map[string]any{"message": "oh", "metadata": map[string]any{"n": 1}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"stderr": "oh n=1", "lines": []any{"oh n=1"}}, out)
	require.Equal(t, "oh n=1\n", r.Stderr.String())
	require.Empty(t, r.Stdout.String())
}
