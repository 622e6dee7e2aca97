package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const fourMistakes = `name: mistakes
tasks:
  - name: greet
    module: Shel
    props:
      command: echo
  - name: draw
    module: Shell
    props:
      comand: ls
      command: ls
    register: listing
  - name: sum up
    module: StdOut
    when: listing ==
    props:
      msg: "{{ listing.stdoutLinez }}"
`

func TestLintPrintsFourMistakesWithLineAndColumn(t *testing.T) {
	p := newPlace(t)
	p.write("mistakes.yaml", fourMistakes)
	r := p.millrace("lint", "mistakes.yaml")
	require.Equal(t, 1, r.code)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	require.Len(t, lines, 4, r.stdout)
	for i, start := range []string{"mistakes.yaml:4:", "mistakes.yaml:10:7: ", "mistakes.yaml:15:", "mistakes.yaml:17:"} {
		require.True(t, strings.HasPrefix(lines[i], start), "%s should begin with %s", lines[i], start)
	}
	require.Equal(t, "1 file: 4 errors, 0 warnings\n", r.stderr)
}

func TestLintTellsProgramsTheSame(t *testing.T) {
	p := newPlace(t)
	r := p.millraceReading(fourMistakes, "lint", "--json", "-")
	require.Equal(t, 1, r.code)
	found := decoded[[]map[string]any](t, r.stdout)
	require.Len(t, found, 4)
	require.Equal(t, "stdin", found[0]["file"])
	require.EqualValues(t, 4, found[0]["line"])
	require.Equal(t, "error", found[0]["severity"])
}

func TestLintOfACleanFileSaysSo(t *testing.T) {
	p := newPlace(t)
	p.write("clean.yaml", "name: clean\ntasks:\n  - module: StdOut\n    props: {msg: hello}\n")
	r := p.millrace("lint", "clean.yaml")
	require.Equal(t, result{"", "1 file: 0 errors, 0 warnings\n", 0}, r)
}

func TestLintGoesOnAfterAFileThatIsNotThere(t *testing.T) {
	p := newPlace(t)
	p.write("broken.yaml", "tasks: [")
	r := p.millrace("lint", "nowhere.yaml", "broken.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "broken.yaml:")
	require.Contains(t, r.stderr, "nowhere.yaml")
}

func TestLintReadsTheDocumentsOfAFolder(t *testing.T) {
	p := newPlace(t)
	require.NoError(t, os.MkdirAll(filepath.Join(p.dir, "all", "below"), 0o755))
	p.write("all/good.yaml", "tasks: [{module: StdOut, props: {msg: hello}}]\n")
	p.write("all/bad.json", `{"tasks": [{"module": "Shel"}]}`)
	p.write("all/bad.test.yaml", "tests: []\n")
	p.write("all/pipeline.schema.json", "{}")
	p.write("all/below/bad.yaml", "- a\n")
	r := p.millrace("lint", "all")
	require.Equal(t, 1, r.code)
	require.Equal(t, 1, strings.Count(r.stdout, "\n"), r.stdout)
	require.True(t, strings.HasPrefix(r.stdout, "all/bad.json:1:13: "), r.stdout)
	require.Equal(t, "2 files: 1 error, 0 warnings\n", r.stderr)

	r = p.millrace("lint", "all/below/..", "all/below", "--json")
	require.Len(t, decoded[[]map[string]any](t, r.stdout), 2)

	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "none"), 0o755))
	require.Contains(t, p.millrace("lint", "none").stderr, "there is no pipeline in none")
}

func TestLintFailsOnWhatItIsToldTo(t *testing.T) {
	p := newPlace(t)
	p.write("later.yaml", "tasks: [{module: VntanaMetrics, props: {a: 1}}]\n")
	p.write("noted.yaml", "state: {file: a.b}\ntasks: [{module: StdOut, props: {msg: \"{{ file.split('.')[-1] }}\"}}]\n")
	require.Equal(t, 0, p.millrace("lint", "later.yaml").code)
	require.Equal(t, 1, p.millrace("lint", "--fail-on", "warning", "later.yaml").code)
	r := p.millrace("lint", "--fail-on=warning", "noted.yaml")
	require.Equal(t, 0, r.code, "a note changes nothing")
	require.Contains(t, r.stdout, ": note: ")
	require.Equal(t, "1 file: 0 errors, 0 warnings, 1 note\n", r.stderr)
	require.Equal(t, 2, p.millrace("lint", "--fail-on=note", "noted.yaml").code)
}

func TestARunTellsWhatIsWrongWithItsDocumentAsLintDoes(t *testing.T) {
	p := newPlace(t)
	p.write("shape.yaml", "tasks:\n  - module: StdOut\n    retri: 3\n  - name: x\n")
	r := p.millrace("run", "shape.yaml")
	require.Equal(t, 1, r.code)
	require.Equal(t, "shape.yaml:3:5: a task has no key \"retri\", did you mean \"retry\"?\n"+
		"shape.yaml:4:5: the task names no module; add module: and one of those that `millrace modules` lists\n", r.stderr)

	p.write("template.yaml", "tasks:\n  - name: say\n    module: StdOut\n    props:\n      msg: |\n        hello\n        {{ 1 | upcase }}\n")
	r = p.millrace("run", "template.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, `template.yaml:7:16: task "say": prop "msg": `)
}

func TestLintListsWhatItCanNotRead(t *testing.T) {
	p := newPlace(t)
	p.write("ok.yaml", "tasks: [{module: StdOut, props: {msg: hello}}]\n")
	r := p.millrace("lint", "--json", "ok.yaml", "none.yaml")
	require.Equal(t, 1, r.code)
	require.Equal(t, "2 files: 1 error, 0 warnings\n", r.stderr)
	found := decoded[[]map[string]any](t, r.stdout)
	require.Equal(t, []map[string]any{{"file": "none.yaml", "severity": "error", "message": "there is no file none.yaml"}}, found)
}

func TestLintReadsNoMoreThanADocumentMayHave(t *testing.T) {
	p := newPlace(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(p.dir, "pipe.yaml"), 0o600))
	require.NoError(t, os.Symlink("/dev/zero", filepath.Join(p.dir, "zero.yaml")))
	r := p.millrace("lint", ".")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout+r.stderr, "zero.yaml")
	require.Equal(t, 1, p.millrace("test", ".").code)
}

func TestLintNoticesATokenInAURL(t *testing.T) {
	p := newPlace(t)
	p.write("url.yaml", "state: {a: \"https://u:pw-1234@x.org\"}\ntasks:\n  - {module: Http, props: {url: \"https://x.org/?token=abc123\"}}\n  - {module: Http, props: {url: \"{{ a }}/?token={{ env.T }}\"}}\n")
	out := p.succeeds("lint", "url.yaml")
	require.Contains(t, out, "url.yaml:3:")
	require.Contains(t, out, "url.yaml:1:")
	require.Equal(t, 2, strings.Count(out, "the URL has a password"), out)
}
