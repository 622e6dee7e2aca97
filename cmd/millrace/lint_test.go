package main_test

import (
	"strings"
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
