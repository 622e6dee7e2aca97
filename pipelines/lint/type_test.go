package lint_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/lint"
	"github.com/millrace/millrace/pipelines/render"
)

func TestLintFindsConditionsThatNothingCanMeet(t *testing.T) {
	const state = "state: {flag: false, text: 'true', n: 3, size: '12', rest: '{{ n }}', deep: {on: [true]}}\n"
	for _, tt := range []struct{ name, when, want string }{
		{"true or false and text", `flag == "true"`, `flag == "true" is always false: flag is true or false (the state says so); write flag == true, without quotes`},
		{"text and true", `text == true`, `text == true is always false: text is text (the state says so); write text == "true", with quotes`},
		{"text that reads as true, unequal", `text != true`, `text != true is always true: text is text (the state says so); write text != "true", with quotes`},
		{"a number and text that is none", `n == "three"`, `n == "three" is always false: n is a number (the state says so); compare it with a number`},
		{"types that differ, strictly", `size === 12`, `size === 12 is always false: size is text (the state says so); write size === "12", with quotes`},
		{"deep in the state", `deep.on[0] == "yes"`, `deep.on.0 == "yes" is always false: deep.on.0 is true or false (the state says so); compare it with true or false, or write deep.on.0 alone`},
		{"the state by its name", `state.flag == "x"`, `state.flag == "x" is always false: state.flag is true or false (the state says so); compare it with true or false, or write state.flag alone`},
		{"an output", `out.stdout == true`, `out.stdout == true is always false: out.stdout is text (that is what Shell makes); write out.stdout == "true", with quotes`},
		{"text alone", `'flag'`, `when is the text "flag", which always counts as true; write an expression, without quotes round it`},
		{"a number and its text", `n == "3" and size == 12`, ""},
		{"true and one", `flag == 1 or flag == "1" or flag == ""`, ""},
		{"a template, which may be anything", `rest == true`, ""},
		{"what a method returns", `n.toFixed(2)[0] == "x" and n.toFixed(2) === "3"`, ""},
		{"text and text", `text == "x" and out.stdout == "x"`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want []string
			got := lintOf(t, state+"tasks:\n  - {module: Shell, register: out, props: {command: ls}}\n  - module: StdOut\n    when: >-\n      "+tt.when+"\n")
			if tt.want != "" {
				want = []string{`p.yaml:5:5: warning: task #1: ` + tt.want}
			}
			require.Equal(t, want, got)
		})
	}
}

func TestLintFollowsOutputsToAnyDepth(t *testing.T) {
	for _, tt := range []struct{ name, expr, want string }{
		{"a list's entry", "a.stdoutLines[0].length", ""},
		{"what any module may hold", "b.anything.at.all", ""},
		{"a field of text", "a.stdout.lines", `a.stdout.lines: Shell makes a.stdout text, which has no "lines"`},
		{"a field of a list's entry", "a.stdoutLines[0].size", `a.stdoutLines.0.size: Shell makes a.stdoutLines.0 text, which has no "size"`},
		{"a field of a list", "a.stdoutLines.first", `a.stdoutLines.first: Shell makes a.stdoutLines a list, which has no "first"`},
		{"a field of a map", "c.stats.maxcpuu", `c.stats.maxcpuu: Tool has no "maxcpuu" in c.stats, did you mean "maxcpu"?`},
		{"a field of a number", "c.stats.maxcpu.percent", `c.stats.maxcpu.percent: Tool makes c.stats.maxcpu a number, which has no "percent"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := []string{`p.yaml:3:6: warning: task #1: module "Kafka" comes with a later version: here it fails`}
			if tt.want != "" {
				want = append(want, `p.yaml:5:39: task #3: `+tt.want)
			}
			require.Equal(t, want, lintOf(t, `tasks:
  - {module: Shell, register: a, props: {command: ls}}
  - {module: Kafka, register: b}
  - {module: Tool, register: c}
  - {module: StdOut, props: {msg: "{{ `+tt.expr+` }}"}}
`))
		})
	}
}

func TestLintFindsEveryMistakeOfATemplate(t *testing.T) {
	require.Equal(t, []string{
		"p.yaml:5:20: task #0: the template doesn't parse: the filter name is missing before }}",
		"p.yaml:6:20: task #0: the template doesn't parse: the filter name is missing before }}",
	}, lintOf(t, "tasks:\n  - module: StdOut\n    props:\n      msg: |-\n        one {{ a | }}\n        two {{ b | }}\n"))
}

func TestLintNotesWhatIsGoodToKnow(t *testing.T) {
	requireLint(t, []lintRow{
		{
			"a negative index", "state: {file: a.b}\ntasks:\n  - {module: StdOut, props: {msg: \"{{ file.split('.')[-1] }}\"}}\n",
			[]string{`p.yaml:3:54: note: task #0: a negative index counts from the end here; in Nunjucks itself it is undefined`},
		},
		{
			"a negative index where the document is strict", "state: {list: [1]}\nsettings: {strict: true}\ntasks:\n  - {module: StdOut, props: {msg: \"{{ list[-1] }}\"}}\n",
			[]string{`p.yaml:4:43: warning: task #0: a negative index is undefined here, because settings say strict; use last, or the length less one`},
		},
		{
			"older spellings", "tasks:\n  - {module: OldTool, props: {dst: x}}\n",
			[]string{
				`p.yaml:2:6: note: task #0: module "OldTool" is an older spelling of "Tool"`,
				`p.yaml:2:31: note: task #0: prop "dst" is an older spelling of "dest"`,
			},
		},
		{
			"a GPU", "tasks:\n  - {module: StdOut, gpu: true}\n  - {module: Tool, props: {config: {use_gpu: true}}}\n",
			[]string{`p.yaml:2:22: note: task #0: needs a GPU`, `p.yaml:3:37: note: task #1: needs a GPU`},
		},
		{
			"the workspace's name in a script", "tasks:\n  - {module: Sh, props: {args: [-c, cd /home/workspace && ls, /home/workspace/a]}}\n",
			[]string{`p.yaml:2:37: note: task #0: /home/workspace in this script is replaced by the job's own folder, but not in files that the script reads; relative paths work in both`},
		},
	})
}

func TestLintRefusesCADByName(t *testing.T) {
	const later = `p.yaml:2:6: warning: task #0: module "AssetConverter" comes with a later version: here it fails`
	requireLint(t, []lintRow{
		{
			"by the file", "tasks:\n  - {module: AssetConverter, props: {src: part.STEP, dest: a.glb}}\n",
			[]string{later, `p.yaml:2:38: task #0: "step" is a CAD format: ` + pipelines.NoCAD},
		},
		{
			"by the extension", "tasks:\n  - {module: AssetConverter, props: {src: '{{ job.id }}', extension: catpart}}\n",
			[]string{later, `p.yaml:2:59: task #0: "catpart" is a CAD format: ` + pipelines.NoCAD},
		},
		{"a mesh", "tasks:\n  - {module: AssetConverter, props: {src: a.fbx, dest: a.glb}}\n", []string{later}},
	})
}

func TestTheRoundsOfALoopHaveTheirProblemsOnce(t *testing.T) {
	pos := func(line, column int) pipelines.Pos { return pipelines.Pos{File: "p.yaml", Line: line, Column: column} }
	at := pos(3, 5)
	p := &pipelines.Pipeline{Source: "p.yaml", Positions: pipelines.Positions{}}
	for i, asset := range []string{"a", "b", "c"} {
		task := pipelines.Task{
			Name: "Look at " + asset, Module: "StdOut", Register: "seen", Pos: at, Vars: map[string]any{"asset": asset},
			When: "asset != wanted",
			Props: map[string]any{
				"msg": render.Scoped{Text: "{{ asset }} {{ asset.x }} {{ missing }}", Vars: map[string]any{"asset": asset}},
			},
			Positions: pipelines.Positions{
				"name": at, "when": pos(4, 5), "when:": pos(4, 11), "register": pos(5, 5), "props.msg": pos(6, 7), "props.msg:": pos(6, 13),
			},
		}
		if i > 0 {
			task.After = []int{i - 1}
		}
		p.Tasks = append(p.Tasks, task)
	}
	var got []string
	for _, problem := range lint.Pipeline(p, options(t)) {
		got = append(got, problem.String())
	}
	require.Equal(t, []string{
		`p.yaml:4:20: warning: task "Look at a": variable "wanted" is not defined here; unless the message brings it, it is empty`,
		`p.yaml:6:42: warning: task "Look at a": variable "missing" is not defined here; unless the message brings it, it is empty`,
	}, got)
}

func TestLintKnowsWhatCanBeAPlugin(t *testing.T) {
	require.Equal(t, []string{
		`p.yaml:1:18: warning: "Http" can't be a plugin and is left out: it needs props of yours; name it under callbacks`,
	}, lintOf(t, "plugins: [Debug, Http]\ntasks:\n  - {module: StdOut}\n"))
}

func TestLintFindsMethodsThatAValueDoesNotHave(t *testing.T) {
	const head = "params: {count: {type: integer}, tags: {type: list}}\n" +
		"state: {file: a.b, list: [1], more: {x: [a]}, any: '{{ count }}{{ tags }}'}\n"
	for _, tt := range []struct{ name, expr, want string }{
		{"of text", "file.spilt('.')", `task #1: file.spilt: file is text (the state says so), which has no method "spilt", did you mean "split"?`},
		{"of an output", "out.stdout.push(1)", `task #1: out.stdout.push: out.stdout is text (that is what Shell makes), which has no method "push"`},
		{"of a param", "count.trim()", `task #1: count.trim: count is a number (the param says so), which has no method "trim"`},
		{"of a list", "tags.joinn('-')", `task #1: tags.joinn: tags is a list (the param says so), which has no method "joinn", did you mean "join"?`},
		{"of a list in the state", "more.x.psh(1)", `task #1: more.x.psh: more.x is a list (the state says so), which has no method "psh", did you mean "push"?`},
		{
			"that a message could bring", "file.push(1)",
			`warning: task #1: file.push: file is text (the state says so), which has no method "push"; it fails unless the message brings another value`,
		},
		{"of no value at all", "any.toUperCase()", `task #1: any.toUperCase: no value has a method "toUperCase", did you mean "toUpperCase"?`},
		{"that there is", "file.split('.')[0].trim() ~ list.join('-') ~ count.toFixed(2) ~ more.hasOwnProperty('x') ~ out.stdoutLines.slice(1).length", ""},
		{"of what the template set", "'' }}{% set s = joiner('-') %}{% set c = cycler(1, 2) %}{{ c.next() }}{{ s()", ""},
		{"of what a method returns", "list.slice(1)[0].trim() ~ (more).x.push(1) ~ file.split('.').slice(1)[0].trim() ~ out.stdoutLines.slice(1)[0].split('.')", ""},
		{"of what may be anything", "any.trim() ~ any.push(1) ~ job.id.trim()", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var want []string
			if tt.want != "" {
				want = []string{"p.yaml:5:39: " + tt.want}
			}
			require.Equal(t, want, lintOf(t, head+`tasks:
  - {module: Shell, register: out, props: {command: ls}}
  - {module: StdOut, props: {msg: "{{ `+tt.expr+` }}"}}
`))
		})
	}
}
