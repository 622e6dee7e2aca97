package modules_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
)

func TestJSONNumbersKeepTheirKind(t *testing.T) {
	got, err := modules.FromJSON([]byte(`{"a":[1,1.5,9007199254740993],"b":null}`))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": []any{int64(1), 1.5, int64(9007199254740993)}, "b": nil}, got)
	for _, bad := range []string{"", "{", "1 2", "1e999"} {
		_, err := modules.FromJSON([]byte(bad))
		require.Error(t, err, bad)
	}
}

func TestNumbersReadBackAreWrittenAlikeWhereverTheyStand(t *testing.T) {
	type row struct {
		Any    any
		Nested []*struct{ Values map[string]any }
		Size   int
		Bytes  []byte
		at     any
	}
	const text = `{"Any":[-0,1e+21,0.1],"Nested":[{"Values":{"a":{"b":[9223372036854775807]}}},null],"Size":3,"Bytes":"AQI="}`
	var got row
	require.NoError(t, modules.UnmarshalJSON([]byte(text), &got))
	require.Equal(t, map[string]any{"a": map[string]any{"b": []any{int64(math.MaxInt64)}}}, got.Nested[0].Values)
	require.Nil(t, got.at)
	again, err := json.Marshal(got)
	require.NoError(t, err)
	require.Equal(t, text, string(again))
	require.ErrorContains(t, modules.UnmarshalJSON([]byte(text+text), &got), "there is more after the value")
	require.Error(t, modules.UnmarshalJSON([]byte(`{"Any":1e999}`), &got))
}
