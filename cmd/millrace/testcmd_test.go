package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const greet = "state: {name: World}\ntasks:\n  - {name: Greet, module: Shell, props: {command: echo, args: [\"{{ name }}\"]}}\n"

const greetTests = `tests:
  - name: greets
    expect:
      tasks: [{name: Greet, props: {args: [World]}}]
  - name: greets nobody
    expect:
      tasks: [{name: Greet, props: {args: [Nobody]}}]
`

func TestTestSaysWhatPassedAndWhereTheRestDiffers(t *testing.T) {
	p := newPlace(t)
	p.write("greet.yaml", greet)
	p.write("greet.test.yaml", greetTests)
	p.write("other.yaml", greet)
	r := p.millrace("test", ".")
	require.Equal(t, result{
		"ok    greet.test.yaml: greets\nFAIL  greet.test.yaml: greets nobody\n" +
			"      greet.test.yaml:7:44: expect.tasks[0].props.args[0]: want \"Nobody\", got \"World\"\n",
		"note: without tests: other.yaml\n2 tests: 1 passed, 1 failed\n", 1,
	}, r)

	r = p.millrace("test", "--run", "greets$", "-v", "greet.yaml")
	require.Equal(t, result{
		"ok    greet.test.yaml: greets\n      Greet (Shell) succeeded {\"args\":[\"World\"],\"command\":\"echo\"}\n",
		"1 test: 1 passed, 0 failed\n", 0,
	}, r)
}

func TestTestTellsProgramsTheSame(t *testing.T) {
	p := newPlace(t)
	p.write("greet.yaml", greet)
	p.write("greet.test.yaml", greetTests)
	r := p.millrace("test", "--json", "greet.test.yaml")
	require.Equal(t, 1, r.code)
	all := decoded[[]map[string]any](t, r.stdout)
	require.Len(t, all, 2)
	require.Equal(t, true, all[0]["passed"])
	require.Equal(t, false, all[1]["passed"])
	require.Equal(t, "expect.tasks[0].props.args[0]", all[1]["problems"].([]any)[0].(map[string]any)["path"])
}

func TestTestSaysWhatIsMissing(t *testing.T) {
	p := newPlace(t)
	for _, folder := range []string{"far", "wrong", "empty"} {
		require.NoError(t, os.Mkdir(filepath.Join(p.dir, folder), 0o700))
	}
	p.write("alone.yaml", greet)
	p.write("lost.test.yaml", greetTests)
	p.write("far/out.test.yaml", "pipeline: ../alone.yaml\n"+greetTests)
	p.write("wrong/greet.test.yaml", "test: []\n")
	p.write("empty/README", "")
	for _, tt := range []struct{ name, path, want string }{
		{"a pipeline without tests", "alone.yaml", "alone.yaml: there is no alone.test.yaml beside it"},
		{"tests without a pipeline", "lost.test.yaml", "lost.test.yaml: there is no lost.yaml beside it"},
		{"a pipeline elsewhere", "far", "leads out of the test file's folder"},
		{"a folder without tests", "empty", "empty: there are no tests here"},
		{"a file that is wrong", "wrong", `wrong/greet.test.yaml:1:1: the file has no key "test", did you mean "tests"?`},
		{"no such file", "nowhere", "nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := p.millrace("test", tt.path)
			require.Equal(t, 1, r.code)
			require.Contains(t, r.stderr, tt.want)
			require.NotContains(t, strings.ToLower(r.stderr), "goroutine")
		})
	}
	require.Equal(t, 2, p.millrace("test").code)
	require.Equal(t, 2, p.millrace("test", "--run", "(", ".").code)
}

func TestTestSaysWhichFolderIsNotThere(t *testing.T) {
	p := newPlace(t)
	require.Equal(t, result{"", "millrace: there is no file or folder nodir\n", 1}, p.millrace("test", "nodir"))
}
