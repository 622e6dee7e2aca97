package nunjucks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHostileTemplatesEndWithANamedError(t *testing.T) {
	deepLoop := strings.Repeat("{% for c in s %}", 4) + "{{ c }}" + strings.Repeat("{% endfor %}", 4)
	vars := map[string]any{"s": strings.Repeat("x", 100), "big": strings.Repeat("x", 1_000_000)}
	loader := func(string) (string, error) { return `{% include "me" %}`, nil }
	for _, tt := range []struct {
		name, src string
		want      error
	}{
		{"a macro that calls itself", "{% macro a(n) %}{{ a(n) }}{% endmacro %}{{ a(1) }}", ErrDepth},
		{"an include that includes itself", `{% include "me" %}`, ErrDepth},
		{"four loops in each other", deepLoop, ErrSteps},
		{"a loop over a long range", "{% for i in range(999999) %}{% for j in range(999999) %}{% endfor %}{% endfor %}", ErrSteps},
		{"work that is not a node", "{% for i in range(99999) %}{{ big.includes('y') }}{% endfor %}", ErrSteps},
		{"padding", `{{ "x".padStart(500000000) }}`, ErrOutput},
		{"centering", `{{ "x" | center(500000000) }}`, ErrOutput},
		{"repeating", `{{ "xx".repeat(1000000000000) }}`, ErrOutput},
		{"indenting", `{{ "x" | indent(500000000, true) }}`, ErrOutput},
		{"replacing nothing by much", `{{ big | replace("", big) }}`, ErrOutput},
		{"replacing one by many", `{{ big.replaceAll("x", big) }}`, ErrOutput},
		{"replacing by a pattern", `{{ big.replace(r/x/g, big) }}`, ErrOutput},
		{"joining", `{{ range(99).join(big) }}`, ErrOutput},
		{"output in small pieces", "{% for i in range(99) %}{{ big }}{% endfor %}", ErrOutput},
		{"text that doubles", "{% set x = 'x' %}{% for i in range(99) %}{% set x = x ~ x %}{% endfor %}", ErrOutput},
		{"a list of large texts", "{% set l = [] %}{% for i in range(999) %}{% if l.push(big ~ i) %}{% endif %}{% endfor %}", ErrMemory},
		{"a list that doubles", "{% set l = [1] %}{% for i in range(99) %}{% set l = l.concat(l) %}{% endfor %}", ErrItems},
		{"a long range", "{{ range(1000000000) }}", ErrItems},
		{"many columns", "{{ [1] | slice(1000000000) }}", ErrItems},
		{"a batch filled up", "{{ [1] | batch(1000000000, 1) }}", ErrItems},
		{"a text as a list", "{{ (big ~ big) | list }}", ErrItems},
		{"a list that holds itself, as text", "{% set l = [1] %}{% if l.push(l) %}{{ l }}{% endif %}", ErrDepth},
		{"a list that holds itself, as JSON", "{% set l = [1] %}{% if l.push(l) %}{{ l | dump }}{% endif %}", ErrDepth},
		{"lists that hold each other twice", "{% set l = ['xxxxxxxx'] %}{% for i in range(60) %}{% set l = [l, l] %}{% endfor %}{{ l }}", ErrSteps},
		{"replacing by what stands before", "{{ big.replaceAll('x', \"$`$'\") }}", ErrOutput},
		{"digits of a power", "{% for i in range(999999) %}{{ 1.000001 ** 1000 }}{% endfor %}", ErrSteps},
		{"a thousand patterns", "{% for i in range(99999) %}{{ big.search(r/(x+x+)+y/) }}{% endfor %}", ErrRegexTime},
		{"a dict that grows", "{% for i in range(999999) %}{% set d = {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8, i: 9, j: big ~ i} %}{% endfor %}", ErrMemory},
		{"JSON of what is shared", "{{ [big, big, big, big, big, big, big, big, big, big, big, big, big, big, big, big, big] | json }}", ErrOutput},
		{"lists that hold each other twice, as JSON", "{% set l = ['xxxxxxxx'] %}{% for i in range(60) %}{% set l = [l, l] %}{% endfor %}{{ l | json }}", ErrSteps},
		{"a pattern that backtracks for ever", `{{ r/^(a+)+$/.test("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab") }}`, ErrRegexTime},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := renderOnce(t, Config{Loader: loader, JSON: true}, tt.src, vars)
			require.ErrorIs(t, err, tt.want)
			e, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			require.Positive(t, e.Line)
		})
	}
}

func TestNestingIsLimitedWhileParsing(t *testing.T) {
	for _, tt := range []struct{ name, open, inner, close string }{
		{"brackets", "(", "1", ")"},
		{"lists", "[", "", "]"},
		{"dicts", "{a:", "1", "}"},
		{"signs", "-", "1", ""},
		{"negations", "not ", "1", ""},
		{"sums", "1+", "1", ""},
		{"conjunctions", "1 and ", "1", ""},
		{"concatenations", "1~", "1", ""},
		{"comparisons", "1<", "1", ""},
		{"powers", "1**", "1", ""},
		{"floor divisions", "1//", "1", ""},
		{"memberships", "1 in ", "1", ""},
		{"lookups", "", "a", ".b"},
		{"indexes", "", "a", "[0]"},
		{"calls", "", "a", "()"},
		{"filters", "", "a", "|e"},
		{"arguments", "f(", "1", ")"},
		{"loops", "{% for a in b %}", "", "{% endfor %}"},
		{"branches", "{% if a %}{% elif b %}", "", "{% endif %}"},
		{"alternatives", "{% if a %}", strings.Repeat("{% elif b %}", 10_000), "{% endif %}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := strings.Repeat(tt.open, 10_000) + tt.inner + strings.Repeat(tt.close, 10_000)
			if !strings.HasPrefix(src, "{%") {
				src = "{{ " + src + " }}"
			}
			_, err := New(Config{}).Parse("test", src)
			require.ErrorIs(t, err, ErrDepth)
		})
	}
}

func TestDepthCountsNestingAndNotLength(t *testing.T) {
	long := "{{ [" + strings.Repeat("(a.b.c | e) ~ 1, ", 2000) + "1] | length }}" + strings.Repeat("{% call m() %}x{% endcall %}{% if a %}{% endif %}", 500)
	got, err := renderOnce(t, Config{}, "{% macro m() %}{% endmacro %}"+long, nil)
	require.NoError(t, err)
	require.Equal(t, "2001", got)
}

func TestALongSourceIsRefused(t *testing.T) {
	_, err := New(Config{}).Parse("test", strings.Repeat("(", 2<<20))
	require.ErrorIs(t, err, ErrSource)
	_, err = New(Config{Limits: Limits{Source: 10}}).ParseExpr("test", "aaaaaaaaaaa")
	require.ErrorIs(t, err, ErrSource)
}

func TestForeignTagsAndFilesAreRefused(t *testing.T) {
	for _, src := range []string{
		`{% include "/etc/hostname" %}`,
		`{% extends "/etc/hostname" %}`,
		`{% import "/etc/hostname" as x %}`,
		`{% ssi "/etc/hostname" %}`,
		`{% lorem 5000000 w %}`,
		`{{ "x" | ljust(5) }}`,
		`{{ "x".constructor("return 1")() }}`,
		`{{ [].map.constructor("return 1")() }}`,
		`{{ range.__proto__.x() }}`,
	} {
		_, err := renderOnce(t, Config{}, src, nil)
		require.Error(t, err, src)
	}
}

func TestACanceledContextStopsEveryLoop(t *testing.T) {
	gone := errors.New("lease lost")
	for _, src := range []string{
		"{% for i in l %}{% endfor %}", "{% for c in big %}{% endfor %}", "{{ l | sort | length }}", "{{ l | select('odd') | length }}", "{{ l | batch(2) | length }}",
		"{{ l | join(',') | length }}", "{{ l | dump | length }}", "{{ l | sum }}", "{{ l | groupby('a') }}", "{{ l | urlencode | length }}", "{{ l.map(f) | length }}",
		"{{ l.sort() | length }}", "{{ big.replace(r/x/g, 'y') | length }}", "{{ big.replaceAll('x', '$&y') | length }}", "{{ f(l) }}",
		"{% macro m() %}{{ m() }}{% endmacro %}{% for i in l %}{{ 1 }}{% endfor %}",
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		lose := Func(func(context.Context, []any) (any, error) { cancel(gone); return nil, nil })
		tmpl, err := New(Config{}).Parse("test", "{% set l = range(20000) %}{{ lose() }}"+src)
		require.NoError(t, err)
		_, err = tmpl.Render(ctx, map[string]any{
			"lose": lose, "big": strings.Repeat("x", 20_000),
			"f": Func(func(_ context.Context, args []any) (any, error) { return nil, nil }),
		})
		require.ErrorIs(t, err, gone, src)
	}
}

// FuzzTemplate's property: whatever the source, parsing and rendering return, with no fault of ours.
func FuzzTemplate(f *testing.F) {
	for _, src := range []string{
		"{{ a.b[0] | default('x') }}", "{% for k, v in m %}{{ loop.index }}{{ k }}{% else %}-{% endfor %}",
		"{% macro f(a, b=1) %}{{ caller() }}{% endmacro %}{% call f(1) %}x{% endcall %}", "{%- set x %}y{% endset -%}{# c -#}",
		"{% switch a %}{% case 1 %}b{% default %}c{% endswitch %}", "{% raw %}{{ x }}{% endraw %}{{ r/a(b)/g }}",
		"{{ l.map(f) | sort(attribute='x') | join(',') }}", "{{ 1 if not a is defined else -b ** 2 // 3 }}",
		"{% block a %}{{ super() }}{% endblock %}", "{{ s.replace(r/(.)/g, '$1$&') | title | truncate(3) }}",
	} {
		f.Add(src)
	}
	var corpus []conformanceCase
	readTestdata(f, "corpus_open.json", &corpus)
	for _, c := range corpus {
		f.Add(c.Template)
	}
	e := New(Config{
		Autoescape: true,
		Limits:     Limits{Steps: 20_000, Output: 1 << 16, Memory: 1 << 20, Items: 5_000, Depth: 60, Source: 1 << 14, Regex: 20 * time.Millisecond},
		Loader:     func(name string) (string, error) { return "{% block a %}" + name + "{% endblock %}", nil },
	})
	vars := map[string]any{
		"a": 1, "b": -2.5, "s": "héllo 𝒳", "l": []any{3, "x", nil, []any{true}}, "m": map[string]any{"x": 1, "2": []string{"y"}},
		"f": Func(func(_ context.Context, args []any) (any, error) { return args, nil }),
	}
	f.Fuzz(func(t *testing.T, src string) {
		tmpl, err := e.Parse("fuzz", src)
		require.NotErrorIs(t, err, errBug)
		mistakes := e.Mistakes("fuzz", src)
		require.Equal(t, err == nil, len(mistakes) == 0)
		for _, m := range mistakes {
			require.NotErrorIs(t, m, errBug)
		}
		if err == nil {
			tmpl.Facts()
			_, err = tmpl.Render(t.Context(), vars)
			require.NotErrorIs(t, err, errBug)
			_, err = tmpl.Value(t.Context(), vars)
			require.NotErrorIs(t, err, errBug)
		}
		x, err := e.ParseExpr("fuzz", src)
		require.NotErrorIs(t, err, errBug)
		if err == nil {
			x.Facts()
			_, err = x.Eval(t.Context(), vars)
			require.NotErrorIs(t, err, errBug)
		}
	})
}
