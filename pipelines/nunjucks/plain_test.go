package nunjucks

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMistakesAreSentencesWithARemedy(t *testing.T) {
	for src, want := range map[string]string{
		"{{ a %}":                "t:1:6: {{ ends with %} where }} is expected",
		"{{ a":                   "t:1:5: {{ is never closed; end it with }}",
		"{{ a -%}":               "t:1:6: {{ ends with %} where }} is expected",
		"{{ a + }}":              "t:1:8: a value is missing before }}",
		"{{ !a }}":               `t:1:4: "!" is not known; write not`,
		"{{ a && b }}":           `t:1:6: "&&" is not known; write and`,
		"{{ a || b }}":           `t:1:7: "||" is not known; write or`,
		"{{ a | }}":              "t:1:8: the filter name is missing before }}",
		"{{ a.1 }}":              `t:1:6: a name is missing behind the dot, before "1"`,
		"{{ f(a b) }}":           `t:1:8: a comma is missing before "b"`,
		"{{ {a 1} }}":            `t:1:7: a colon is missing before "1"`,
		"{% if a = b %}":         `t:1:9: "=" can't stand here; write == to compare`,
		"{% if a }}{% endif %}":  "t:1:9: {% if … ends with }} where %} is expected",
		"{% for a %}":            `t:1:10: "in" is missing before %}; write {% for name in list %}`,
		"{% set a b %}":          `t:1:10: "=" is missing before "b"; write {% set name = value %}`,
		"{% switch a %}":         "t:1:15: {% switch … %} is never closed; end it with {% endswitch %}",
		"{% endif %}":            "t:1:4: {% endif %} has nothing to end: no {% if %} is open here",
		"{% else %}":             "t:1:4: {% else %} belongs to no tag that is open here",
		"{% 1 %}":                `t:1:4: a tag begins with its name, as in {% if … %}; "1" is none`,
		"{% if":                  "t:1:6: the expression ends where a value is missing",
		"a #}":                   "t:1:3: #} ends no comment; one begins with {#",
		"{{ f(":                  "t:1:6: the template ends inside a tag; close it with }} or %}",
		"{% include 'a' b c %} ": `t:1:16: "b" can't stand here; %} is expected, or an operator or a filter`,
	} {
		_, err := New(Config{}).Parse("t", src)
		require.EqualError(t, err, want, src)
	}
}

func TestWhatCantBeCalledIsNamed(t *testing.T) {
	vars := map[string]any{"text": "a.b", "map": map[string]any{"n": 1, "nil": nil}, "list": []any{1}}
	for src, want := range map[string]string{
		"{{ nope() }}":                        "test:1:8: nope can't be called: it is undefined here",
		"{{ a.split('.') }}":                  "test:1:11: a.split can't be called: a is undefined here",
		"{{ map.nil.x() }}":                   "test:1:13: map.nil.x can't be called: map.nil is null here",
		"{{ text.spilt('.') }}":               "test:1:14: text.spilt can't be called: text is text, which has no such method",
		"{{ text() }}":                        "test:1:8: text can't be called: it is text, not a function",
		"{{ map.n() }}":                       "test:1:9: map.n can't be called: it is a number, not a function",
		"{{ list[0].x.y.z() }}":               "test:1:17: list.0.x.y.z can't be called: list.0.x.y is undefined here",
		"{{ a.split('.')['x'].y() }}":         "test:1:11: a.split can't be called: a is undefined here",
		"{{ text.split('.')[0].spilt('.') }}": "test:1:28: text.split(…).0.spilt can't be called: text.split(…).0 is text, which has no such method",
	} {
		_, err := renderOnce(t, Config{}, src, vars)
		require.EqualError(t, err, want, src)
	}
}

func TestMethodCallsOnVariablesAreSeen(t *testing.T) {
	tpl, err := New(Config{}).Parse("t", "{{ a.b.trim().length }}{% set c = 1 %}{{ c.x() }}{{ 'x'.y() }}{{ (a)['pop']() }}{{ a[b]() }}")
	require.NoError(t, err)
	require.Equal(t, []MethodCall{
		{Ref{Name: "a", Path: []string{"b"}, Line: 1, Col: 4}, "trim", 1, 12},
		{Ref{Name: "a", Line: 1, Col: 67}, "pop", 1, 76},
	}, tpl.Facts().MethodCalls)
}

func TestTheNamedMethodsAreThoseThatThereAre(t *testing.T) {
	for _, name := range methodNames() {
		var of []any
		for _, v := range []any{"", 1.0, true, []any{}, map[string]any{}} {
			if HasMethod(v, name) {
				of = append(of, v)
			}
		}
		require.NotEmpty(t, of, name)
	}
	require.Equal(t, []string{"hasOwnProperty", "toFixed", "toPrecision", "toString", "valueOf"}, Methods(1.0))
	require.False(t, HasMethod("", "spilt"))
}
