package nunjucks

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestALoneExpressionKeepsItsType(t *testing.T) {
	vars := map[string]any{
		"n": 3000, "f": 1.5, "s": "3000", "yes": true, "none": nil, "list": []string{"a", "b"},
		"map": map[string]any{"k": []any{1, nil}}, "big": int64(1) << 53,
	}
	for _, tt := range []struct {
		name, src string
		want      any
	}{
		{"an integer", "{{ n }}", int64(3000)},
		{"a sum", "{{ n + 1 }}", int64(3001)},
		{"a fraction", "{{ f }}", 1.5},
		{"a fraction that comes out even", "{{ f * 2 }}", int64(3)},
		{"the largest exact integer", "{{ big }}", int64(1) << 53},
		{"text that looks like a number", "{{ s }}", "3000"},
		{"safe text", "{{ s | safe }}", "3000"},
		{"a bool", "{{ yes }}", true},
		{"null", "{{ none }}", nil},
		{"undefined", "{{ nothing }}", nil},
		{"a list", "{{ list }}", []any{"a", "b"}},
		{"a map", "{{ map }}", map[string]any{"k": []any{int64(1), nil}}},
		{"a literal", "{{ {a: [1, 2.5]} }}", map[string]any{"a": []any{int64(1), 2.5}}},
		{"infinity", "{{ 1 / 0 }}", math.Inf(1)},
		{"trim marks", "{{- n -}}", int64(3000)},
		{"text round it makes text", "{{ n }}\n", "3000\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tmpl, err := New(Config{}).Parse("test", tt.src)
			require.NoError(t, err)
			got, err := tmpl.Value(t.Context(), vars)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestLoneMeansExactlyOneExpression(t *testing.T) {
	for src, want := range map[string]bool{
		"{{ a }}": true, "{{a}}": true, " {{ a }}": false, "{{ a }} ": false, "{{ a }}{{ b }}": false, "a": false, "": false,
		"{% if a %}{% endif %}": false, "{{ a }}{# c #}": false, "{# c #}{{ a }}": false, `{{ "}}{{" }}`: true,
		"{% filter upper %}a{% endfilter %}": false,
	} {
		tmpl, err := New(Config{}).Parse("test", src)
		require.NoError(t, err, src)
		require.Equal(t, want, tmpl.Lone(), src)
	}
}

func TestAFunctionIsNoValue(t *testing.T) {
	tmpl, err := New(Config{}).Parse("test", "{{ range }}")
	require.NoError(t, err)
	_, err = tmpl.Value(t.Context(), nil)
	require.ErrorContains(t, err, "call it with ()")
}

func TestConditionsAreBareExpressions(t *testing.T) {
	vars := map[string]any{"a": true, "n": 2, "s": "x", "empty": []any{}}
	for src, want := range map[string]bool{
		"a == true": true, "a": true, "not a": false, "n > 1 and s == 'x'": true, "nothing": false, "nothing.at.all": false,
		"s in ['x', 'y']": true, "n is odd": false, "empty": true, "empty | length": false, "''": false, "0": false,
	} {
		x, err := New(Config{}).ParseExpr("when", src)
		require.NoError(t, err, src)
		v, err := x.Eval(t.Context(), vars)
		require.NoError(t, err, src)
		require.Equal(t, want, Truthy(v), src)
	}
	for _, v := range []any{int64(0), 0, 0.0, math.NaN(), "", nil, false} {
		require.False(t, Truthy(v))
	}
}

func TestParseErrorsNameThePlace(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"an operand is missing", "line1\nüber {{ a b }}", `x.yaml:2:11: "b" can't stand here; }} is expected, or an operator or a filter`},
		{"a tag is unknown", "\n\n  {% foo %}", "x.yaml:3:6: there is no tag {% foo %}"},
		{"a tag is not closed", "{% if a %}", "x.yaml:1:4: {% if … %} is never closed; end it with {% endif %}"},
		{"a comment is not closed", "a {# b", "x.yaml:1:3: {# is never closed; end it with #}"},
		{"a pattern is wrong", "{{ r/(/ }}", "x.yaml:1:4: bad regular expression: error parsing regexp: missing closing ) in `(`"},
		{"the source ends", "{{ a.", "x.yaml:1:6: a name is missing behind the dot, before the end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(Config{}).Parse("x.yaml", tt.src)
			require.EqualError(t, err, tt.want)
		})
	}
	for src, want := range map[string]string{
		"a ==":        "when:1:5: the expression ends where a value is missing",
		"a b":         `when:1:3: "b" can't follow here; join values with an operator, as and, or, ==`,
		"{{ a }}":     "when:1:1: this is an expression already: leave out the {{ and }}",
		"a == b %} c": `when:1:8: %} can't follow here; join values with an operator, as and, or, ==`,
	} {
		_, err := New(Config{}).ParseExpr("when", src)
		require.EqualError(t, err, want)
	}
}

func TestRenderErrorsNameThePlace(t *testing.T) {
	boom := errors.New("boom")
	config := Config{
		Globals: map[string]any{"fail": Func(func(context.Context, []any) (any, error) { return nil, boom })},
		Loader:  func(name string) (string, error) { return "\n {{ fail() }}", nil },
	}
	for src, want := range map[string]string{
		"a\n {{ x.y() }}":               "test:2:8: x.y can't be called: x is undefined here",
		"{{ 1 | nope }}":                "test:1:8: filter not found: nope",
		"{{ [3] | sum | truncate(1) }}": "test:1:16: truncate: expected a string, got 3",
		"{{ fail() }}":                  "test:1:8: fail: boom",
		`{% include "part.txt" %}`:      "part.txt:2:9: fail: boom",
	} {
		_, err := renderOnce(t, config, src, nil)
		require.EqualError(t, err, want)
	}
	_, err := renderOnce(t, config, "{{ fail() }}", nil)
	require.ErrorIs(t, err, boom)
}

func TestNegativeIndexesCountFromTheEndWhenAsked(t *testing.T) {
	src := "{{ 'a.b'.split('.')[-1] }}|{{ l[-2] }}|{{ s[-1] }}|{{ l[-9] }}"
	vars := map[string]any{"l": []any{"x", "y"}, "s": "öü"}
	got, err := renderOnce(t, Config{NegativeIndex: true}, src, vars)
	require.NoError(t, err)
	require.Equal(t, "b|x|ü|", got)
	got, err = renderOnce(t, Config{}, src, vars)
	require.NoError(t, err)
	require.Equal(t, "|||", got)
}

func TestHostFunctionsAndFiltersSeePlainValues(t *testing.T) {
	var seen []any
	config := Config{
		Autoescape: true,
		Globals: map[string]any{
			"note":  Func(func(_ context.Context, args []any) (any, error) { seen = args; return Safe("<b>"), nil }),
			"limit": map[string]any{"max": 3},
		},
		Filters: map[string]Filter{"twice": func(_ context.Context, v any, args []any) (any, error) {
			return []any{v, v, args}, nil
		}},
	}
	got, err := renderOnce(t, config, "{{ note(1, 'a', [2.5], k=limit.max) }} {{ limit.max | twice('<') }}", nil)
	require.NoError(t, err)
	require.Equal(t, "<b> 3,3,&lt;", got)
	require.Equal(t, []any{int64(1), "a", []any{2.5}, map[string]any{"k": int64(3)}}, seen)
}

func TestVariablesAreNeverWrittenTo(t *testing.T) {
	vars := map[string]any{"l": []any{3, 1, 2}, "m": map[string]any{"l": []any{2, 1}}}
	got, err := renderOnce(t, Config{}, "{{ l.push(4) }}{{ l.sort() }}{{ m.l.reverse() }}{% set m = 1 %}{{ m }}", vars)
	require.NoError(t, err)
	require.Equal(t, "41,2,3,41,21", got)
	require.Equal(t, map[string]any{"l": []any{3, 1, 2}, "m": map[string]any{"l": []any{2, 1}}}, vars)
}

func TestATemplateRendersInManyGoroutines(t *testing.T) {
	e := New(Config{
		Globals: map[string]any{"g": map[string]any{"x": []any{1, 2}}},
		Loader:  func(name string) (string, error) { return "{{ v }}{{ g.x.push(3) }}", nil },
	})
	tmpl, err := e.Parse("test", "{% include 'p' %}{{ 'aab'.replace(r/a/g, 'b') }}")
	require.NoError(t, err)
	vars := map[string]any{"v": []any{map[string]any{}, 7}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				got, err := tmpl.Render(t.Context(), vars)
				if err != nil || got != "[object Object],73bbb" {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestHasTemplateSeesEveryTag(t *testing.T) {
	for src, want := range map[string]bool{
		"": false, "a": false, "{": false, "a { b }": false, "{ {": false, "{{{": true, "a {{ b }}": true, "{%": true, "x{#": true, "{a}{%": true,
	} {
		require.Equal(t, want, HasTemplate(src), src)
	}
}

func TestNamesThatGotNoValueHideOuterOnes(t *testing.T) {
	vars := map[string]any{"a": "outer", "b": "outer"}
	got, err := renderOnce(t, Config{}, "{% for a, b in [[1]] %}{{ a }}{{ b }}{% endfor %}{% macro m(a) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}", vars)
	require.NoError(t, err)
	require.Equal(t, "1outer", got)
}
