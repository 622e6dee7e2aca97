package document_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/modules/document"
)

func render(t *testing.T, f document.Format, source string, vars map[string]any) (string, error) {
	t.Helper()
	tpl, err := document.Parse("t", f, source)
	if err != nil {
		return "", err
	}
	return tpl.Execute(t.Context(), vars)
}

func TestTemplates(t *testing.T) {
	vars := map[string]any{
		"name": "cube", "n": 3, "f": 1.5, "yes": true, "none": nil, "list": []any{"a", 2, false},
		"map": map[string]any{"b": 1, "a": 2}, "at": "2026-03-01T10:20:30Z", "pipeline-id": "p7", "big": 3e20,
	}
	for _, tt := range []struct{ name, source, want string }{
		{"values as people write them", "{{ name }} {{ n }} {{ f }} {{ yes }} {{ none }}{{ nosuch.x }}.", "cube 3 1.5 true ."},
		{"lists and maps as JSON", "{{ list }} {{ map }}", `["a",2,false] {"a":2,"b":1}`},
		{"a loop knows its turn", "{% for e in list %}{{ forloop.counter }}{{ e }}{% if not forloop.last %},{% endif %}{% endfor %}", "1a,22,3false"},
		{"a loop over a map is sorted", "{% for k, v in map %}{{ k }}={{ v }} {% endfor %}", "a=2 b=1 "},
		{"an empty loop", "{% for e in none %}x{% empty %}nothing{% endfor %}", "nothing"},
		{"choices", "{% if n > 5 %}many{% elif n == 3 %}three{% else %}few{% endif %}", "three"},
		{"a variable", "{% set x = n + 1 %}{{ x }}", "4"},
		{"white space is taken off", "a  {{- n -}}  b", "a3b"},
		{"comments are nothing", "a{# {{ n }} #}b{% comment %}{{ n }}{% endcomment %}c", "abc"},
		{"verbatim is itself", "{% verbatim %}{{ n }} {% if %}{% endverbatim %}{% raw %}{{{% endraw %}", "{{ n }} {% if %}{{"},
		{"quotes hold what ends a value", `{{ "}}" }}`, "}}"},
		{"a name with a hyphen, where there is one", "{{ pipeline-id }} {{ n-1 }}", "p7 2"},
		{"our filters", `{{ 1536|bytes }} {{ 75.2|duration }} {{ f|fixed:3 }} {{ list|join:"+" }} {{ at|date:"15:04" }} {{ name|json }}`, `1.5 KiB 1 m 15 s 1.500 a+2+false 10:20 "cube"`},
		{"a code over two lines", "{{ name\n | upper }}", "CUBE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := render(t, document.Text, tt.source, vars)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestWrongTemplatesAreSentencesWithTheirLine(t *testing.T) {
	for _, tt := range []struct{ name, source, want string }{
		{"no file is read", "\n{% ssi \"/etc/passwd\" %}", `t:2: there is no tag "ssi" in documents`},
		{"no include", "{% include \"x\" %}", `t:1: there is no tag "include"`},
		{"no macro", "{% macro a() %}{% endmacro %}", `there is no tag "macro"`},
		{"no inheritance without a folder", "{% extends \"x\" %}", "a text that stands alone can't inherit"},
		{"no padding", "{{ 'x'|ljust:500000000 }}", `there is no filter "ljust" in documents; there are bytes, capfirst`},
		{"nothing is safe", "{{ x|safe }}", `there is no filter "safe"`},
		{"nor after another filter", "{{ x|upper |  safe }}", `there is no filter "safe"`},
		{"an open value", "a\n\n{{ x", "t:3: this has no end: }} is missing"},
		{"an open tag", "{% if x %}a", "t:1: {% if x %} has no end: {% endif %} is missing"},
		{"crossed tags", "{% if x %}{% for a in b %}{% endif %}{% endfor %}", "{% endif %} has no beginning"},
		{"what is no expression", "a\n{{ x y }}", "t:2: x y: this is not understood from here on"},
		{"a strange character", "{{ x; y }}", `';' means nothing here`},
		{"a tag in a tag", "{{ x {% y }}", `'{' means nothing here`},
		{"ten thousand parentheses", "{{ " + strings.Repeat("(", 10_000) + "1" + strings.Repeat(")", 10_000) + " }}", "at most 4 KiB"},
		{"a hundred parentheses", "{{ " + strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100) + " }}", "nested or chained too deep"},
		{"four loops in each other", strings.Repeat("{% for a in b %}", 4) + strings.Repeat("{% endfor %}", 4), "loops 3"},
		{"a source without end", strings.Repeat("x", 65<<10), "a template has at most 64 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := render(t, document.Text, tt.source, map[string]any{"x": "y"})
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestHostileTemplatesEnd(t *testing.T) {
	hundred := make([]any, 200)
	for i := range hundred {
		hundred[i] = strings.Repeat("x", 100)
	}
	vars := map[string]any{"l": hundred, "s": strings.Repeat("x", 1<<20)}
	loop := func(body string) string {
		return "{% for a in l %}{% for b in l %}{% for c in l %}" + body + "{% endfor %}{% endfor %}{% endfor %}"
	}
	for _, tt := range []struct{ name, source, want string }{
		{"loops that write nothing", loop(""), "more than 200000 turns"},
		{"loops that write much", loop("{{ s }}"), "longer than 4 MiB"},
		{"texts that double", strings.Repeat("{% set s = s + s %}", 40), "a text of more than 1 MiB"},
		{"texts that double in a loop", `{% set x = "ab" %}` + loop("{% set x = x + x %}"), "a text of more than 1 MiB"},
		{"calling what is no function", "{{ l() }}", "is not a function"},
		{"calling a method", "{{ l.String() }}", "can't access a field"},
		{"dividing by zero", "{{ 1 / 0 }}", "divide by zero"},
		{"a name below a number", "{% set n = 1 %}{{ n.x.y }}", "can't access a field"},
		{"the sheet itself", "{{ 0.strict }}", "Expected a number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			_, err := render(t, document.Text, tt.source, vars)
			require.ErrorContains(t, err, tt.want)
			require.Less(t, time.Since(start), 5*time.Second)
		})
	}
}

func TestARenderEndsWithItsContext(t *testing.T) {
	tpl, err := document.Parse("t", document.Text, "{{ x }}")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = tpl.Execute(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAStrictTemplateNamesWhatIsUnknown(t *testing.T) {
	tpl, err := document.Parse("job.yaml", document.YAML, "a: 1\nb: {{ pipeline.nmae }}\n")
	require.NoError(t, err)
	tpl.Strict = true
	_, err = tpl.Execute(t.Context(), map[string]any{"pipeline": map[string]any{"name": "x"}})
	require.EqualError(t, err, `job.yaml:2: {{ pipeline.nmae }} is not known here; write {{ pipeline.nmae|default:"" }} if it may be missing`)

	for source, want := range map[string]string{
		"{{ nosuch|upper }}":                `there is no value "nosuch"`,
		"{{ pipeline-nmae }}":               `pipeline-nmae: there is no value "pipeline"`,
		"{{ 'a' + nosuch }}":                `there is no value "nosuch"`,
		"{% if nosuch %}{% endif %}":        `if nosuch: there is no value "nosuch"`,
		"{% for a in nosuch %}{% endfor %}": `there is no value "nosuch"`,
		"{{ nosuch|default:'x' }}":          "",
		"{% set y = x.a + 1 %}{{ y|fixed:2 }}{% for k, v in x %}{{ forloop.counter }}{{ k }}{{ v }}{{ \"nosuch\" }}{% endfor %}": "",
		"{% if not x or x.a in pipeline-id and true %}{{ pipeline-id }}{% endif %}":                                              "",
	} {
		tpl, err := document.Parse("t", document.Text, source)
		require.NoError(t, err)
		tpl.Strict = true
		_, err = tpl.Execute(t.Context(), map[string]any{"x": map[string]any{"a": 1}, "pipeline-id": "p"})
		if want == "" {
			require.NoError(t, err, source)
			continue
		}
		require.ErrorContains(t, err, want, source)
	}
}

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

func TestNoValueBreaksOutOfHTML(t *testing.T) {
	for _, v := range hostile {
		got, err := render(t, document.HTML, `<p title="{{ v }}" id='{{ v }}'>{{ v }}</p>`, map[string]any{"v": v})
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(got, "<"), got)
		require.Equal(t, 2, strings.Count(got, `"`), got)
		require.Equal(t, 2, strings.Count(got, `'`), got)
	}
	for _, tt := range []struct{ name, source, want string }{
		{"a script", "<script>x = {{ v }}</script>", "stands in a script element"},
		{"a style", "<STYLE>a { width: {{ v }} }</STYLE>", "stands in a style element"},
		{"an attribute without quotes", "<a href={{ v }}>", "stands within a tag"},
		{"an attribute's name", "<a {{ v }}=1>", "stands within a tag"},
		{"a tag's name", "<{{ v }}>", "stands within a tag"},
		{"a comment", "<!-- {{ v }} -->", "stands in a comment"},
		{"an event", `<a onclick="{{ v }}">`, "which is a program"},
		{"a style attribute", `<a style="{{ v }}">`, "numbers are safe and text is not"},
		{"a link", `<a href="{{ v }}">`, "is a link that begins"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := render(t, document.HTML, tt.source, map[string]any{"v": "javascript:1"})
			require.ErrorContains(t, err, tt.want)
		})
	}
	got, err := render(t, document.HTML, `<a href = "{{ u }}" style="width: {{ n }}%">{{ u }}</a><!-- x --><script>1 < 2</script>{{ u }}`, map[string]any{"u": "out/a.png?x=1&y", "n": 12.5})
	require.NoError(t, err)
	require.Equal(t, `<a href = "out/a.png?x=1&amp;y" style="width: 12.5%">out/a.png?x=1&amp;y</a><!-- x --><script>1 < 2</script>out/a.png?x=1&amp;y`, got)
}

func TestManyLinesStandAsTheyAreInYAML(t *testing.T) {
	got, err := render(t, document.YAML, "data:\n  p.yaml: {{ p }}\nkind: x\n", map[string]any{"p": "name: x\n\ntasks:\n  - a: \"b\"\n"})
	require.NoError(t, err)
	require.Equal(t, "data:\n  p.yaml: |\n    name: x\n\n    tasks:\n      - a: \"b\"\nkind: x\n", got)
}

func TestDocumentsInheritWithinTheirFolder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"page.txt":  `{% extends "default/page.txt" %}{% block title %}Ours, not {{ block.super }}{% endblock %}`,
		"deep.txt":  "{% extends 'page.txt' %}{% block body %}<{{ block.super }}>{% endblock %}",
		"self.txt":  `{% extends "self.txt" %}`,
		"gone.txt":  "\n{% extends \"nosuch.txt\" %}",
		"late.txt":  `text{% extends "page.txt" %}`,
		"outer.txt": `{% extends "../x" %}`,
		"twice.txt": "{% block a %}{% endblock %}{% block a %}{% endblock %}",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.Symlink("/etc/hostname", filepath.Join(dir, "link.txt")))
	f := document.NewFolder(document.Config{Dir: dir, Defaults: fstest.MapFS{
		"page.txt": &fstest.MapFile{Data: []byte("[{% block title %}Title{% endblock %}] {% block body %}{{ x }}{% endblock %}")},
	}})
	for name, want := range map[string]string{
		"default/page.txt": "[Title] 1", "page.txt": "[Ours, not Title] 1", "deep.txt": "[Ours, not Title] <1>",
	} {
		tpl, err := f.Open(name)
		require.NoError(t, err)
		got, err := tpl.Execute(t.Context(), map[string]any{"x": 1})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for name, want := range map[string]string{
		"self.txt":      "it extends itself: self.txt → self.txt",
		"gone.txt":      `gone.txt:2: extends "nosuch.txt"`,
		"late.txt":      "late.txt:1: {% extends %} must stand first",
		"outer.txt":     "without .. and without a / in front",
		"../x.txt":      "without .. and without a / in front",
		"/etc/hostname": "without .. and without a / in front",
		"link.txt":      "link.txt",
		"twice.txt":     `there are two blocks "a"`,
		"nosuch.txt":    "has no such document, and it is none of those built in: page.txt",
	} {
		_, err := f.Open(name)
		require.ErrorContains(t, err, want, name)
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
			_, _ = render(t, format, source, vars) // it ends, and does not panic
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

func TestAFolderThatIsGoneIsNotOneWithoutTheDocument(t *testing.T) {
	f := document.NewFolder(document.Config{Dir: filepath.Join(t.TempDir(), "gone"), Defaults: fstest.MapFS{"a.txt": {Data: []byte("ours")}}})
	_, err := f.Open("a.txt")
	require.ErrorContains(t, err, "a.txt: the folder of documents can't be read: ")
}
