package lint_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A row is a document and what lint says of it.
type lintRow struct {
	name, src string
	want      []string
}

func requireLint(t *testing.T, rows []lintRow) {
	t.Helper()
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, lintOf(t, tt.src)) })
	}
}

func TestLintKnowsWhatRunsAtTheSameTime(t *testing.T) {
	requireLint(t, []lintRow{
		{
			"a variable of a task that is not waited for", `tasks:
  - {id: list, module: Shell, register: listing, props: {command: ls}}
  - {module: StdOut, after: [], props: {msg: "{{ listing.stdout }}"}}
`,
			[]string{`p.yaml:3:50: warning: task #1: variable "listing" is registered by task "list", which may run at the same time; add after: list`},
		},
		{
			"a variable of a task that is waited for through another", `tasks:
  - {id: list, module: Shell, register: listing, props: {command: ls}}
  - {id: free, module: StdOut, after: []}
  - {id: next, module: StdOut, after: [list, free]}
  - {module: StdOut, after: next, props: {msg: "{{ listing.stdout }}"}}
`, nil,
		},
		{
			"a task that stands later and ends before", `tasks:
  - {module: StdOut, after: list, props: {msg: "{{ listing.stdout }}"}}
  - {id: list, module: Shell, after: [], register: listing, props: {command: ls}}
`, nil,
		},
		{
			"one name for two outputs", `tasks:
  - {name: a, module: StdOut, register: out}
  - {name: b, module: StdOut, after: [], register: out}
`,
			[]string{`p.yaml:3:42: warning: task "b": task "a" may run at the same time and sets "out" too; rename one, or add after: a`},
		},
		{
			"two tasks that write one file", `tasks:
  - {module: Render, props: {src: a, dest: x.png}}
  - {module: Render, after: [], props: {src: b, dest: x.png}}
`,
			[]string{`p.yaml:3:49: warning: task #1: task #0 may run at the same time and writes "x.png" too; rename one, or give that one an id, and add it under after`},
		},
		{
			"two tasks that write one file in turn", "tasks:\n  - {module: Render, props: {src: a, dest: x.png}}\n  - {module: Render, props: {src: b, dest: x.png}}\n", nil,
		},
	})
}

func TestLintKnowsParamsAndEntries(t *testing.T) {
	requireLint(t, []lintRow{
		{
			"a param that is used nowhere", "params: {size: {type: integer}, other: {}}\ntasks:\n  - {module: StdOut, props: {msg: \"{{ size }}\"}}\n",
			[]string{`p.yaml:1:33: warning: param "other" is used nowhere; remove it, or use it as {{ other }}`},
		},
		{
			"the whole state is read", "params: {size: {type: integer}}\ntasks:\n  - {module: StdOut, props: {msg: \"{{ state | dump }}\"}}\n", nil,
		},
		{
			"a param over a built-in", "params: {env: {type: string}}\ntasks:\n  - {module: StdOut, props: {msg: \"{{ env.X }}\"}}\n",
			[]string{`p.yaml:1:10: warning: param "env" hides what templates call "env"; rename it`},
		},
		{
			"a mistake in an entry", "state: {a: 1}\nentries:\n  one: {tasks: [{module: StdOut, props: {msg: \"{{ a }}\"}}]}\n  two:\n    params: {b: {}}\n    tasks: [{module: StdOut, props: {msg: \"{{ b }}{{ c }}\"}}]\n",
			[]string{`p.yaml:6:54: warning: task #0: variable "c" is not defined here; unless the message brings it, it is empty`},
		},
		{
			"a param of the wrong type for what it is compared with", "params: {flag: {type: boolean}}\ntasks:\n  - {module: StdOut, when: flag == \"true\"}\n",
			[]string{`p.yaml:3:33: warning: task #0: flag == "true" is always false: flag is true or false (the param says so); write flag == true, without quotes`},
		},
	})
}
