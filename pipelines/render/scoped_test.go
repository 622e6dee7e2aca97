package render_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/render"
)

func TestAScopedTextSeesItsVariablesBeforeTheState(t *testing.T) {
	scoped := func(text string) render.Scoped {
		return render.Scoped{Text: text, Vars: map[string]any{"asset": "chair.fbx", "loop": map[string]any{"index": 2}}}
	}
	s := newState(t, render.Config{Document: map[string]any{
		"asset": "{{ table }}", "table": "{{ asset }}", "dir": "/w", "deep": []any{scoped("{{ dir }}/{{ asset }}")},
	}, Data: map[string]any{"table": "table.fbx"}})
	deep, _ := s.Get("deep.0")
	require.Equal(t, "/w/chair.fbx", deep)

	out, missing, err := s.Props(t.Context(), map[string]any{
		"src": scoped("{{ dir }}/{{ asset }}"), "n": scoped("{{ loop.index }}"), "other": "{{ asset }}",
		"args": []any{scoped("{{ gone }}"), map[string]any{"state": scoped("{{ state.asset }}")}},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"src": "/w/chair.fbx", "n": int64(2), "other": "table.fbx", "args": []any{"", map[string]any{"state": "table.fbx"}},
	}, out)
	require.Equal(t, map[string]string{"args[0]": "gone"}, missing)

	_, _, err = s.Props(t.Context(), map[string]any{"src": scoped("{{ asset | nope }}")})
	require.EqualError(t, err, `prop "src": template:1:12: filter not found: nope`)
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestACircleOverAScopedTextIsNamed(t *testing.T) {
	_, err := render.NewState(t.Context(), render.Config{Document: map[string]any{
		"a": render.Scoped{Text: "{{ b }}{{ x }}", Vars: map[string]any{"x": 1}}, "b": "{{ a }}",
	}})
	require.EqualError(t, err, "state keys refer to each other in a circle: a → b → a; give one of them a value")
}

func TestEvalGivesTheValueOfAnExpression(t *testing.T) {
	s := newState(t, render.Config{Document: map[string]any{"list": []any{1, "a"}}})
	for expr, want := range map[string]any{"list": []any{int64(1), "a"}, "list | length + 1": int64(3), "nothing": nil} {
		got, err := s.Eval(t.Context(), expr)
		require.NoError(t, err, expr)
		require.Equal(t, want, got, expr)
	}
	_, err := s.Eval(t.Context(), "1 +")
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestDefinesSaysWhetherAllThatATemplateReadsIsThere(t *testing.T) {
	s := newState(t, render.Config{Document: map[string]any{"a": map[string]any{"b": nil}}})
	for tmpl, want := range map[string]bool{"plain": true, "{{ a.b }}": true, "{{ a.c }}": false, "{{ a }}{{ c }}": false, "{{": false, "{{ now() }}": true} {
		require.Equal(t, want, s.Defines(tmpl), tmpl)
	}
}

func TestFiltersTakePathsApartAndWriteJSON(t *testing.T) {
	s := newState(t, render.Config{Document: map[string]any{"src": "in/chair.tar.gz", "map": map[string]any{"b": "<&>", "a": []any{1, 0.5, nil}}}})
	for tmpl, want := range map[string]string{
		"{{ src | basename }}":             "chair.tar.gz",
		"{{ src | stem }}":                 "chair.tar",
		"{{ src | ext }}":                  ".gz",
		"{{ src | dirname }}":              "in",
		"{{ 'chair' | ext }}":              "",
		"{{ 'a/.hidden' | stem }}":         ".hidden",
		"{{ 'a/.hidden' | ext }}":          "",
		"{{ 'chair.fbx' | dirname }}":      ".",
		"{{ gone | basename }}":            "",
		"{{ map | json }}":                 `{"a":[1,0.5,null],"b":"<&>"}`,
		"{{ gone | json }}":                "null",
		"{{ src | basename | upper }}":     "CHAIR.TAR.GZ",
		"{{ gone | default(src) | stem }}": "chair.tar",
	} {
		require.Equal(t, want, text(t, s, tmpl), tmpl)
	}
	for _, tmpl := range []string{"{{ 7 | ext }}", "{{ src | stem('.gz') }}", "{{ map | json(2) }}"} {
		_, err := s.Text(t.Context(), tmpl)
		require.Equal(t, fault.Permanent, fault.Of(err), tmpl)
	}
}

func TestStrictLeavesANegativeIndexUndefined(t *testing.T) {
	cache := render.NewCache()
	document := map[string]any{"file": "a.glb"}
	usual := newState(t, render.Config{Document: document, Templates: cache})
	strict := newState(t, render.Config{Document: document, Templates: cache, Strict: true})
	require.Equal(t, "[glb]", text(t, usual, "[{{ file.split('.')[-1] }}]"))
	require.Equal(t, "[]", text(t, strict, "[{{ file.split('.')[-1] }}]"))
}
