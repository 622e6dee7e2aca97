package pipelines_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
)

// A document that is YAML says the same when a block stands somewhere else in it, and no reading of YAML says otherwise.
func TestABlockElsewhereChangesNoValue(t *testing.T) {
	const neutral = "  {% if true %}\n  - {id: other, module: Now, props: {key: other}}\n  {% endif %}\n"
	for _, value := range []string{
		" all of {% for a in assets %}<{{ a }}>{% endfor %}",
		" all of\n        {% for a in assets %}\n        <{{ a }}>\n        {% endfor %}",
		"\n          all of\n        {% for a in assets %}<{{ a }}>{% endfor %}",
		"\n        all of {% if assets %}\n\n        it's {{ assets[0] }} # why\n",
		" |\n        {% for a in assets %}\n        \"it's {{ a }}: {% endfor %}\n\n",
		" >-  # folded\n        {% for a in assets %}\n          {{ a }}\n        {% endfor %}",
		" |2\n            {% if x %}\n          {% endif %}",
		"\n        |\n        {% if x %}",
		" \"{% for a in assets %}\n        {{ a }}\\\"\n  {% endfor %}\"",
		" 'it''s {% for a in assets %}\n        {{ a }}\n        {% endfor %}'",
		"\n        '{% if x %}\n  - {{ x }}\n  {% endif %}'",
		" !!str it {{ a }}{% if x %}",
		" &anchor it {% if x %}",
		" {\"a\" : \"{% if x %}\", b: ['{% for', \"\n        {% endfor %}\", plain\n        text]}",
		" [\"{# no comment #}\", 1, 2.5, ~]",
		" # {% if x %}\n        text # {% endif %}",
		" a#b {# in #} it: no, {% set a = 1 %}",
		" one\n        - two {% if x %}\n        - {% endif %}",
		" -1\n      other : |\n        {% if x %}\n      ? third\n      : no {% if x %}",
		"\n      - one {% if x %}\n        {% endif %}\n      - - deep {% if x %}\n          {% endif %}\n      - key: {a: \"{% if x %}\"}\n        \"quoted\" : it {% if x %}\n         {% endif %}",
		" http://x/{{ a }}?b={% if x %}:{% endif %}",
		" {}",
	} {
		compared := 0
		for _, doc := range []string{
			"tasks:\n  - module: StdOut\n    props:\n      message:" + value + "\n      after: it's {% if x %}\n",
			"---\n# it's {% if x %}\ntasks:\n  - module: StdOut\n    props:\n      \"message\" :" + value + "\n",
			"%YAML 1.1\n---\n\"tasks\" :\n  - props:\n      message:" + value + "\n    module: StdOut\n",
			"tasks:\r\n  - module: StdOut\r\n    props:\r\n      message:" + strings.ReplaceAll(value, "\n", "\r\n") + "\r\n",
		} {
			want, err := pipelines.Parse("p.yaml", []byte(doc))
			if err != nil {
				continue // no YAML, so nothing to compare with
			}
			require.False(t, want.Structural, doc)
			got, err := pipelines.Parse("p.yaml", []byte(doc+neutral))
			require.NoError(t, err, doc)
			require.True(t, got.Structural, doc)
			require.Len(t, got.Tasks, 2, doc)
			require.Equal(t, want.Tasks[0].Props, got.Tasks[0].Props, doc)
			compared++
		}
		require.Positive(t, compared, "%q is no YAML", value)
	}
}

func TestAValueThatStartsWithATagIsATemplate(t *testing.T) {
	p := given(t, `state: {assets: [a, b], fast: true}
tasks:
  {% for n in assets %}
  - name: {% if n == "a" %}it's first{% else %}next: {{ n }}{% endif %}
    module: {% if fast %}StdOut{% else %}StdErr{% endif %}
    retry: {% if fast %}3{% else %}1{% endif %}
    props:
      message: {% for a in assets %}<{{ a }}{{ n }}>{% endfor %} # all
      list:
        - {% if n == "a" %}'{{ n }}'{% else %}none{% endif %}
        - {% if late %}it's {{ late }}{% endif %}
  {% endfor %}
  - module: {% if fast %}StdOut{% else %}StdErr{% endif %}
`, nil)
	require.Len(t, p.Tasks, 3)
	s := state(t, p, nil)
	s.Set("late", "now")
	for i, want := range []struct {
		name, message string
		list          []any
	}{
		{"it's first", "<aa><ba>", []any{"a", "it's now"}},
		{"next: b", "<ab><bb>", []any{"none", "it's now"}},
	} {
		require.Equal(t, want.name, p.Tasks[i].Name)
		require.Equal(t, "StdOut", p.Tasks[i].Module)
		require.Equal(t, 3, *p.Tasks[i].Retry)
		require.Equal(t, map[string]any{"message": want.message, "list": want.list}, props(t, s, p.Tasks[i].Props))
		require.Equal(t, "p.yaml:8:16", p.Tasks[i].Positions["props.message:"].String())
	}
	require.Equal(t, "StdOut", p.Tasks[2].Module)
}

func TestAValueOfPiecesIsRefused(t *testing.T) {
	const seam = "a block can't begin or end inside a value; put quotes round the value, or indent the block as far as its text"
	for _, tt := range []struct{ name, value, want string }{
		{"a block at the margin in a | value", "|\n        head\n{% for a in assets %}\n        {{ a }}\n{% endfor %}\n        tail", "7:1: " + seam},
		{"in a > value", ">\n        head\n{% for a in assets %}\n        {{ a }}\n{% endfor %}\n        tail", "7:1: " + seam},
		{"a key", "{ k{% for a in assets %}a{% endfor %}: 1}", "4:40: " + seam},
		{"an entry", "[ {% for a in assets %}a {% endfor %} ]", "4:39: " + seam},
		{"a value that goes on below", "{% for a in assets %}<{{ a }}>\n        {% endfor %}", "4:16: a value that starts with a tag ends with its line, and a block of this one does not; put quotes round the value, or write it as a | block"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := pipelines.Parse("p.yaml", []byte("tasks:\n  - module: StdOut\n    props:\n      message: "+tt.value+"\nstate: {assets: [a, b]}\n"))
			require.EqualError(t, err, "p.yaml:"+tt.want)
		})
	}
}
