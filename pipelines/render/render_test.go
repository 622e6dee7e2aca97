package render_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines/render"
)

var _ modules.State = (*render.State)(nil)

func newState(t *testing.T, c render.Config) *render.State {
	t.Helper()
	s, err := render.NewState(t.Context(), c)
	require.NoError(t, err)
	return s
}

func text(t *testing.T, s *render.State, tmpl string) string {
	t.Helper()
	out, err := s.Text(t.Context(), tmpl)
	require.NoError(t, err)
	return out
}

func TestStateValuesMayReferToEachOtherInAnyOrder(t *testing.T) {
	s := newState(t, render.Config{Document: map[string]any{
		"renders":      map[string]any{"width": "{{ rendersWidth }}", "height": "{{ renders.width }}", "label": "{{ renders.width }}x{{ state.renders.height }}"},
		"dest":         "{{ outputs }}/{{ assetName }}.glb",
		"outputs":      "{{ workspace }}/outputs",
		"assetName":    "chair",
		"workspace":    "/home/workspace",
		"rendersWidth": 1024,
		"sizes":        []any{"{{ rendersWidth / 2 }}", "{{ sizes[0] / 2 }}"},
		"all":          "{{ state | length }}",
		"missing":      "[{{ nothing.here }}]",
	}})
	require.Equal(t, "/home/workspace/outputs/chair.glb", text(t, s, "{{ dest }}"))
	renders, ok := s.Get("renders")
	require.True(t, ok)
	require.Equal(t, map[string]any{"width": int64(1024), "height": int64(1024), "label": "1024x1024"}, renders)
	sizes, _ := s.Get("sizes")
	require.Equal(t, []any{int64(512), int64(256)}, sizes)
	require.Equal(t, "[]", text(t, s, "{{ missing }}"))
}

func TestACircleInTheStateIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name     string
		document map[string]any
		want     string
	}{
		{"two keys", map[string]any{"a": "{{ b }}", "b": "x{{ a }}"}, "a → b → a"},
		{"one key", map[string]any{"a": "{{ a | default(1) }}"}, "a → a"},
		{"a key below another", map[string]any{"a": map[string]any{"x": "{{ b }}"}, "b": "{{ state.a }}"}, "a.x → b → a.x"},
		{"behind a way in", map[string]any{"a": "{{ b }}", "b": "{{ c[0] }}", "c": []any{"{{ b }}"}}, "b → c.0 → b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := render.NewState(t.Context(), render.Config{Document: tt.document})
			require.EqualError(t, err, "state keys refer to each other in a circle: "+tt.want+"; give one of them a value")
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestErrorsInTheStateSayWhereItStands(t *testing.T) {
	at := func(key string) string { return "p.yaml:7:" + key }
	for _, tt := range []struct{ name, src, want string }{
		{"a circle", "{{ a }}", "p.yaml:7:a: state keys refer to each other in a circle: a → a; give one of them a value"},
		{"a template that fails", "{{ x | nope }}", `p.yaml:7:a: state key "a": template:1:8: filter not found: nope`},
		{"what JSON can't hold", "{{ 1/0 }}", `p.yaml:7:a: state key "a": the template comes to Infinity, which JSON can't hold; look for a division by zero or a number that is missing`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := render.NewState(t.Context(), render.Config{Document: map[string]any{"a": tt.src}, At: at})
			require.EqualError(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestAPropThatJSONCannotHoldIsNamed(t *testing.T) {
	s, err := render.NewState(t.Context(), render.Config{})
	require.NoError(t, err)
	for _, src := range []string{"{{ 1/0 }}", "{{ [1, {a: -1/0}] }}", "{{ missing * 2 }}"} {
		_, _, err := s.Props(t.Context(), map[string]any{"message": map[string]any{"n": src}})
		require.ErrorContains(t, err, `prop "message.n": the template comes to `, src)
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
	require.Equal(t, "Infinity!", text(t, s, "{{ 1/0 }}!"), "text can hold it")
}

func TestALongChainOfStateIsRefusedBeforeItOverflows(t *testing.T) {
	document := map[string]any{}
	for i := range 5000 {
		document[fmt.Sprintf("k%04d", i)] = fmt.Sprintf("{{ k%04d }}", i+1)
	}
	_, err := render.NewState(t.Context(), render.Config{Document: document})
	require.ErrorContains(t, err, "in a row; shorten the chain")
}

func TestDataWinsAndIsNeverRendered(t *testing.T) {
	s := newState(t, render.Config{
		Document: map[string]any{"name": "{{ name }}", "deep": map[string]any{"a": 1, "b": 2}, "greeting": "Hello {{ name }}"},
		Data:     map[string]any{"name": "{{ env.API_TOKEN }}", "deep": map[string]any{"a": 3}},
		Env:      map[string]string{"API_TOKEN": "hush-hush"},
	})
	require.Equal(t, "Hello {{ env.API_TOKEN }}", text(t, s, "{{ greeting }}"))
	deep, _ := s.Get("deep")
	require.Equal(t, map[string]any{"a": 3}, deep, "the merge is shallow")
}

func TestTheStateWinsOverBuiltIns(t *testing.T) {
	c := render.Config{
		Name: "Hello World",
		Env:  map[string]string{"HOME": "/home"},
		Job:  map[string]any{"id": "j-1", "attempt": 2},
		Now:  func() time.Time { return time.Date(2026, 1, 31, 11, 0, 0, 5e6, time.FixedZone("CET", 3600)) },
	}
	s := newState(t, c)
	require.Equal(t, "Hello World, j-1 j-1 2 /home 2026-01-31T10:00:00.005Z", text(t, s, "{{ name }}, {{ job.id }} {{ env.JOB_NAME }} {{ job.attempt }} {{ env.HOME }} {{ now() }}"))

	c.Document = map[string]any{"name": "World", "env": "prod"}
	c.Env["JOB_NAME"] = "nightly"
	require.Equal(t, "World prod", text(t, newState(t, c), "{{ name }} {{ env }}"))
	c.Document = nil
	require.Equal(t, "nightly", text(t, newState(t, c), "{{ env.JOB_NAME }}"))
}

func TestReservedKeysAreNotPassedOn(t *testing.T) {
	kafka := map[string]any{"__kafka": map[string]any{"clientId": "gateway"}, "a": 1}
	s := newState(t, render.Config{Document: kafka})
	all, ok := s.Get("state")
	require.True(t, ok)
	require.Equal(t, map[string]any{"a": 1}, all)
	require.Equal(t, `{"a":1}`, text(t, s, "{{ state | dump }}"))
	id, ok := s.Get("__kafka.clientId")
	require.True(t, ok, "who knows the name may ask for it")
	require.Equal(t, "gateway", id)

	_, err := render.NewState(t.Context(), render.Config{Data: kafka})
	require.EqualError(t, err, `state key "__kafka" is reserved for the operator; give it a name that does not start with __`)
	require.Equal(t, fault.Permanent, fault.Of(err))
	s = newState(t, render.Config{Document: map[string]any{"__kafka": "own", "b": "[{{ __kafka }}]"}, Data: kafka, TrustData: true})
	require.Equal(t, "[] [] 1", text(t, s, "{{ b }} [{{ __kafka }}] {{ a }}"), "what the operator gives is nobody's to print")
	_, ok = s.Get("__kafka")
	require.False(t, ok)
	require.Contains(t, kafka, "__kafka", "what was given is left as it is")
}

func TestALoneExpressionKeepsItsType(t *testing.T) {
	s := newState(t, render.Config{Document: map[string]any{
		"tris": 3000, "ratio": 0.5, "on": true, "list": []any{1, "two"}, "map": map[string]any{"k": nil}, "viewer": `{"a": "b\\c"}`,
	}})
	props := map[string]any{
		"src": "plain", "dest": "{{ tris }}.obj", "literal": "null", "quotes": `""`, "number": 7, "nothing": nil,
		"config": map[string]any{
			"tris": "{{ tris }}", "ratio": "{{ ratio }}", "on": "{{ on }}", "list": "{{ list }}", "map": "{{ map }}", "gone": "{{ gone }}",
		},
		"args":   []any{"--viewer-config", "{{ viewer }}", "{{ gone }}", "{{ list[-1] }}"},
		"folded": "{{ tris +\n  1 }}",
	}
	out, missing, err := s.Props(t.Context(), props)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"src": "plain", "dest": "3000.obj", "literal": "null", "quotes": `""`, "number": 7, "nothing": nil,
		"config": map[string]any{
			"tris": int64(3000), "ratio": 0.5, "on": true, "list": []any{int64(1), "two"}, "map": map[string]any{"k": nil}, "gone": nil,
		},
		"args":   []any{"--viewer-config", `{"a": "b\\c"}`, "", "two"},
		"folded": int64(3001),
	}, out)
	require.Equal(t, map[string]string{"config.gone": "gone", "args[2]": "gone"}, missing)
	require.Equal(t, "{{ tris }}", props["config"].(map[string]any)["tris"], "what was given is as it was")

	v, err := s.Value(t.Context(), "{{ list }}")
	require.NoError(t, err)
	require.Equal(t, []any{int64(1), "two"}, v)
}

func TestPropsNameTheVariableThatIsMissing(t *testing.T) {
	s := newState(t, render.Config{Document: map[string]any{"optimized": map[string]any{"dest": "a.glb"}, "list": []any{1}}})
	_, missing, err := s.Props(t.Context(), map[string]any{
		"a": "{{ optimised.dest }}", "b": "{{ optimized.dset }}", "c": "{{ list[4].x }}", "d": "{{ optimized.dest.length }}", "e": "{{ 'x' ~ optimized.dest }}",
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a": "optimised", "b": "optimized.dset", "c": "list.4"}, missing)
}

func TestConditions(t *testing.T) {
	s := newState(t, render.Config{Document: map[string]any{"condition": true, "generateRenders": false, "n": 3, "list": []any{"a"}, "empty": ""}})
	for expr, want := range map[string]bool{
		"": true, "  ": true, "true": true, "condition == true": true, "generateRenders": false, "not generateRenders": true,
		"n > 2 and condition": true, "'a' in list": true, "'b' in list": false, "nothing": false, "nothing.at.all": false,
		"nothing == true": false, "empty": false, "state.n == 3": true,
	} {
		got, err := s.Cond(t.Context(), expr)
		require.NoError(t, err, expr)
		require.Equal(t, want, got, expr)
	}
	_, err := s.Cond(t.Context(), "n >")
	require.Error(t, err)
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestRegisteredOutputReplacesStateAndScopesHideIt(t *testing.T) {
	s := newState(t, render.Config{Document: map[string]any{"optimized": "a.glb", "line": "production"}})
	s.Set("optimized", map[string]any{"dest": "b.glb"})
	require.Equal(t, "b.glb b.glb", text(t, s, "{{ optimized.dest }} {{ state.optimized.dest }}"))

	scope := s.With(map[string]any{"line": "printed", "error_message": "boom"}).With(map[string]any{"error_message": "bang"})
	require.Equal(t, "printed bang production", text(t, scope, "{{ line }} {{ error_message }} {{ state.line }}"))
	scope.Set("__start__", "now")
	require.Equal(t, "now", text(t, s, "{{ __start__ }}"), "a callback's Set reaches the run")
	require.Equal(t, "", text(t, s, "{{ error_message }}"))
	line, ok := scope.Get("line")
	require.True(t, ok)
	require.Equal(t, "printed", line)
}

func TestSecretsInTheEnvironmentAreToldAtOnce(t *testing.T) {
	var told []string
	s := newState(t, render.Config{
		Env:      map[string]string{"API_TOKEN": "hush-hush", "HOME": "/home", "EMPTY_SECRET": ""},
		OnSecret: func(v string) { told = append(told, v) },
	})
	require.Equal(t, []string{"hush-hush"}, told)
	require.Equal(t, "Bearer hush-hush", text(t, s, "Bearer {{ env.API_TOKEN }}"))
}

func TestErrorsNameThePropAndAreFinal(t *testing.T) {
	s := newState(t, render.Config{})
	_, _, err := s.Props(t.Context(), map[string]any{"config": map[string]any{"list": []any{"ok", "{{ oops"}}})
	require.ErrorContains(t, err, `prop "config.list[1]": `)
	require.Equal(t, fault.Permanent, fault.Of(err))
	_, err = render.NewState(t.Context(), render.Config{Document: map[string]any{"a": []any{"{% if %}"}}})
	require.ErrorContains(t, err, `state key "a.0": `)
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestAStoppedRunStopsItsTemplates(t *testing.T) {
	s := newState(t, render.Config{})
	stop := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	_, err := s.Text(ctx, "{% for i in range(900000) %}{% for j in range(900000) %}{% endfor %}{% endfor %}")
	require.ErrorIs(t, err, stop)
	require.Equal(t, fault.Unknown, fault.Of(err))
}

func TestOneCacheServesManyRunsAtOnce(t *testing.T) {
	cache := render.NewCache()
	var wg sync.WaitGroup
	for run := range 8 {
		wg.Go(func() {
			s, err := render.NewState(t.Context(), render.Config{Data: map[string]any{"run": run}, Templates: cache})
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 700 {
				out, err := s.Text(t.Context(), fmt.Sprintf("{{ run }} %d", i))
				if err != nil || out != fmt.Sprintf("%d %d", run, i) {
					t.Errorf("got %q, %v", out, err)
				}
				s.Set("i", i)
			}
		})
	}
	wg.Wait()
}

func TestWhatMessagesBringIsShownAsItIs(t *testing.T) {
	long := strings.Repeat("x", 20<<10)
	s := newState(t, render.Config{Data: map[string]any{"html": "<b>&", "long": long}})
	require.Equal(t, "<b>&", text(t, s, "{{ html }}"))
	require.Equal(t, long, text(t, s, "{{ long }}"))
}

func BenchmarkProps(b *testing.B) {
	s, err := render.NewState(b.Context(), render.Config{Document: map[string]any{"name": "chair", "tris": 3000}})
	if err != nil {
		b.Fatal(err)
	}
	props := map[string]any{"src": "{{ name }}.glb", "dest": "plain", "config": map[string]any{"tris": "{{ tris }}"}}
	for b.Loop() {
		if _, _, err := s.Props(b.Context(), props); err != nil {
			b.Fatal(err)
		}
	}
}
