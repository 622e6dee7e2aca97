package document_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/modules/document"
)

// hostile is what attackers and unlucky people write.
var hostile = []string{
	"", "plain", "two words", "it's", `say "hi"`, `back\slash`, "a: b", "a # b", "- a", "{a}", "[a]", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a`",
	"line\nbreak", "\nleading", "trailing\n", "a\n\nb\n", "  indented\n  lines", "tab\there", "\u2028sep\u2029", "\u0085nel", "\x00nul", "\x7f", "\ufeffbom", "\U0001F600",
	"yes", "null", "~", "true", "0x1f", "1e3", "012", "1_000", "2026-03-01", "0o7", ".inf", "=", "<<", "---", "...", "? a", ": a", "a:", ",", "}}", "{{ x }}", "{% if %}",
	"\nevil: true", "\n- evil", "\", \"evil\": true, \"", "</script><script>alert(1)</script>", "\" onload=\"evil()", "' onload='evil()", "javascript:alert(1)", "jav\tascript:x", "&amp;",
	"-->", "]]>", "\r\nX: y", "\xff\xfe", "zq1qz", "$(rm -rf /)",
}

func TestNoValueBreaksOutOfYAML(t *testing.T) {
	for _, source := range []string{
		"a: {{ v }}\nb: end\n", "a: \"x {{ v }} y\"\nb: end\n", "a: 'x {{ v }}'\nb: end\n", "l:\n  - {{ v }}\n  - end\n", "l: [{{ v }}, {{ v }}]\n",
		"m: {k: {{ v }}}\n", "a: x-{{ v }}\n", "a: {{ v }}-{{ v }}\n", "a: 1 # {{ v }}\nb: 2\n", "a: |\n  text {{ v }}\n  more\n", "{{ v }}: key\n", "a: {{ v }} # note\n", "{{ v }}\n",
	} {
		for _, v := range hostile {
			got, err := render(t, document.YAML, source, map[string]any{"v": v})
			if err != nil {
				require.Regexp(t, `^t(:\d+)?: `, err.Error())
				continue
			}
			want := strings.ReplaceAll(source, "{{ v }}", "WORD")
			require.Equal(t, expand(t, want, strings.ToValidUTF8(v, "\uFFFD")), parseYAML(t, got), "%q in %q gives %q", v, source, got)
		}
	}
}

func TestEveryTextStandsAloneOrInDoubleQuotesInYAML(t *testing.T) {
	for _, v := range hostile {
		want := strings.ToValidUTF8(v, "\uFFFD")
		for _, source := range []string{"a: {{ v }}\n", "a: \"{{ v }}\"\n", "a: {{ v }}", "x:\n    a:   {{ v }}\n    b: 1\n", "- {a: {{ v }}}\n"} {
			got, err := render(t, document.YAML, source, map[string]any{"v": v})
			require.NoError(t, err, "%q", v)
			require.Contains(t, mustJSON(t, parseYAML(t, got)), mustJSON(t, want))
		}
	}
}

func TestNoValueBreaksOutOfJSON(t *testing.T) {
	for _, v := range hostile {
		got, err := render(t, document.JSON, `{"alone": {{ v }}, "within": "a {{ v }} \"b\"", "list": [{{ n }}, {{ l }}]}`, map[string]any{"v": v, "n": 1.5, "l": []any{v}})
		require.NoError(t, err, "%q", v)
		var back map[string]any
		require.NoError(t, json.Unmarshal([]byte(got), &back))
		v = strings.ToValidUTF8(v, "\uFFFD")
		require.Equal(t, map[string]any{"alone": v, "within": "a " + v + ` "b"`, "list": []any{1.5, []any{v}}}, back)
	}
	for _, source := range []string{`{"a": 1{{ v }}}`, `{"a": {{ v }}{{ v }}}`, `{"a": {{ v }}1}`, `{"a": "\{{ v }}"}`, `{"a": {{ v }}`} {
		_, err := render(t, document.JSON, source, map[string]any{"v": 2})
		require.Error(t, err, source)
	}
}

func FuzzDocument(f *testing.F) {
	for _, v := range hostile {
		f.Add("a: {{ v }}\nb: \"{{ v }}\"\n", v)
	}
	f.Add(`{% for a in l %}{{ a|upper|json }}{% endfor %}`, "x")
	f.Fuzz(func(t *testing.T, source, v string) {
		vars := map[string]any{"v": v, "l": []any{v, 1, nil}, "m": map[string]any{v: v}}
		for _, format := range []document.Format{document.Text, document.HTML, document.JSON, document.YAML} {
			got, err := render(t, format, source, vars) // it ends, and does not panic
			if err == nil && format == document.HTML {
				requireSameTree(t, source, got, vars)
			}
		}
		valid := strings.ToValidUTF8(v, "\uFFFD")
		for _, fixed := range []string{"a: {{ v }}\nb: end\n", "a: \"{{ v }}\"\nb: end\n", "l: [{{ v }}, end]\n", "x:\n  - {{ v }}\n  - end\n"} {
			got, err := render(t, document.YAML, fixed, vars)
			require.NoError(t, err)
			require.Equal(t, expand(t, strings.ReplaceAll(fixed, "{{ v }}", "WORD"), valid), parseYAML(t, got))
		}
		got, err := render(t, document.JSON, `["{{ v }}", {{ v }}]`, vars)
		require.NoError(t, err)
		var back []string
		require.NoError(t, json.Unmarshal([]byte(got), &back))
		require.Equal(t, []string{valid, valid}, back)
		got, err = render(t, document.HTML, `<p title="{{ v }}">{{ v }}</p>`, vars)
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(got, "<"))
		require.Equal(t, 2, strings.Count(got, `"`))
	})
}

func parseYAML(t *testing.T, text string) any {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal([]byte(text), &v), text)
	return v
}

// expand is what source means with v in the place of WORD.
func expand(t *testing.T, source, v string) any {
	t.Helper()
	var walk func(any) any
	walk = func(x any) any {
		switch x := x.(type) {
		case string:
			return strings.ReplaceAll(x, "WORD", v)
		case []any:
			for i := range x {
				x[i] = walk(x[i])
			}
		case map[string]any:
			for k, e := range x {
				delete(x, k)
				x[strings.ReplaceAll(k, "WORD", v)] = walk(e)
			}
		}
		return x
	}
	return walk(parseYAML(t, source))
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
