package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/launch"
)

func TestWhatMessagesSayCanDoNothingToATerminal(t *testing.T) {
	require.Equal(t, "[31mred two lines", plain("\x1b[31mred\ntwo\x07 lines\r"))
	require.Equal(t, "abc", plain("a\u202eb\u2066c"), "text that would be shown backwards")
	require.Equal(t, "größer ✓", plain("größer ✓"))
}

func TestATableKeepsItsColumnsWhateverIsInIt(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, table(&b, []string{"ID", "NAME"}, [][]string{{"1", "a\tb"}, {"22", ""}}))
	require.Equal(t, "ID  NAME\n1   a b\n22  –\n", b.String())
}

func TestJobsAreNamedForTheirPipelines(t *testing.T) {
	for name, want := range map[string]string{"Hello World": "hello-world", "hello_world": "hello-world", "  A  (b)  ": "a-b", "": ""} {
		require.Equal(t, want, kebab(name))
	}
}

func TestTheCaretStandsBelowItsPlace(t *testing.T) {
	for _, tt := range []struct {
		name, source string
		column       int
		want         string
	}{
		{"in a short line", "  module: Shel", 11, "Shel"},
		{"after letters of more than a byte", "  größe: {x}", 10, "{x}"},
		{"far to the right", strings.Repeat("x", 200) + "HERE", 201, "HERE"},
		{"past the end", "tasks:", 99, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			s := &screen{Writer: &b, terminal: true}
			require.NoError(t, printFindings(s, []finding{{"f.yaml", 1, tt.column, pipelines.SeverityError, "wrong", tt.source}}))
			lines := strings.Split(b.String(), "\n")
			require.Len(t, lines, 4)
			at := len([]rune(lines[2])) - 1
			require.Equal(t, tt.want, string([]rune(lines[1])[at:]))
			require.LessOrEqual(t, len([]rune(lines[1])), 80)
		})
	}
}

func TestTimelineBarsShareOneScale(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	var b bytes.Buffer
	timeline(&screen{Writer: &b}, []engine.TaskRun{
		{Name: "first", Module: "Now", Status: engine.Succeeded, Started: at(0), Ended: at(1)},
		{Index: 4, Module: "Shell", Status: engine.Skipped},
		{Name: "long\x1b[2J", Module: "STL2OBJ", Status: engine.Failed, Soft: true, Started: at(1), Ended: at(100)},
	})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 3)
	require.Contains(t, lines[0], "█·················     1 ms")
	require.Contains(t, lines[1], "#4", "its place in the document")
	require.Contains(t, lines[1], "skipped")
	require.Contains(t, lines[2], "██████████████████    99 ms")
	require.NotContains(t, b.String(), "\x1b")
	for _, line := range lines {
		require.LessOrEqual(t, len([]rune(line)), 80)
	}
}

func TestATerminalShowsWhereARunFailed(t *testing.T) {
	const doc = "tasks:\n  - module: StdOut\n    props: {msg: \"{{ 1 | upcase }}\"}\n"
	var b, told bytes.Buffer
	req := &launch.Request{Job: new(job.Job), Source: "p.yaml", Document: []byte(doc)}
	run := newRun("p", "", engine.Failed)
	run.Failure = &engine.Failure{Message: "p.yaml:3:26: no such filter", Place: "p.yaml:3:26"}
	run.Tasks = make([]engine.TaskRun, 1)
	require.NoError(t, tellEnd(t.Context(), &progress{err: &told}, &screen{Writer: &b, terminal: true}, req, run))
	require.Equal(t, "        props: {msg: \"{{ 1 | upcase }}\"}\n"+strings.Repeat(" ", 29)+"^\n", b.String())
}
