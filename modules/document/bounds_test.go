package document_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/document"
)

// used is the processor time of this process so far: it does not go by what else the machine does.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestManyValuesOnALineTakeNoLongerEach(t *testing.T) {
	list := make([]any, 20_000)
	for i := range list {
		list[i] = "abcdefghijklmnopqrst"
	}
	for _, tt := range []struct {
		format document.Format
		source string
	}{
		{document.YAML, "v: [{% for x in l %}{{ x }}, {% endfor %}]\n"},
		{document.YAML, "v: \"{% for x in l %}{{ x }} {% endfor %}\"\n"},
		{document.YAML, "{% for x in l %}- {{ x }}\n{% endfor %}"},
		{document.YAML, "v: {{ l.0 }}{% for x in l %} {% endfor %}\n"},
		{document.JSON, "[{% for x in l %}{{ x }}, {% endfor %}1]"},
		{document.HTML, `<a href="{% for x in l %}{{ x }}{% endfor %}">`},
	} {
		start := used(t)
		_, err := render(t, tt.format, tt.source, map[string]any{"l": list})
		require.NoError(t, err, tt.source)
		require.Less(t, used(t)-start, time.Second, tt.source)
	}
}

func TestARenderEndsWithItsContext(t *testing.T) {
	list := make([]any, 60_000)
	for i := range list {
		list[i] = "abcdefghijklmnopqrst"
	}
	for _, tt := range []struct {
		format document.Format
		source string
	}{
		{document.Text, "{{ s }}"},
		{document.Text, strings.Repeat("{% if s + s == 1 %}{% endif %}", 100)},
		{document.Text, strings.Repeat(`{% set a = s|split:"," %}`, 100)},
		{document.YAML, "v: [{% for x in l %}{{ x }}, {% endfor %}]\n"},
		{document.JSON, "[{% for x in l %}{{ x }}, {% endfor %}1]"},
		{document.HTML, `<a href="{% for x in l %}{{ x }}{% endfor %}">`},
	} {
		tpl, err := document.Parse("t", tt.format, tt.source)
		require.NoError(t, err)
		for _, limit := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			start := used(t)
			_, err = tpl.Execute(ctx, map[string]any{"l": list, "s": strings.Repeat("x,", 1<<18)})
			cancel()
			require.Less(t, used(t)-start, time.Second, tt.source)
			if limit == 0 {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
		}
	}
}

func TestWhatExpressionsHandleIsBounded(t *testing.T) {
	vars := map[string]any{"s": strings.Repeat("x,", 1<<19), "l": make([]any, 100_000)}
	for _, source := range []string{
		strings.Repeat(`{% set a = s|split:"," %}`, 20),
		strings.Repeat("{% if s == s %}{% endif %}", 200),
		strings.Repeat("{% if 1 in l or 2 in l or 3 in l %}{% endif %}", 100),
		strings.Repeat("{{ s|length }}{{ 'x' in s }}", 100),
	} {
		start := used(t)
		_, err := render(t, document.Text, source, vars)
		require.ErrorContains(t, err, "the template works with more than 64 MiB of values", source)
		require.Less(t, used(t)-start, 2*time.Second, source[:30])
	}
	_, err := render(t, document.Text, "{{ s }}", map[string]any{"s": strings.Repeat("x", 2<<20)})
	require.EqualError(t, err, "t: s: a text has at most 1 MiB here")
	got, err := render(t, document.Text, "{{ n }}", map[string]any{"s": strings.Repeat("x", 2<<20), "n": 1})
	require.NoError(t, err, "what no template names is not looked at")
	require.Equal(t, "1", got)
}

func TestWhatHasNoSensibleResultIsASentenceWithItsPlace(t *testing.T) {
	vars := map[string]any{"l": []any{1, 2}, "m": map[string]any{"a": 1}, "big": int64(1<<63 - 1), "z": 0, "a": 7, "b": 2, "t": "x", "x-y": 1, "x_y": 2}
	for source, want := range map[string]string{
		"{{ a / z }}":                "t:2: a / z: a number is divided by zero",
		"{{ a % z }}":                "t:2: a % z: a number is divided by zero",
		"{% if l == l %}{% endif %}": "t:2: if l == l: lists and maps can't be compared",
		"{{ l + l }}":                "t:2: l + l: + takes numbers, and here stands a list",
		"{{ big + 1 }}":              "t:2: big + 1: 9223372036854775807 + 1 is too large a number",
		"{{ big * 2 }}":              "t:2: big * 2: 9223372036854775807 * 2 is too large a number",
		"{{ l|join:l }}":             "t:2: l|join:l: |join: takes a text to stand between",
		"{{ t - 1 }}":                `t:2: t - 1: - takes numbers, and here stands "x"`,
		"{{ x-y }}":                  `t:2: {{ x-y }} may be the value "x-y", or what "x_y" has a part in; rename one, or write blanks around a minus`,
		"{{ a < b < 3 }}":            "t:2: a < b < 3: this is not understood from here on: < 3",
		"{{ a + }}":                  "t:2: a +: a value is missing",
	} {
		_, err := render(t, document.Text, "\n"+source, vars)
		require.EqualError(t, err, want, source)
	}
}

func TestOperatorsBindAsPeopleReadThem(t *testing.T) {
	vars := map[string]any{"a": 7, "b": 2, "t": "x", "l": []any{"x", 2}, "m": map[string]any{"k": 1}, "a-b": "joined", "none": nil}
	for source, want := range map[string]string{
		"a + b * 2 - 1":                  "10",
		"(a + b) * 2":                    "18",
		"-a + 1":                         "-6",
		"7.5 / b":                        "3.75",
		"a / b":                          "3",
		"2 ^ 3":                          "8",
		"t + 1":                          "x1",
		"not t in l":                     "false",
		"t not in l or b in l and a > b": "true",
		"false and false or true":        "true",
		`"k" in m and not none`:          "true",
		"t|upper + l|length":             "X2",
		`"see a-b now" + t`:              "see a-b nowx",
		"a - b":                          "5",
		`l.0|default:"y"|upper == "X"`:   "true",
		"pongo2.version":                 "",
		`m["k"] + l[1]`:                  "3",
		"none + 1":                       "1",
		"a % 4":                          "3",
		"a >= b && a != 8 || false":      "true",
	} {
		got, err := render(t, document.Text, "{{ "+source+" }}", vars)
		require.NoError(t, err, source)
		require.Equal(t, want, got, source)
	}
}

func TestTextsOfTwoPartsAreTextInAnyVersionOfYAML(t *testing.T) {
	for source, vars := range map[string]map[string]any{
		"v: {{ a }}{{ b }}":  {"a": "o", "b": "n"},
		"v: y{{ a }}":        {"a": "es"},
		"v: {{ a }}:{{ b }}": {"a": "10", "b": "30"},
	} {
		_, err := render(t, document.YAML, source, vars)
		require.ErrorContains(t, err, "put double quotes around all of it", source)
	}
	got, err := render(t, document.YAML, "v: {{ a }}-{{ b }}", map[string]any{"a": "web", "b": "front"})
	require.NoError(t, err)
	require.Equal(t, "v: web-front", got)
}

func TestAValueIsNoSecondKey(t *testing.T) {
	_, err := render(t, document.YAML, "app: millrace\n{{ k }}: {{ x }}\n", map[string]any{"k": "app", "x": 1})
	require.EqualError(t, err, `t:2: {{ k }} is the same key as another in its map: "app"`)
	_, err = render(t, document.JSON, `{"a": 1, "{{ k }}": [{"a": 2}]}`, map[string]any{"k": "a"})
	require.EqualError(t, err, `t: what it makes has the key "a" twice in a map`)
	_, err = render(t, document.JSON, `{"a": [{"a": 1}, {"a": {"a": "a"}}], "{{ k }}": 1}`, map[string]any{"k": "b"})
	require.NoError(t, err)
}

func TestLinesStandInListsOfYAML(t *testing.T) {
	for _, source := range []string{"- - {{ v }}\n", "- k: {{ v }}\n  l: 1\n", "a:\n  - b: {{ v }}\n"} {
		got, err := render(t, document.YAML, source, map[string]any{"v": "a\nb: c\n"})
		require.NoError(t, err, source)
		require.Contains(t, got, `"a\nb: c\n"`)
	}
}

func TestADecimalIsANumber(t *testing.T) {
	for format, want := range map[document.Format]string{document.JSON: "1.50", document.YAML: "1.50", document.Text: "1.50"} {
		got, err := render(t, format, "{{ n|fixed:2 }}", map[string]any{"n": 1.5})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestAFilesNameTellsItsFormat(t *testing.T) {
	for name, want := range map[string]document.Format{
		"a.gltf": document.JSON, "a.GeoJSON": document.JSON, "a.webmanifest": document.JSON, "a.dae": document.HTML, "a.x3d": document.HTML,
		"a.xhtml": document.HTML, "a.yml": document.YAML, "a.csv": document.Text, "a.mtl": document.Text,
	} {
		got, ok := document.FormatOf(name)
		require.True(t, ok, name)
		require.Equal(t, want, got, name)
	}
	for _, name := range []string{"a", "a.jsonl", "a.js", "a.b/c"} {
		_, ok := document.FormatOf(name)
		require.False(t, ok, name)
	}
}

func TestATextInABlockOfYAMLIsToldWhereToStand(t *testing.T) {
	_, err := render(t, document.YAML, "v: |\n  {{ x }}\n", map[string]any{"x": "two words"})
	require.EqualError(t, err, "t:2: {{ x }} can't stand here with what it holds; put double quotes around all of it, in a line of its own, and not in a block (| or >)")
}
