package blocks_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines/blocks"
	"github.com/millrace/millrace/pipelines/render"
)

func expand(t *testing.T, src string, state map[string]any) (*blocks.Expansion, error) {
	t.Helper()
	d, err := blocks.Parse(src)
	if err != nil {
		return nil, err
	}
	s, err := render.NewState(t.Context(), render.Config{Data: state})
	require.NoError(t, err)
	return d.Expand(t.Context(), s)
}

func TestABlockChoosesAndRepeatsTextOfTheSource(t *testing.T) {
	state := map[string]any{
		"list": []any{"a", "b"}, "pairs": []any{[]any{"k", 1}, []any{"l"}}, "map": map[string]any{"y": 2, "x": 1}, "yes": true, "n": 2,
	}
	for _, tt := range []struct{ name, src, want string }{
		{"a tag takes its line", "a:\n  {% for x in list %}\n  - \"{{ x }}\"\n  {% endfor %}\nb: 1\n", "a:\n  - \"{{ x }}\"\n  - \"{{ x }}\"\nb: 1\n"},
		{"two tags share one", "a:\n{% if yes %} {% for x in list %}\n- 1\n{% endfor %}{% endif %}\n", "a:\n- 1\n- 1\n"},
		{"dashes there change nothing", "a:\n  {%- for x in list -%}\n  - 1\n  {%- endfor -%}\nb: 1\n", "a:\n  - 1\n  - 1\nb: 1\n"},
		{"dashes at the margin change nothing", "a:\n{%- for x in list -%}\n  - 1\n{%- endfor -%}\nb: 1\n", "a:\n  - 1\n  - 1\nb: 1\n"},
		{"a choice of numbers", "a: {% if n == 1 %}one{% elif n == 2 %}2{% endif %}\nb: {% if n == 1 %}1{% elif n == 2 %}2{% else %}3{% endif %} # why\n", "a: '{% if n == 1 %}one{% elif n == 2 %}2{% endif %}'\nb: 2 # why\n"},
		{"a choice of text in quotes", "a: {% if yes %}\"{{ n }}\"{% else %}none{% endif %}\n", "a: \"{{ n }}\"\n"},
		{"a choice of maps", "- {% if yes %}{a: 1}{% else %}{a: 2}{% endif %}\n", "- {a: 1}\n"},
		{"a choice of entries", "a:\n  {% if yes %}- 1{% else %}- 2{% endif %}\n", "a:\n  - 1\n"},
		{"a choice of keys", "- {% if yes %}a: {{ n }}{% else %}b: 2{% endif %}\n", "- a: {{ n }}\n"},
		{"a block behind its key", "a: {% for x in list %}\n  - 1\n  {% endfor %}\n", "a: \n  - 1\n\n  - 1\n"},
		{"a value that starts with a tag", "a: {% for x in list %}it's <{{ x }}>: {% endfor %} # why\n- {% if yes %}that's {{ n }}{% endif %}\n", "a: '{% for x in list %}it''s <{{ x }}>: {% endfor %}' # why\n- '{% if yes %}that''s {{ n }}{% endif %}'\n"},
		{"one on the line below its key", "a:\n  {% for x in list %}<{{ x }}>{% endfor %}\n", "a:\n  '{% for x in list %}<{{ x }}>{% endfor %}'\n"},
		{"behind a dash", "- {% if no %}1{% else %}2{% endif %}\n", "- 2\n"},
		{"in a flow list", "a: [{% for x in list %}\"{{ x }}\", {% endfor %}]\n", "a: [\"{{ x }}\", \"{{ x }}\", ]\n"},
		{"a dash beside text takes blanks", "a: [ {%- if yes -%}  1\n  {%- endif %} ]\n", "a: [1 ]\n"},
		{"else of an empty loop", "{% for x in none %}\na: 1\n{% else %}\na: 2\n{% endfor %}\n", "a: 2\n"},
		{"unpacked", "{% for k, v in pairs %}\n- \"{{ k }}\"\n{% endfor %}", "- \"{{ k }}\"\n- \"{{ k }}\"\n"},
		{"loop knows where it is", "{% for x in list %}\n{% if loop.last %}\n- 1\n{% endif %}\n{% endfor %}", "- 1\n"},
		{"by character", "{% for c in 'öx' %}\n- 1\n{% endfor %}\n", "- 1\n- 1\n"},
		{"a name set outside is written inside", "{% set n = 0 %}\n{% for x in list %}\n{% set n = n + 1 %}\n{% endfor %}\n{% if n == 2 %}\na: 1\n{% endif %}\n", "a: 1\n"},
		{"a name set in a loop ends with it", "{% for x in list %}\n{% set in_loop = 1 %}\n{% endfor %}\n{% if in_loop %}\na: 1\n{% endif %}\nb: 1", "b: 1"},
		{"comments go", "{# a: 0 #}\na: 1 {# why #}\n", "a: 1 {# why #}\n"},
		{"a tag over several lines", "{% set x = [\n  '%}',\n  2\n] %}\na: 1\n", "a: 1\n"},
		{"CRLF", "a:\r\n  {% if yes %}\r\n  - 1\r\n  {% endif %}\r\nb: 1\r\n", "a:\r\n  - 1\r\nb: 1\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x, err := expand(t, tt.src, state)
			require.NoError(t, err)
			require.Equal(t, tt.want, x.Text)
		})
	}
}

// What stands in a value is the task's.
func TestTagsInsideValuesAreLeft(t *testing.T) {
	for _, src := range []string{
		"a: \"{% if x %}\"\n", "a: 'it''s {% if x %}'\n", "a: x {% if x %}\n", "# {% if x %}\n", "a: 1 # {% if x %}\n", "a: \"b\n  {% if x %}\"\n",
		"a: |\n  {% if x %}\n\n  {% endif %}\n", "a:\n  - >-  # folded\n   {% if x %}\n", "- a: |2\n      {% if x %}\n  b: 1\n",
		"a: all of\n  {% for x in y %}\n  <{{ x }}>\n  {% endfor %}\n", "a:\n    all of\n  {% if x %}\n", "---\na: |\n  {% if x %}\n", "%YAML 1.2\n---\n- >\n {% if x %}\n...\n",
		"\"a\" : |\n  {% if x %}\nb: 1\n", "{a: {b: 1}, \"c\": 2}\n", "a: 1 {# why #}\n",
		"a: \"\\\"{% if x %}\"\n",
		"a: one\n  \"two\n", "a: !!str \"{% if x %}\"\n", "a: &anchor '{% if x %}'\n", "",
	} {
		d, err := blocks.Parse(src)
		require.NoError(t, err, src)
		require.False(t, d.Blocks(), src)
		require.Equal(t, src, d.Skeleton().Text)
	}
}

func TestAMistakeInABlockHasItsPlace(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"never closed", "a:\n  {% for x in y %}\n  - 1\n", "2:3: {% for %} is never closed; add {% endfor %}, on a line of its own that is indented like this one"},
		{"never opened", "a: 1\n{% endif %}\n", "2:1: {% endif %} closes nothing that is open here; remove it, or look for its beginning inside a value"},
		{"closed by another", "{% if a %}\n{% endfor %}\n", "2:1: {% endfor %} stands in the {% if %} of line 1, which ends with {% endif %}"},
		{"else twice", "{% if a %}\n{% else %}\n{% else %}\n{% endif %}\n", "3:1: {% else %} stands in the {% if %} of line 1, which ends with {% endif %}"},
		{"a macro", "{% macro m() %}\n{% endmacro %}\n", "1:1: {% macro %} can't stand between values, where there are for, if, set and comments; inside a value it can"},
		{"raw", "a:\n  {% raw %}\n", "2:3: {% raw %} can't stand between values, where there are for, if, set and comments; inside a value it can"},
		{"no name", "{% %}\n", "1:1: this tag has no name; between values there are for, if, set and comments"},
		{"a loop without in", "{% for x %}\n{% endfor %}", "1:1: a loop is written {% for name in list %} or {% for key, value in map %}"},
		{"a loop over nothing", "{% for x in %}\n{% endfor %}", "1:1: a loop is written {% for name in list %} or {% for key, value in map %}"},
		{"a block set", "{% set x %}\n{% endset %}", "1:1: between values, set is written {% set name = value %}"},
		{"no condition", "{% if %}\n{% endif %}", "1:1: {% if %} needs a condition"},
		{"a tag without end", "a: {% if x\n", "1:4: the tag that starts here never ends; close it with %}"},
		{"a value that goes on", "a: {% if x %}one\n  {% else %}two{% endif %}\n", "1:4: a value that starts with a tag ends with its line, and a block of this one does not; put quotes round the value, or write it as a | block"},
		{"a comment without end", "{# x\n", "1:1: the comment that starts here never ends; close it with #}"},
		{"a quote without end", "a: \"x\n{% if a %}\n", "1:4: the text that starts with this quote never ends; close it with \""},
		{"an expression that doesn't parse", "ö: 1\n{% if a ==\n  ) %}\n{% endif %}", `3:3: {% if %}: a value is missing before ")"`},
		{"a filter that there is not", "{% for x in list | nope %}\n{% endfor %}", "1:20: {% for %}: filter not found: nope"},
		{"a map by one name", "{% for x in {a: 1} %}\n{% endfor %}", "1:1: this loops over a map, which takes two names: {% for key, value in … %}"},
		{"an entry that can't be unpacked", "{% for x, y in [[1, 2], 3] %}\n{% endfor %}", "1:1: the loop has 2 names, and entry 1 of its list is no list to take them from"},
		{"too deep", strings.Repeat("{% if 1 %}\n", 51), "51:1: blocks are nested more than 50 deep; flatten them"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := expand(t, tt.src, nil)
			require.EqualError(t, err, tt.want)
			_, ok := errors.AsType[*blocks.Error](err)
			require.True(t, ok)
		})
	}
}

func TestWhatBlocksMayCostIsBounded(t *testing.T) {
	long := make([]any, 10_001)
	for _, tt := range []struct{ name, src, want string }{
		{"turns", "{% for x in long %}\n{% endfor %}", "1:1: the document's loops take more than 10000 turns in all, 10001 of them here; loop over less, or start a job for each part"},
		{"turns of loops in loops", "{% for x in range(200) %}\n{% for y in range(100) %}\n{% endfor %}\n{% endfor %}", "2:1: the document's loops take more than 10000 turns in all, 100 of them here; loop over less, or start a job for each part"},
		{"text", "{% for x in range(9000) %}\n# " + strings.Repeat("x", 600) + "\n{% endfor %}", "2:1: the document's blocks write more than 4 MiB here; loop over less"},
		{"stretches of text", "{% for x in range(9000) %}\n" + strings.Repeat("'a' {# #}\n", 50) + "{% endfor %}", "the document's blocks write more than 4 MiB here"},
		{"names", "{% set " + names(100_000) + " = 1 %}\n{% for x in range(100) %}\n- 1\n{% endfor %}", "3:1: the values that the document's blocks keep are larger than 64 MiB in all; loop over less"},
		{"values", "{% for x in range(9000) %}\n{% set big = range(10000) %}\n{% endfor %}", "2:1: the values that the document's blocks keep are larger than 64 MiB in all; loop over less"},
		{"one expression", "{% if range(900000) | sort | sort | sort %}\n{% endif %}", "1:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := expand(t, tt.src, map[string]any{"long": long})
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestALineOfManyTagsIsReadOnce(t *testing.T) {
	begin := time.Now()
	_, err := blocks.Parse("a: " + strings.Repeat("{% if a %}{% endif %}", 40_000))
	require.NoError(t, err)
	require.Less(t, time.Since(begin), 10*time.Second)
}

func names(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = "v" + strconv.Itoa(i)
	}
	return strings.Join(all, ",")
}

func TestPlacesAndVariablesAreThoseOfTheSource(t *testing.T) {
	x, err := expand(t, "ä: 1\nb:\n  {% for x in ['p', 'q'] %}\n  - {% if loop.first %}eins{% else %}zwei{% endif %}: \"{{ x }}\"\n  {% endfor %}\nc: 3\n", nil)
	require.NoError(t, err)
	require.Equal(t, "ä: 1\nb:\n  - eins: \"{{ x }}\"\n  - zwei: \"{{ x }}\"\nc: 3\n", x.Text)
	for _, tt := range []struct {
		line, column, srcLine, srcColumn int
		x                                any
	}{
		{1, 1, 1, 1, nil},
		{1, 4, 1, 4, nil},
		{3, 3, 4, 3, "p"},
		{3, 5, 4, 24, "p"},
		{3, 11, 4, 55, "p"},
		{4, 5, 4, 38, "q"},
		{4, 11, 4, 55, "q"},
		{3, 5, 4, 24, "p"},
		{5, 1, 6, 1, nil},
		{99, 99, 7, 1, nil},
	} {
		line, column, vars := x.Place(tt.line, tt.column)
		require.Equal(t, []int{tt.srcLine, tt.srcColumn}, []int{line, column}, "%d:%d", tt.line, tt.column)
		require.Equal(t, tt.x, vars["x"])
	}
	require.Equal(t, map[int]bool{1: true, 2: true, 4: true, 6: true}, x.Emitted())
}

func TestASeamIsWhereTheVariablesChange(t *testing.T) {
	x, err := expand(t, "a: |\n  head\n{% for x in ['p', 'q'] %}\n  {{ x }}\n{% endfor %}\n  tail\nb: {# not here #} 1\n", nil)
	require.NoError(t, err)
	require.Equal(t, "a: |\n  head\n  {{ x }}\n  {{ x }}\n  tail\nb:  1\n", x.Text)
	line, column, found := x.Seam(1, 4, len("|\n  head\n  {"))
	require.Equal(t, []any{4, 1, true}, []any{line, column, found})
	for _, tt := range []struct {
		line, size int
		found      bool
	}{{1, 8, false}, {3, 9, false}, {3, 11, true}, {4, 11, true}, {5, 10, false}} {
		_, _, found := x.Seam(tt.line, 1, tt.size)
		require.Equal(t, tt.found, found, tt)
	}
}

func TestASkeletonHasNoAliasOfAnAnchorInABlock(t *testing.T) {
	d, err := blocks.Parse("a: &x 1\n{% if a %}\nb: &y 2\n{% endif %}\nc: [*x, *y]\nd: *x\n")
	require.NoError(t, err)
	require.Equal(t, "a: &x 1\nc: [*x, {}]\nd: *x\n", d.Skeleton().Text)
	line, column, found := d.Borrows("c")
	require.Equal(t, []any{5, 9, true}, []any{line, column, found})
	_, _, found = d.Borrows("d")
	require.False(t, found)
}

func TestCoverShowsWhatAnExpansionLeftOut(t *testing.T) {
	d, err := blocks.Parse("{% if a %}\na: 1\n{% elif b %}\nb: 1\n{% if c %}\nc: 1\n{% endif %}\n{% else %}\nd: 1\n{% endif %}\n{% for x in xs %}\ne: \"{{ x }}\"\n{% else %}\nf: 1\n{% endfor %}\n")
	require.NoError(t, err)
	s, err := render.NewState(t.Context(), render.Config{Data: map[string]any{"a": true}})
	require.NoError(t, err)
	x, err := d.Expand(t.Context(), s)
	require.NoError(t, err)
	seen := []*blocks.Expansion{x}
	texts := []string{x.Text}
	for x = d.Cover(seen...); x != nil; x = d.Cover(seen...) {
		seen, texts = append(seen, x), append(texts, x.Text)
	}
	require.Equal(t, []string{"a: 1\nf: 1\n", "b: 1\nc: 1\ne: \"{{ x }}\"\n", "d: 1\ne: \"{{ x }}\"\n"}, texts)
	_, _, vars := seen[1].Place(3, 1)
	require.Equal(t, map[string]any{"x": nil, "loop": nil}, vars)
}

func TestAStoppedExpansionSaysWhy(t *testing.T) {
	d, err := blocks.Parse("{% if 1 %}\na: 1\n{% endif %}")
	require.NoError(t, err)
	s, err := render.NewState(t.Context(), render.Config{})
	require.NoError(t, err)
	lost := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(lost)
	_, err = d.Expand(ctx, s)
	require.ErrorIs(t, err, lost)
}

// Whatever the source, nothing panics, all that comes out is text of the source, save for quotes round values that start
// with a tag and {} for lost aliases, and each place is where it came from.
func FuzzExpand(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("..", "testdata", "*.yaml"))
	require.NoError(f, err)
	for _, name := range seeds {
		src, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(string(src))
	}
	f.Add("a: |\n {% if x %}\nb: [{% for x in xs %}'x', {% endfor %}]\n- {%- set a = 1 -%}\n \"\\")
	f.Add("{% for k, v in m %}{# #}\n- {% if k %}k{% else %}v{% endif %}\n{% else %}x{% endfor %}")
	f.Add("---\n- a: {% for x in xs %}it's {{ x }}{% endfor %}\n{% if x %}\n- &y 1\n{%- endif -%}\n- [*y]\n")
	f.Fuzz(func(t *testing.T, src string) {
		d, err := blocks.Parse(src)
		if err != nil {
			return
		}
		s, err := render.NewState(t.Context(), render.Config{Data: map[string]any{"x": true, "xs": []any{1, "a"}, "m": map[string]any{"k": 1}}})
		require.NoError(t, err)
		all := []*blocks.Expansion{d.Skeleton()}
		if x, err := d.Expand(t.Context(), s); err == nil {
			all = append(all, x)
		}
		for x := d.Cover(all...); x != nil && len(all) < 8; x = d.Cover(all...) {
			all = append(all, x)
		}
		source := strings.Split(src, "\n")
		for _, x := range all {
			for i, text := range strings.Split(x.Text, "\n") {
				column := 0
				for _, c := range text {
					column++
					line, at, _ := x.Place(i+1, column)
					got := []rune(source[line-1] + "\n")[at-1]
					if strings.ContainsRune("'{}", c) && c != got {
						continue
					}
					require.Equal(t, c, got, "%d:%d is %d:%d", i+1, column, line, at)
				}
			}
		}
	})
}
