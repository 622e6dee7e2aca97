package now_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/now"
)

func TestItStoresTheTimeInState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := moduletest.Call(t)
		time.Sleep(1500 * time.Millisecond)
		out, err := now.Module.Run(t.Context(), c, map[string]any{"key": "__start__"})
		require.NoError(t, err)
		require.Equal(t, map[string]any{"key": "__start__", "now": "2000-01-01T00:00:01.5Z"}, out)
		require.Equal(t, "2000-01-01T00:00:01.5Z", r.State["__start__"])
	})
}

func TestAKeyMustBeAVariableName(t *testing.T) {
	c, _ := moduletest.Call(t)
	_, err := now.Module.Run(t.Context(), c, map[string]any{"key": "a.b"})
	require.EqualError(t, err, `prop "key" is "a.b", which is no variable name; use letters, digits and underscores`)
	_, err = now.Module.Run(t.Context(), c, map[string]any{"key": "state"})
	require.ErrorContains(t, err, "built in")
	_, err = now.Module.Run(t.Context(), c, nil)
	require.EqualError(t, err, `prop "key" is missing`)
}
