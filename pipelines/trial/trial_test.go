package trial_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/standard"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/trial"
)

func runner(t testing.TB) *trial.Runner {
	t.Helper()
	tasks, err := modules.NewRegistry(standard.Modules()...)
	require.NoError(t, err)
	calls, err := modules.NewRegistry(callbacks.Modules()...)
	require.NoError(t, err)
	planned := func(name string) bool { return standard.Planned(name) || callbacks.Planned(name) }
	return trial.New(trial.Config{Modules: tasks, Callbacks: calls, Planned: planned})
}

// results runs the one test of body on a pipeline.
func results(t *testing.T, pipeline, body string) trial.Result {
	t.Helper()
	src := "tests:\n  - name: it\n    " + strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n    ") + "\n"
	f, err := trial.Parse("p.test.yaml", []byte(src))
	require.NoError(t, err, src)
	return runner(t).Run(t.Context(), &f.Tests[0], "p.yaml", []byte(pipeline))
}

// messages are a result's problems as `line:column: path: message`.
func messages(r trial.Result) []string {
	var out []string
	for _, p := range r.Problems {
		out = append(out, fmt.Sprintf("%d:%d: %s: %s", p.Line, p.Column, p.Path, p.Message))
	}
	return out
}

const listing = `
name: listing
state: {folder: work}
tasks:
  - name: List
    module: Shell
    register: found
    props: {command: ls, args: ["{{ folder }}"]}
  - name: Show
    module: StdOut
    when: found
    throw: false
    retry: 2
    retry_sleep: 1h
    props: {msg: "{{ found.stdoutLines | join(', ') }} at {{ now() }}"}
    callbacks:
      onError: [{module: Http, props: {url: "https://example.com", data: {why: "{{ error_message }}"}}}]
callbacks:
  onSuccess: [{module: Http, props: {url: "https://example.com", headers: {Authorization: "Bearer {{ env.TOKEN }}"}}}]
`

func TestARunIsJudgedByTasksPropsCallbacksAndResult(t *testing.T) {
	r := results(t, listing, `
given:
  state: {folder: other}
  env: {TOKEN: abc}
  outputs:
    List: {stdoutLines: [a, b]}
    "#1": [{error: busy, kind: transient}, {error: busy}, {error: gone}]
expect:
  status: succeeded
  tasks:
    - {name: List, module: Shell, status: succeeded, tries: 1, props: {command: ls, args: [other]}}
    - {name: Show, status: failed, tries: 3, failure: gone, props: {msg: "a, b at 2026-01-31T12:00:00.000Z"}}
  callbacks:
    - {on: onError, module: Http, task: Show, props: {data: {why: gone}}}
    - {on: onSuccess, props: {headers: {Authorization: Bearer abc}}}
  warnings: [let pass]
  result: {found: {stdoutLines: [a, b]}}
`)
	require.Empty(t, messages(r))
	require.True(t, r.Passed)
	require.Len(t, r.Tasks, 2)
}

func TestADifferenceNamesPlacePathWantAndGot(t *testing.T) {
	r := results(t, listing, `
given:
  outputs: {List: {stdoutLines: [a]}}
expect:
  tasks:
    - {name: Show, props: {command: ls, args: [other], more: 1}}
    - {name: Show, status: skipped}
  callbacks:
    - {on: onStart, module: Http}
  warnings: []
  result: {found: {stdoutLines: [a, b]}}
`)
	require.False(t, r.Passed)
	require.Equal(t, []string{
		`7:12: expect.tasks[0].name: want "Show", got "List"`,
		`7:52: expect.tasks[0].props.args[0]: want "other", got "work"`,
		`7:60: expect.tasks[0].props.more: want 1, and there is nothing`,
		`8:24: expect.tasks[1].status: want skipped, got succeeded`,
		`10:11: expect.callbacks[0]: no such callback was run here; these were run: onSuccess Http`,
		`12:24: expect.result.found.stdoutLines: want ["a","b"], got ["a"]`,
	}, messages(r))
}

func TestAnOutputThatIsReadMustBeGiven(t *testing.T) {
	r := results(t, listing, "expect: {}")
	require.Equal(t, []string{`2:5: given.outputs: task "Show" reads found.stdoutLines, which the test does not say: add stdoutLines to given.outputs of "List"`}, messages(r))
}

func TestAnOutputThatRepeatsAPropNeedNotBeGiven(t *testing.T) {
	r := results(t, `
tasks:
  - {module: STL2OBJ, register: converted, props: {src: a.stl, dst: a.obj}}
  - {module: VntanaModelData, register: sent, props: {src: "{{ converted.dest }}", dest: b.obj}}
  - {module: StdOut, props: {msg: "{{ sent.dest }}"}}
`, `
expect:
  tasks: {"#2": {props: {msg: b.obj}}, "#1": {module: VntanaModelData, props: {src: a.obj}}}
`)
	require.Empty(t, messages(r))
	require.Equal(t, []string{"VntanaModelData"}, r.Unchecked, "a module that this version lacks is stood in for, and its props are not checked")
}

func TestPropsAreCheckedAsTheModuleWould(t *testing.T) {
	r := results(t, "tasks:\n  - {module: Shell, props: {command: ls, widht: 1}}\ncallbacks: {onEnd: [{module: Http, props: {}}]}", "expect: {}")
	require.Len(t, r.Problems, 2)
	require.Contains(t, r.Problems[0].Message, `want succeeded, got failed: p.yaml:2:`)
	require.Contains(t, r.Problems[0].Message, `prop "widht" is unknown`)
	require.Contains(t, r.Problems[1].Message, `a callback failed: p.yaml:3:`)
}

func TestGivenOutputsAreHeldAgainstTheirModule(t *testing.T) {
	for _, tt := range []struct{ name, outputs, want string }{
		{"a slip", "{List: {stdoutLinez: []}}", `Shell has no output "stdoutLinez", did you mean "stdoutLines"?`},
		{"a slip below", "{List: {stdoutLines: [], stats: {maxcpus: 1.5}}}", `Shell has no output "stats.maxcpus", did you mean "maxcpu"?`},
		{"another type", "{List: {stdoutLines: a}}", `output "stdoutLines" of Shell is a list, got "a"`},
		{"another task", "{List: {stdoutLines: []}, Shw: {}}", `no task is called "Shw", did you mean "Show"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := results(t, listing, "given: {outputs: "+tt.outputs+"}")
			require.NotEmpty(t, r.Problems)
			require.Equal(t, tt.want, r.Problems[0].Message)
		})
	}
}

func TestAPipelineThatDoesNotStartHasFailed(t *testing.T) {
	r := results(t, "state: {a: '{{ b }}', b: '{{ a }}'}\ntasks: []", `
expect: {failure: in a circle, tasks: []}
`)
	require.Empty(t, messages(r))
}

func TestALineThatIsPrintedReachesItsCallbacks(t *testing.T) {
	r := results(t, `
tasks:
  - module: Shell
    props: {command: ls}
    callbacks: {onStdout: [{module: StdErr, props: {msg: "{{ line }}"}}]}
`, `
given: {outputs: {"#0": {prints: [one, two]}}}
expect:
  callbacks: [{on: onStdout, props: {msg: one}}, {on: onStdout, task: "#0", props: {msg: two}}]
`)
	require.Empty(t, messages(r))
}

func TestPluginsEntriesParamsAndBlocksAreThoseOfARealRun(t *testing.T) {
	pipeline := `
plugins: [Debug]
params: {names: {type: list, required: true}}
entries:
  greet:
    tasks:
      {% for name in names %}
      - {name: "Greet {{ name }}", module: Shell, props: {command: echo, args: ["{{ name }}"]}}
      {% endfor %}
  preview:
    tasks: [{name: Look, module: Stat, props: {path: a}}]
`
	r := results(t, pipeline, `
given: {entry: greet, state: {names: [Ada, Bo]}}
expect:
  tasks:
    - {name: Greet Ada, props: {args: [Ada]}}
    - {name: Greet Bo, props: {args: [Bo]}}
  callbacks: [{on: onStart, module: Debug}, {on: onSuccess, module: Debug, task: Greet Bo}, {on: onEnd, module: Debug}]
`)
	require.Empty(t, messages(r))
	require.Empty(t, messages(results(t, pipeline, `
given: {entry: preview, state: {names: []}}
expect: {tasks: [Look]}
`)))
	require.Empty(t, messages(results(t, pipeline, "given: {entry: greet}\nexpect: {failure: names, tasks: []}")))
}

func TestTasksThatMayRunAtOnceRunInTheOrderOfTheText(t *testing.T) {
	r := results(t, `
tasks:
  - {name: a, module: Shell, after: [], props: {command: a}}
  - {name: b, module: Shell, after: c, props: {command: b}}
  - {name: c, module: Shell, after: [], props: {command: c}}
`, "expect: {tasks: [a, c, b]}")
	require.Empty(t, messages(r))
}

func TestEverythingWrongWithATestFileIsSaidWithItsPlace(t *testing.T) {
	_, err := trial.Parse("p.test.yaml", []byte(`
pipelin: p.yaml
tests:
  - name: a
    given: {stat: {}, outputs: {A: {error: x, kind: transent}, B: 3}}
    expect: {status: succeded, tasks: [{nam: x}, 3], callbacks: [{on: onSucces}], warnings: {}}
  - name: a
    expect: {tasks: {A: {tries: -1}}}
  - {}
`))
	parse, ok := errors.AsType[*pipelines.ParseError](err)
	require.True(t, ok, err)
	var got []string
	for _, p := range parse.Problems {
		got = append(got, p.String())
	}
	require.Equal(t, []string{
		`p.test.yaml:2:1: the file has no key "pipelin", did you mean "pipeline"?`,
		`p.test.yaml:5:13: given has no key "stat", did you mean "state"?`,
		`p.test.yaml:5:47: kind can't be "transent", did you mean "transient"?`,
		`p.test.yaml:5:64: B must be a map, got 3`,
		`p.test.yaml:6:14: status can't be "succeded", did you mean "succeeded"?`,
		`p.test.yaml:6:41: tasks[0] has no key "nam", did you mean "name"?`,
		`p.test.yaml:6:50: tasks[1] must be a map, got 3`,
		`p.test.yaml:6:67: on can't be "onSucces", did you mean "onSuccess"?`,
		`p.test.yaml:6:83: warnings must be a list, got a map`,
		`p.test.yaml:7:5: there are two tests called "a"; give each a name of its own`,
		`p.test.yaml:8:26: tries must be a number of tries, got -1`,
		`p.test.yaml:9:5: the test has no name; say in it what is proven`,
	}, got)
}

func TestTheSameTestComesOutTheSame(t *testing.T) {
	pipeline := "settings: {parallel: 8}\ntasks:\n" + strings.Repeat("  - {module: Shell, props: {command: ls}}\n", 20)
	first := results(t, pipeline, "expect: {status: failed}")
	for range 20 {
		require.Equal(t, first, results(t, pipeline, "expect: {status: failed}"))
	}
}

func TestAPipelineWithoutTasksIsSaidToHaveNone(t *testing.T) {
	r := results(t, "tasks: []\n", "given: {outputs: {Nope: {}}}")
	require.NotEmpty(t, r.Problems)
	require.Contains(t, r.Problems[0].Message, `no task is called "Nope"; the pipeline has no tasks`)
}

func TestAPipeKeepsNobodyWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.test.yaml")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := trial.Load(path)
	require.Error(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("tests:\n  - {name: a, given: {state: {a: 1}, outputs: {A: [{error: x}]}}, expect: {tasks: {A: {props: {b: [1]}}}}}"))
	f.Add([]byte(`{"pipeline": "x.yaml", "tests": [{"name": "a", "expect": {"callbacks": [{"on": "onEnd"}]}}]}`))
	r := runner(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := trial.Parse("p.test.yaml", src)
		if err != nil || len(file.Tests) > 3 {
			return
		}
		for i := range file.Tests {
			r.Run(t.Context(), &file.Tests[i], "p.yaml", []byte(listing)) // whatever it says, it comes to an end
		}
	})
}

func BenchmarkRun(b *testing.B) {
	f, err := trial.Parse("p.test.yaml", []byte("tests: [{name: a, given: {outputs: {List: {stdoutLines: [a]}}}}]"))
	require.NoError(b, err)
	r := runner(b)
	for b.Loop() {
		require.True(b, r.Run(context.Background(), &f.Tests[0], "p.yaml", []byte(listing)).Passed)
	}
}
