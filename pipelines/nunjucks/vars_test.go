package nunjucks

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVarsAreWhatATemplateReadsAndDoesNotSet(t *testing.T) {
	e := New(Config{Globals: map[string]any{"now": Func(nil), "env": map[string]any{}}})
	for _, tt := range []struct{ name, src, want string }{
		{"a path", "{{ a.b['c'][0].d }}", "a.b.c.0.d"},
		{"a path ends where the key is computed", "{{ a.b[k].c }}", "a.b k"},
		{"a method is no path", "{{ a.b.split('.') | last }}", "a.b"},
		{"arguments", "{{ f(a, k=b) | replace(c, d) }}", "f a b c d"},
		{"global functions that are called", "{{ now() }}{{ range(n) }}{{ env.X }}{{ now }}", "n env.X now"},
		{"set hides the rest", "{{ x }}{% set x = y %}{{ x }}", "x y"},
		{"set in a branch", "{% if a %}{% set x = 1 %}{% endif %}{{ x }}", "a"},
		{"set in a loop ends with it", "{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}{{ i }}", "l x i"},
		{"loop variables", "{% for k, v in m.items %}{{ k }}{{ v.x }}{{ loop.index }}{{ z }}{% else %}{{ k }}{% endfor %}", "m.items z k"},
		{"a captured body", "{% set x %}{{ a }}{% endset %}{{ x }}", "a"},
		{"macros see only the page", "{% for i in l %}{% macro f(a, b=c) %}{{ a }}{{ b }}{{ i }}{{ d }}{% endmacro %}{{ f(i) }}{% endfor %}", "l c i d"},
		{"call blocks see what is round them", "{% for i in l %}{% call(x) f() %}{{ x }}{{ i }}{{ y }}{% endcall %}{% endfor %}", "l f y"},
		{"guards", "{{ a | default(b) }}{% if c is defined %}{{ c.d }}{% endif %}", "a? b c? c.d"},
		{"operators", "{{ not a and -b ** c // d in e if f else g ~ h }}", "f a b c d e g h"},
		{"switch", "{% switch a %}{% case b %}{{ c }}{% default %}{{ d }}{% endswitch %}", "a b c d"},
		{"imports", "{% from file import x as y %}{% import g as z %}{{ y() }}{{ z.w }}{{ x }}", "file g x"},
		{"raw text", "{% raw %}{{ a }}{% endraw %}{# {{ b }} #}", ""},
		{"filter blocks", "{% filter replace(a, b) %}{{ c }}{% endfilter %}", "c a b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tmpl, err := e.Parse("test", tt.src)
			require.NoError(t, err)
			var got []string
			for _, r := range tmpl.Vars() {
				text := strings.Join(append([]string{r.Name}, r.Path...), ".")
				if r.Guarded {
					text += "?"
				}
				got = append(got, text)
			}
			require.Equal(t, tt.want, strings.Join(got, " "))
		})
	}
}

func TestVarsKnowTheirPlace(t *testing.T) {
	tmpl, err := New(Config{}).Parse("test", "é {{ a }}\n{% if b.c %}\n  {{- d -}}\n{% endif %}")
	require.NoError(t, err)
	require.Equal(t, []Ref{
		{Name: "a", Line: 1, Col: 6},
		{Name: "b", Path: []string{"c"}, Line: 2, Col: 7},
		{Name: "d", Line: 3, Col: 7},
	}, tmpl.Vars())
	x, err := New(Config{}).ParseExpr("when", "a.b == c")
	require.NoError(t, err)
	require.Equal(t, []Ref{{Name: "a", Path: []string{"b"}, Line: 1, Col: 1}, {Name: "c", Line: 1, Col: 8}}, x.Vars())
}

func TestUnknownFiltersTestsAndFunctionsAreKnownBeforeATemplateRuns(t *testing.T) {
	e := New(Config{Filters: map[string]Filter{"mine": nil}})
	tmpl, err := e.Parse("test", "{{ a | mine | upper | nope }}\n{% if a is weird %}{{ f(a) }}{% endif %}{% macro g() %}{% endmacro %}{{ g() }}{{ range(3) }}{{ a.b() }}")
	require.NoError(t, err)
	require.Equal(t, []Unknown{{"filter", "nope", 1, 23}, {"test", "weird", 2, 9}}, tmpl.Facts().Unknown)
	var called []string
	for _, r := range tmpl.Vars() {
		if r.Called {
			called = append(called, r.Name)
		}
	}
	require.Equal(t, []string{"f"}, called)
	x, err := e.ParseExpr("when", "a | nope")
	require.NoError(t, err)
	require.Equal(t, []Unknown{{"filter", "nope", 1, 5}}, x.Facts().Unknown)
}

func TestComparisonsOfVariablesWithLiterals(t *testing.T) {
	src := "{{ a.b == 'x' }}{% if true != (c) and d === none %}{% endif %}{{ e !== -1 }}" +
		"{% for i in l %}{{ i == 1 }}{% endfor %}{{ f == g }}{{ f > 1 }}{{ h | lower == 'x' }}{{ k[n] == 1 }}"
	tmpl, err := New(Config{}).Parse("test", src)
	require.NoError(t, err)
	require.Equal(t, []Comparison{
		{Ref{Name: "a", Path: []string{"b"}, Line: 1, Col: 4}, "==", "x", 1, 8},
		{Ref{Name: "c", Line: 1, Col: 32}, "!=", true, 1, 28},
		{Ref{Name: "d", Line: 1, Col: 39}, "===", nil, 1, 41},
		{Ref{Name: "e", Line: 1, Col: 66}, "!==", -1.0, 1, 68},
	}, tmpl.Facts().Comparisons)
	x, err := New(Config{}).ParseExpr("when", "not (a == 'true')")
	require.NoError(t, err)
	require.Equal(t, []Comparison{{Ref{Name: "a", Line: 1, Col: 6}, "==", "true", 1, 8}}, x.Facts().Comparisons)
}

func TestNegativeIndexesHaveAPlace(t *testing.T) {
	tmpl, err := New(Config{}).Parse("test", "{{ a[-1] }}{{ a[1] }}{{ b.split('.')[ -2 ].c }}\n{% if l[(-1)].d() %}{% endif %}{{ a[-n] }}")
	require.NoError(t, err)
	require.Equal(t, []Place{{1, 5}, {1, 37}, {2, 8}}, tmpl.Facts().NegativeIndexes)
	x, err := New(Config{}).ParseExpr("when", "a[-1]")
	require.NoError(t, err)
	require.Equal(t, []Place{{1, 2}}, x.Facts().NegativeIndexes)
}
