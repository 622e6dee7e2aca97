package nunjucks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryMistakeIsFoundAndNothingElse(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"none", "{{ a }}{% if a %}b{% else %}c{% endif %}", ""},
		{"in two expressions", "{{ a b }}\n{{ c }} {{ d + }}", "1:6: expected variable end; 2:16: unexpected token: }}"},
		{"the start of a tag, whose middle and end belong to it", "{% if a b %}x{% else %}y{% endif %}{{ . }}", "1:9: expected block end in if statement; 1:39: unexpected token: ."},
		{"nested ones", "{% for i in %}{% if x y %}{{ i j }}{% endif %}{% endfor %}", "1:13: unexpected token: %}; 1:23: expected block end in if statement; 1:32: expected variable end"},
		{"a good tag within a bad one", "{% if a b %}{% if c %}{% else %}{% endif %}{% endif %}{% endif %}", "1:9: expected block end in if statement; 1:58: unknown block tag: endif"},
		{"a bad tag within a good one", "{% if c %}{% if a b %}{% endif %}{{ d e }}{% endif %}", "1:19: expected block end in if statement; 1:39: expected variable end"},
		{"an end", "{% if a %}{% endif b %}{{ c d }}", "1:20: expected block end in endif statement; 1:29: expected variable end"},
		{"a switch", "{% switch a b %}{% case 1 %}{% default %}{% endswitch %}{% switch a %}{% case %}{% endswitch %}", "1:13: expected block end in switch statement; 1:79: unexpected token: %}"},
		{"unknown tags", "{% foo %}{% bar a b %}", "1:4: unknown block tag: foo; 1:13: unknown block tag: bar"},
		{"no tag at all", "{% 1 %}{{ }}", "1:4: tag name expected; 1:11: unexpected token: }}"},
		{"a string that never ends", "{{ a 'b }} {{ c d }}", "1:6: expected variable end; 1:17: expected variable end"},
		{"tags that never end", "{% if a %}{% if b %}", "1:4: if is never closed: expected elif, else, or endif, got end of file; 1:14: if is never closed: expected elif, else, or endif, got end of file"},
		{"comments", "a #} {{ b c }} {# d", "1:3: unexpected end of comment; 1:11: expected variable end; 1:16: expected end of comment, got end of file"},
		{"patterns", "{{ r/(/ }}{{ r/[/ }}", "1:4: bad regular expression: error parsing regexp: missing closing ) in `(`; 1:14: bad regular expression: error parsing regexp: unterminated [] set in `[`"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := New(Config{})
			var got []string
			for _, m := range e.Mistakes("x", tt.src) {
				require.Equal(t, "x", m.Name)
				got = append(got, fmt.Sprintf("%d:%d: %s", m.Line, m.Col, m.Msg))
			}
			require.Equal(t, tt.want, strings.Join(got, "; "))
			_, err := e.Parse("x", tt.src)
			require.Equal(t, tt.want == "", err == nil)
		})
	}
}

func TestMistakesAreBounded(t *testing.T) {
	require.Len(t, New(Config{}).Mistakes("x", strings.Repeat("{{ a b }}", 10_000)), maxMistakes)
	require.Len(t, New(Config{}).Mistakes("x", strings.Repeat("{% if a b %}{{ '", 10_000)), maxMistakes)
	found := New(Config{}).Mistakes("x", strings.Repeat("{% if a %}", 10_000))
	require.NotEmpty(t, found)
	require.LessOrEqual(t, len(found), maxMistakes)
	found = New(Config{Limits: Limits{Source: 3}}).Mistakes("x", "{{ a }}")
	require.Len(t, found, 1)
	require.ErrorIs(t, found[0], ErrSource)
}
