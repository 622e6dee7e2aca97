package nunjucks_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/nunjucks"
)

func TestAnOrderedMapIsWalkedInItsOrder(t *testing.T) {
	inner := &nunjucks.Order{Keys: []string{"y", "x"}}
	order := &nunjucks.Order{
		Keys: []string{"list", "gone", "map", "list", "7"}, // one that is not there, one twice
		In:   map[string]*nunjucks.Order{"list": {In: map[string]*nunjucks.Order{"1": inner}}, "map": inner, "scalar": inner},
	}
	pair := map[string]any{"x": 1, "y": 2}
	vars := map[string]any{"m": nunjucks.WithOrder(map[string]any{"map": pair, "list": []any{0, pair, pair}, "scalar": "<", "7": 7, "10": 10, "later": nil}, order)}
	const want = `{"7":7,"10":10,"list":[0,{"y":2,"x":1},{"x":1,"y":2}],"map":{"y":2,"x":1},"later":null,"scalar":"<"}`

	env := nunjucks.New(nunjucks.Config{})
	dump, err := env.Parse("", "{{ m | dump }}")
	require.NoError(t, err)
	out, err := dump.Render(t.Context(), vars)
	require.NoError(t, err)
	require.Equal(t, want, out)

	lone, err := env.Parse("", "{{ m }}")
	require.NoError(t, err)
	v, o, err := lone.Ordered(t.Context(), vars)
	require.NoError(t, err)
	require.IsType(t, map[string]any{}, v)
	b, err := json.Marshal(nunjucks.WithOrder(v, o))
	require.NoError(t, err)
	require.JSONEq(t, want, string(b))
	require.Equal(t, `{"7":7,"10":10,"list":[0,{"y":2,"x":1},{"x":1,"y":2}],"map":{"y":2,"x":1},"later":null,"scalar":"\u003c"}`, string(b))

	expr, err := env.ParseExpr("", "[m.list[2], {a: 1, b: m.list}]")
	require.NoError(t, err)
	v, o, err = expr.Ordered(t.Context(), vars)
	require.NoError(t, err)
	require.Equal(t, inner, o.At("1", "b", "1"))
	require.Nil(t, o.At("0"))
	require.Nil(t, o.At("1").Keys)
	require.Equal(t, []any{pairOf(1, 2), map[string]any{"a": int64(1), "b": []any{int64(0), pairOf(1, 2), pairOf(1, 2)}}}, v)
}

func pairOf(x, y int64) map[string]any { return map[string]any{"x": x, "y": y} }

func TestAMapLaidOverAnotherKeepsThePlacesOfItsKeys(t *testing.T) {
	inner := &nunjucks.Order{Keys: []string{"y", "x"}}
	base, over := map[string]any{"z": 1, "b": 2}, map[string]any{"d": 1, "b": 2, "c": 3}
	o := (&nunjucks.Order{Keys: []string{"z", "b"}, In: map[string]*nunjucks.Order{"b": inner, "z": inner}}).
		Overlay(base, over, &nunjucks.Order{Keys: []string{"d", "c", "b"}, In: map[string]*nunjucks.Order{"c": inner}})
	require.Equal(t, &nunjucks.Order{Keys: []string{"z", "b", "d", "c"}, In: map[string]*nunjucks.Order{"c": inner, "z": inner}}, o)

	var none *nunjucks.Order
	require.Nil(t, none.Overlay(map[string]any{"a": 1}, map[string]any{"b": 2}, nil))
	require.Equal(t, inner, none.With(inner, "a", "0").At("a", "0"))
	require.Nil(t, none.With(nil, "a", "0"))
}
