package lint_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/lint"
)

// fake makes a module that is nothing but its props and outputs.
func fake[P, O any](name string, aliases ...string) modules.Module {
	return modules.Define(modules.Spec{Name: name, Aliases: aliases, Summary: "Is not run."}, func(context.Context, *modules.Call, P) (O, error) {
		return *new(O), nil
	})
}

type shellProps struct {
	Command string   `json:"command" doc:"Program."`
	Args    []string `json:"args,omitzero" doc:"Arguments."`
}

type shellOutput struct {
	Stdout      string   `json:"stdout" doc:"Text."`
	StdoutLines []string `json:"stdoutLines" doc:"Lines."`
}

type printProps struct {
	Msg string `json:"msg,omitzero" doc:"Text."`
}

type printOutput struct {
	Lines []string `json:"lines" doc:"Lines."`
}

type renderProps struct {
	Src   string `json:"src" doc:"Model."`
	Width int    `json:"width,omitzero" doc:"Pixels."`
	Dest  string `json:"dest,omitzero" doc:"Picture."`
	Pin   string `json:"pin,omitzero" secret:"true" doc:"Opens the model."`
}

type toolProps struct {
	Dest   string     `json:"dest,omitzero" aliases:"dst" doc:"File."`
	Config toolConfig `json:"config,omitzero" doc:"Options."`
}

type toolConfig struct {
	UseGPU bool `json:"use_gpu,omitzero" doc:"On a GPU."`
}

type toolOutput struct {
	Stats modules.Stats `json:"stats" doc:"Figures."`
}

// sh is a module that runs what its props say.
func sh() modules.Module {
	return modules.Define(modules.Spec{Name: "Sh", Shell: true}, func(context.Context, *modules.Call, shArgs) (struct{}, error) {
		return struct{}{}, nil
	})
}

// plugin is the callback module that can be one.
func plugin() modules.Module {
	spec := modules.Spec{Name: "Debug", Plugin: map[string]any{"msg": "{{ event }}"}}
	return modules.Define(spec, func(context.Context, *modules.Call, printProps) (printOutput, error) { return printOutput{}, nil })
}

type shArgs struct {
	Args []string `json:"args" doc:"Arguments."`
}

type nowProps struct {
	Key string `json:"key" doc:"State key."`
}

type httpProps struct {
	URL     string            `json:"url" doc:"Where."`
	Headers map[string]string `json:"headers,omitzero" doc:"Headers."`
}

func options(t *testing.T) lint.Options {
	t.Helper()
	tasks, err := modules.NewRegistry(
		fake[shellProps, shellOutput]("Shell"), fake[printProps, printOutput]("StdOut"),
		fake[renderProps, struct{}]("Render"), fake[nowProps, struct{}]("Now"),
		fake[toolProps, toolOutput]("Tool", "OldTool"), sh())
	require.NoError(t, err)
	callbacks, err := modules.NewRegistry(
		fake[httpProps, struct{}]("Http"), fake[nowProps, struct{}]("Now"), plugin())
	require.NoError(t, err)
	return lint.Options{tasks, callbacks, func(name string) bool { return slices.Contains([]string{"S3", "Kafka", "AssetConverter"}, name) }}
}

func lintOf(t *testing.T, src string) []string {
	t.Helper()
	p, err := pipelines.Parse("p.yaml", []byte(src))
	require.NoError(t, err)
	var out []string
	for _, problem := range lint.Pipeline(p, options(t)) {
		out = append(out, problem.String())
	}
	return out
}

func TestLintPrintsFourDifferentMistakesWithLineAndColumn(t *testing.T) {
	require.Equal(t, []string{
		`p.yaml:6:7: task "render": prop "widht" is unknown, did you mean "width"?`,
		`p.yaml:8:5: task "print": module "Shel" is unknown, did you mean "Shell"?`,
		`p.yaml:12:18: task "list": when doesn't parse: the expression ends where a value is missing`,
		`p.yaml:19:16: task #3: listing.stdoutLinez: Shell has no output "stdoutLinez", did you mean "stdoutLines"?`,
	}, lintOf(t, `tasks:
  - name: render
    module: Render
    props:
      src: a.obj
      widht: 640
  - name: print
    module: Shel
    props: {command: echo}
  - name: list
    module: Shell
    when: count >
    register: listing
    props:
      command: ls
      args: ["-l", "{{ path | default('.') }}"]
  - module: StdOut
    props:
      msg: "{{ listing.stdoutLinez }}"
`))
}

func TestACleanPipelineHasNoProblems(t *testing.T) {
	require.Empty(t, lintOf(t, `name: Clean
state: {user: World, list: [a, b]}
callbacks:
  onStart:
    - {module: Now, props: {key: __start__}}
  onEnd:
    - module: Http
      props:
        url: "https://example.com/{{ job.id }}"
        headers: {Authorization: "Bearer {{ env.API_TOKEN }}"}
    - {module: Debug, props: {msg: "{{ name }} {{ execution_time }} {{ current_task }} {{ late.stdout }} {{ __start__ }}"}}
tasks:
  - module: Shell
    register: listing
    when: state.user != "nobody" and list.length > 1
    props:
      command: ls
      args: ["{% for x in list %}{{ x }}{{ loop.index }}{% endfor %}", "{{ now() }}", "{{ range(3) | join }}"]
    callbacks:
      onStdout: [{module: Debug, props: {msg: "{{ line }}"}}]
  - module: Render
    props: {src: "{{ listing.stdoutLines[0] }}", width: "{{ listing.stdout.length }}"}
  - module: Shell
    register: late
    props: {command: echo}
`))
}

func TestLintWarnsOfWhatMayBeMeant(t *testing.T) {
	for _, tt := range []struct {
		name, src string
		want      []string
	}{
		{
			"a module of a later version", "tasks:\n  - module: S3\n    props: {any: thing}\n",
			[]string{`p.yaml:2:5: warning: task #0: module "S3" comes with a later version: here it fails`},
		},
		{
			"a variable that only a message can bring", "state: {colour: red}\ntasks:\n  - module: StdOut\n    props:\n      msg: in {{ color }} and {{ other.deep }}\n",
			[]string{
				`p.yaml:5:18: warning: task #0: variable "color" is not defined here, did you mean "colour"? Unless the message brings it, it is empty`,
				`p.yaml:5:34: warning: task #0: variable "other" is not defined here; unless the message brings it, it is empty`,
			},
		},
		{
			"a variable registered too late", "tasks:\n  - module: StdOut\n    when: listing.stdout\n  - module: Shell\n    register: listing\n    props: {command: ls}\n",
			[]string{`p.yaml:3:11: warning: task #0: variable "listing" is registered only on line 5, after this has run; it is empty here`},
		},
		{
			"a name registered twice", "tasks:\n  - {module: StdOut, register: out}\n  - {module: StdOut, register: out}\n",
			[]string{`p.yaml:3:22: warning: task #1: register "out" replaces a value of that name; what comes later sees this one`},
		},
		{
			"a register over the state", "state: {out: 1}\ntasks:\n  - {module: StdOut, register: out}\n",
			[]string{`p.yaml:3:22: warning: task #0: register "out" replaces a value of that name; what comes later sees this one`},
		},
		{
			"a state key over a built-in", "state: {env: prod}\ntasks:\n  - {module: StdOut}\n",
			[]string{`p.yaml:1:9: warning: state key "env" hides what templates call "env"; rename it`},
		},
		{
			"two tasks of one name", "tasks:\n  - {name: a, module: StdOut}\n  - {name: a, module: StdOut}\n",
			[]string{`p.yaml:3:6: warning: task "a": line 2 has a task of the same name; logs can't tell them apart`},
		},
		{
			"secrets in plain text", "state: {api_token: abcdef}\ntasks:\n  - {module: Render, props: {src: a, pin: 1234x}}\n",
			[]string{
				`p.yaml:1:9: warning: "api_token" looks like a secret in plain text; take it from the environment: "{{ env.API_TOKEN }}"`,
				`p.yaml:3:38: warning: task #0: "pin" looks like a secret in plain text; take it from the environment: "{{ env.PIN }}"`,
			},
		},
		{
			"a timeout that SQS does not bear", "settings: {timeout: 13h}\ntasks:\n  - {module: StdOut, timeout: 12h}\n  - {module: StdOut, timeout: 12h1s}\n",
			[]string{
				`p.yaml:1:12: warning: settings: the timeout is beyond 12 h: SQS lets no message be held longer, and a worker stops the job before; shorten it, or split the pipeline`,
				`p.yaml:4:22: warning: task #1: the timeout is beyond 12 h: SQS lets no message be held longer, and a worker stops the job before; shorten it, or split the pipeline`,
			},
		},
		{
			"no tasks", "tasks: []\n",
			[]string{"p.yaml:1:1: warning: the pipeline has no tasks and does nothing; add some under tasks"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, lintOf(t, tt.src))
		})
	}
}

func TestLintFindsErrors(t *testing.T) {
	for _, tt := range []struct {
		name, src string
		want      []string
	}{
		{
			"a plugin nobody knows", "plugins: [Debug, Debgu, Kafka]\ntasks:\n  - {module: StdOut}\n",
			[]string{
				`p.yaml:1:18: warning: plugin "Debgu" is unknown and is left out, did you mean "Debug"?`,
				`p.yaml:1:25: warning: plugin "Kafka" comes with a later version: here it is left out`,
			},
		},
		{
			"state keys in a circle", "state:\n  a: \"{{ b }}\"\n  b: \"{{ c.x[0] }}\"\n  c: {x: [\"{{ a }}\", \"{{ a }}\"], y: \"{{ c.x.length }}\"}\n  d: \"{{ d }}\"\ntasks:\n  - {module: StdOut}\n",
			[]string{
				"p.yaml:2:3: state keys refer to each other in a circle: a → b → c.x[0] → a; give one of them a value",
				"p.yaml:5:3: state keys refer to each other in a circle: d → d; give one of them a value",
			},
		},
		{
			"filters, tests and functions that there are not", "tasks:\n  - module: StdOut\n    when: x is odd and 1 is strange\n    props: {msg: \"{{ 'a' | nofilter }} {{ nofun(3) }} {{ now() }} {{ 'a' | upper }}\"}\n",
			[]string{
				`p.yaml:3:11: warning: task #0: variable "x" is not defined here; unless the message brings it, it is empty`,
				`p.yaml:3:26: task #0: the template's test "strange" is unknown`,
				`p.yaml:4:28: task #0: the template's filter "nofilter" is unknown`,
				`p.yaml:4:43: task #0: "nofun" is no function; there are now, range, cycler and joiner`,
			},
		},
		{
			"paths that lead out", "tasks:\n  - {module: Render, props: {src: ../a.obj}}\n  - {module: Render, props: {src: x/../../a}}\n  - {module: Render, props: {src: /etc/a}}\n" +
				"  - {module: Render, props: {src: /home/workspace/a}}\n  - {module: Render, props: {src: a..b/..c}}\n  - {module: Render, props: {src: \"../{{ name }}\"}}\n",
			[]string{
				`p.yaml:2:30: task #0: prop "src" leads out of the workspace; use a path inside it`,
				`p.yaml:3:30: task #1: prop "src" leads out of the workspace; use a path inside it`,
				`p.yaml:4:30: warning: task #2: prop "src" is outside the workspace: a worker refuses it; use a relative path`,
			},
		},
		{
			"a callback's props and templates", "callbacks:\n  onStart:\n    - module: Http\n      props: {uri: x}\n    - module: Htp\n    - module: Debug\n      props:\n        msg: \"{{ oops\"\ntasks:\n  - {module: StdOut}\n",
			[]string{
				`p.yaml:4:7: callback onStart: prop "url" is missing`,
				`p.yaml:4:15: callback onStart: prop "uri" is unknown, did you mean "url"?`,
				`p.yaml:5:7: callback onStart: module "Htp" is unknown, did you mean "Http"?`,
				`p.yaml:8:22: callback onStart: the template doesn't parse: {{ is never closed; end it with }}`,
			},
		},
		{
			"a template in a literal block", "tasks:\n  - module: StdOut\n    props:\n      msg: |\n        first\n        then {% if %}\n",
			[]string{`p.yaml:6:20: task #0: the template doesn't parse: a value is missing before %}`},
		},
		{
			"a template in a folded block stands at its key", "tasks:\n  - module: StdOut\n    props:\n      msg: >\n        first\n        then {% if %}\n",
			[]string{`p.yaml:4:7: task #0: the template doesn't parse: a value is missing before %}`},
		},
		{
			"an output of either of two modules", "tasks:\n  - {module: StdOut, register: out}\n  - {module: Shell, register: out, props: {command: ls}}\n  - {module: StdOut, props: {msg: \"{{ out.lines }} {{ out.nothing }}\"}}\n",
			[]string{
				`p.yaml:3:21: warning: task #1: register "out" replaces a value of that name; what comes later sees this one`,
				`p.yaml:4:55: task #2: out.nothing: StdOut or Shell has no output "nothing"; it has lines, stdout, stdoutLines`,
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, lintOf(t, tt.src))
		})
	}
}

func TestLintWithoutRegistriesStillChecksTemplates(t *testing.T) {
	p, err := pipelines.Parse("p.yaml", []byte("tasks:\n  - {module: Anything, props: {a: \"{{ b | }}\"}}\n"))
	require.NoError(t, err)
	require.Len(t, lint.Pipeline(p, lint.Options{}), 1)
}
