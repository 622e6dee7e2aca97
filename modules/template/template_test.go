package template_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/template"
)

func TestTheModuleConforms(t *testing.T) { moduletest.Conform(t, template.Module) }

func TestAFileIsMadeOfATemplate(t *testing.T) {
	const evil = `x" onload="evil()<script>`
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  string
	}{
		{"from a file and the state", map[string]any{"src": "in/page.html", "dest": "out/page.html"}, "<p>x&#34; onload=&#34;evil()&lt;script&gt;</p>"},
		{"from text and values of its own", map[string]any{"template": "a: {{ n }}", "dest": "a.yaml", "vars": map[string]any{"n": "1: 2"}}, `a: "1: 2"`},
		{"data is another word for vars", map[string]any{"template": "{{ n }}", "dest": "a.txt", "data": map[string]any{"n": 1.5}}, "1.5"},
		{"in a format that its name doesn't tell", map[string]any{"template": `["{{ title }}"]`, "dest": "a.txt", "format": "json"}, `["x\" onload=\"evil()<script>"]`},
		{"reserved state is not shown", map[string]any{"template": "[{{ __kafka }}]", "dest": "a.txt"}, "[]"},
		{"without strict what is unknown is empty", map[string]any{"template": "[{{ nosuch }}]", "dest": "a.txt"}, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := moduletest.Call(t)
			r.State["title"], r.State["__kafka"] = evil, "brokers"
			require.NoError(t, c.Workspace.WriteFile("in/page.html", []byte("<p>{{ title }}</p>")))
			out, err := template.Module.Run(t.Context(), c, tt.props)
			require.NoError(t, err)
			got, err := c.Workspace.ReadFile(tt.props["dest"].(string))
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
			require.Equal(t, tt.props["dest"], out["dest"])
			require.NotEqual(t, "0", out["size"])
		})
	}
}

func TestWhatCanNotBeMadeIsAPermanentSentence(t *testing.T) {
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  string
	}{
		{"neither file nor text", map[string]any{"dest": "a.txt"}, `give either prop "src", a file, or prop "template", the text`},
		{"a missing file", map[string]any{"src": "no.html", "dest": "a.txt"}, "no.html"},
		{"a template that does not parse", map[string]any{"template": "\n{% if %}", "dest": "a.txt"}, "template:2: "},
		{"reading a file", map[string]any{"template": `{% include "/etc/passwd" %}`, "dest": "a.txt"}, `there is no tag "include"`},
		{"loops without end", map[string]any{
			"template": strings.Repeat("{% for a in l %}", 3) + strings.Repeat("{% endfor %}", 3), "dest": "a.txt",
			"vars": map[string]any{"l": make([]any, 1000)},
		}, "more than 200000 turns"},
		{"an unknown value, strictly", map[string]any{"template": "{{ nosuch }}", "dest": "a.txt", "strict": true}, `there is no value "nosuch"`},
		{"a name that tells no format", map[string]any{"template": "x", "dest": "a"}, "say format: text"},
		{"a place outside", map[string]any{"template": "x", "dest": "../a.txt"}, "is outside the workspace"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := moduletest.Call(t)
			_, err := template.Module.Run(t.Context(), c, tt.props)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			_, err = c.Workspace.Stat("a.txt")
			require.Error(t, err, "nothing was written")
		})
	}
}
