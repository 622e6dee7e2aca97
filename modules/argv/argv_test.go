package argv_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/argv"
)

func TestConfigBecomesOptions(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config map[string]any
		want   []string
	}{
		{"nothing gives nothing", nil, nil},
		{"true is a bare flag", map[string]any{"verbose": true}, []string{"--verbose"}},
		{"false and null are left out", map[string]any{"a": false, "b": nil}, nil},
		{"one letter takes one dash", map[string]any{"f": "obj"}, []string{"-f", "obj"}},
		{"one letter and true", map[string]any{"b": true}, []string{"-b"}},
		{
			"spelling is preserved",
			map[string]any{"max_tex_size": 1024, "draco-level": 7},
			[]string{"--draco-level", "7", "--max_tex_size", "1024"},
		},
		{"keys are sorted", map[string]any{"z": 1, "a": 2, "m": 3}, []string{"-a", "2", "-m", "3", "-z", "1"}},
		{
			"a list is each element",
			map[string]any{"reset_center": []any{"center", 0, true, nil}},
			[]string{"--reset_center", "center", "0", "true", "null"},
		},
		{"an empty list is left out", map[string]any{"reset_center": []any{}}, nil},
		{"a space-joined string stays one value", map[string]any{"rotation": "0 0 0"}, []string{"--rotation", "0 0 0"}},
		{"an empty string is a value", map[string]any{"prefix": ""}, []string{"--prefix", ""}},
		{"a map is JSON", map[string]any{"meta": map[string]any{"a": 1}}, []string{"--meta", `{"a":1}`}},
		{"a key with a dash is an option already", map[string]any{"-pix_fmt": "yuv420p"}, []string{"-pix_fmt", "yuv420p"}},
		{"two characters are not one letter", map[string]any{"c0": 1}, []string{"--c0", "1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, argv.From(tt.config))
		})
	}
}

func TestFromSingleDashTakesOneDashForAll(t *testing.T) {
	require.Equal(t, []string{"-c:v", "libx264", "-crf", "23", "-y"},
		argv.FromSingleDash(map[string]any{"c:v": "libx264", "crf": 23, "y": true, "n": false}))
}

func TestNumbersArePrintedAsJavaScriptDoes(t *testing.T) {
	for want, number := range map[string]any{
		"1":                    1.0,
		"0":                    math.Copysign(0, -1),
		"0.1":                  0.1,
		"-2.5":                 -2.5,
		"0.000001":             1e-6,
		"1e-7":                 1e-7,
		"1.5e-9":               1.5e-9,
		"100000000000000000":   1e17,
		"1e+21":                1e21,
		"1.25e+300":            1.25e300,
		"NaN":                  math.NaN(),
		"-Infinity":            math.Inf(-1),
		"9007199254740993":     int64(9007199254740993),
		"18446744073709551615": uint64(math.MaxUint64),
		"1.10":                 json.Number("1.10"),
	} {
		require.Equal(t, []string{"-n", want}, argv.From(map[string]any{"n": number}))
	}
}

func TestSplitReadsWordsLikeAShell(t *testing.T) {
	for _, tt := range []struct {
		name, item string
		want       []string
	}{
		{"empty is no word", "", nil},
		{"space is no word", " \t\n", nil},
		{"one word", "-resize", []string{"-resize"}},
		{"flag and value", "-w 1024", []string{"-w", "1024"}},
		{"any white space separates", "a  b\tc\nd", []string{"a", "b", "c", "d"}},
		{"single quotes keep all", `'a b' 'c\d "e"'`, []string{"a b", `c\d "e"`}},
		{"double quotes keep space", `"a b" c`, []string{"a b", "c"}},
		{"double quotes know four escapes", `"\"\\\$\` + "`" + `\n"`, []string{`"\$` + "`" + `\n`}},
		{"quotes join to what touches them", `--name="My Model"'!'`, []string{"--name=My Model!"}},
		{"empty quotes are a word", `a '' ""`, []string{"a", "", ""}},
		{"a backslash keeps a space", `my\ file`, []string{"my file"}},
		{"a backslash continues a line", "a\\\nb \\\n", []string{"ab"}},
		{"nothing is expanded", `$HOME *.obj ~ # $(rm) ;`, []string{"$HOME", "*.obj", "~", "#", "$(rm)", ";"}},
		{"beyond ASCII", `"ä ö" ü`, []string{"ä ö", "ü"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := argv.Split(tt.item)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestSplitNamesTheOpenQuote(t *testing.T) {
	_, err := argv.Split(`é "b c`)
	require.EqualError(t, err, `"é \"b c": the " at character 3 is not closed: close it, or put a backslash before it`)
	_, err = argv.Split(`it's`)
	require.ErrorContains(t, err, "the ' at character 3")
	_, err = argv.Split(`C:\`)
	require.ErrorContains(t, err, "ends in a backslash")
}

func TestArgsSplitsEachItemAndPrintsTheRest(t *testing.T) {
	got, err := argv.Args([]any{"-w 1024", "--camera-angles", "front", 50, 1.5, true, nil, []any{"a b", 2}})
	require.NoError(t, err)
	require.Equal(t, []string{"-w", "1024", "--camera-angles", "front", "50", "1.5", "true", "a", "b", "2"}, got)

	_, err = argv.Args([]any{"ok", "'open"})
	require.ErrorContains(t, err, "args[1]: ")
	_, err = argv.Args([]any{map[string]any{"a": 1}})
	require.ErrorContains(t, err, "args[0]: a map is no argument")
}

func TestSafeKeepsAPathFromBeingAnOption(t *testing.T) {
	require.Equal(t, "./-rf", argv.Safe("-rf"))
	require.Equal(t, "a-b", argv.Safe("a-b"))
	require.Equal(t, "/-x", argv.Safe("/-x"))
	require.Equal(t, "", argv.Safe(""))
}
