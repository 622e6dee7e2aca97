package document_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

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
		{"a letter that is none of a name", "{{ x é }}", `'é' means nothing here`},
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
		{"dividing by zero", "{{ 1 / 0 }}", "divided by zero"},
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
