package pipelines

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
)

func TestParseKeepsEveryKeyAndItsPlace(t *testing.T) {
	src := `name: Everything
description: Says all that can be said.
deadline: 20m
state:
  width: 640
  ratio: 1.5
  answer: no
  day: 2026-01-31
tasks:
  - name: List
    module: Shell
    register: listing
    when: width > 100 and true
    throw: false
    retry: 2
    retry_sleep: 1.5
    timeout: 90s
    id:
    after: []
    gpu: 0
    props:
      command: ls
      args: [-l, "{{ width }}"]
      config: {tris: 3000}
    callbacks:
      onStdout:
        - module: StdOut
          props: {msg: "{{ line }}"}
      onEnd: []
  - module: StdOut
    when: true
callbacks:
  onStart: []
  onSuccess:
    - module: Http
      props:
        url: https://example.com
plugins: []
settings:
  global_retry: 20
  global_retry_sleep: 15
  timeout: 60
`
	p, err := Parse("all.yaml", []byte(src))
	require.NoError(t, err)
	at := func(line, column int) Pos { return Pos{"all.yaml", line, column} }

	require.Equal(t, "Everything", p.Name)
	require.Equal(t, "all.yaml", p.Source)
	require.Regexp(t, "^sha256:[0-9a-f]{64}$", p.Digest)
	require.Equal(t, Settings{Retry: 20, RetrySleep: 15 * time.Second, Timeout: time.Minute, Deadline: 20 * time.Minute}, p.Settings)
	require.Equal(t, map[string]any{"width": int64(640), "ratio": 1.5, "answer": "no", "day": "2026-01-31"}, p.State)
	require.Equal(t, at(6, 3), p.Positions["state.ratio"])
	require.Empty(t, p.Plugins)

	require.Len(t, p.Tasks, 2)
	task := p.Tasks[0]
	require.Equal(t, at(10, 5), task.Pos)
	require.Equal(t, "listing", task.Register)
	require.Equal(t, "width > 100 and true", task.When)
	require.True(t, task.Soft)
	require.Equal(t, 2, *task.Retry)
	require.Equal(t, 1500*time.Millisecond, *task.RetrySleep)
	require.Equal(t, 90*time.Second, task.Timeout)
	require.Equal(t, []any{"-l", "{{ width }}"}, task.Props["args"])
	require.Equal(t, at(11, 5), task.Positions["module"])
	require.Equal(t, at(13, 11), task.Positions["when:"])
	require.Equal(t, at(23, 18), task.Positions["props.args[1]"])
	require.Equal(t, at(23, 19), task.Positions["props.args[1]:"])
	require.Equal(t, at(24, 16), task.Positions["props.config.tris"])
	require.Len(t, task.Callbacks, 1)
	line := task.Callbacks[OnStdout][0]
	require.Equal(t, "StdOut", line.Module)
	require.Equal(t, at(27, 11), line.Pos)
	require.Equal(t, at(28, 19), line.Positions["props.msg"])

	require.Equal(t, "true", p.Tasks[1].When)
	require.Equal(t, "https://example.com", p.Callbacks[OnSuccess][0].Props["url"])
	require.NotContains(t, p.Callbacks, OnStart)
}

func TestJSONAndYAMLGiveTheSamePipeline(t *testing.T) {
	y, err := Parse("p", []byte("name: Hello\nstate: {n: 3, face: 😀}\ntasks:\n  - {module: Shell, props: {command: echo, args: [a/b]}}\n"))
	require.NoError(t, err)
	j, err := Parse("p", []byte(`{"name":"Hello","state":{"n":3,"face":"\ud83d\ude00"},`+"\n\t"+`"tasks":[{"module":"Shell","props":{"command":"echo","args":["a\/b"]}}]}`))
	require.NoError(t, err)
	require.Equal(t, y.State, j.State)
	require.Equal(t, y.Tasks[0].Props, j.Tasks[0].Props)
	require.Equal(t, Pos{"p", 2, 11}, j.Tasks[0].Pos)
	require.Equal(t, Pos{"p", 2, 38}, j.Tasks[0].Positions["props.command"])
	require.NotEqual(t, y.Digest, j.Digest)
}

func TestScalarsAreWhatJSYAMLReads(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want any
	}{
		{"yes", "yes"},
		{"no", "no"},
		{"on", "on"},
		{"Off", "Off"},
		{"true", true},
		{"False", false},
		{"010", int64(10)},
		{"-012", int64(-12)},
		{"08", int64(8)},
		{"0_7", int64(7)},
		{"012.5", 12.5},
		{"0", int64(0)},
		{"0b11", int64(3)},
		{"1:30", "1:30"},
		{"0o14", int64(12)},
		{"0x1F", int64(31)},
		{"1_000", int64(1000)},
		{"2026-01-31", "2026-01-31"},
		{"2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"},
		{"1.50", 1.5},
		{"1e3", 1000.0},
		{"-7", int64(-7)},
		{"9223372036854775808", 9223372036854775808.0},
		{`"null"`, "null"},
		{`'""'`, `""`},
		{"~", nil},
		{"", nil},
		{"!!str 12", "12"},
	} {
		t.Run(tt.src, func(t *testing.T) {
			p, err := Parse("p", []byte("state:\n  v: "+tt.src+"\ntasks: []\n"))
			require.NoError(t, err)
			require.Equal(t, tt.want, p.State["v"])
		})
	}
}

func TestParseReportsAllProblemsAtOnce(t *testing.T) {
	src := `nmae: Oops
tasks:
  - modul: Shell
  - module: StdOut
    throw: no
    retry: -1
    timeout: soon
    register: 2nd
    after: [List]
    gpu: -1
    callbacks:
      onSucces: []
      onError:
        - props: {}
  - just text
callbacks: [1]
settings:
  retry: 1
  global_retry: 2
plugins: [{a: b}]
`
	_, err := Parse("bad.yaml", []byte(src))
	require.Equal(t, fault.Permanent, fault.Of(err))
	parse, ok := errors.AsType[*ParseError](err)
	require.True(t, ok)
	var got []string
	for _, p := range parse.Problems {
		got = append(got, p.String())
	}
	require.Equal(t, []string{
		`bad.yaml:1:1: a pipeline has no key "nmae", did you mean "name"?`,
		"bad.yaml:3:5: a task has no key \"modul\", did you mean \"module\"?",
		"bad.yaml:3:5: the task names no module; add module: and one of those that `millrace modules` lists",
		`bad.yaml:5:5: throw must be true or false, got "no"`,
		`bad.yaml:6:5: retry must be a whole number of further tries from 0 to 1000, got -1`,
		`bad.yaml:7:5: timeout must be a number of seconds or a duration such as 90s or 20m, got "soon"`,
		`bad.yaml:8:5: register "2nd" can't be named by a template; use letters, digits and _, not a digit first`,
		`bad.yaml:9:13: after: no task has the id or name "List"`,
		`bad.yaml:10:5: gpu must be a whole number of GPUs from 1 to 64, got -1`,
		`bad.yaml:12:7: callbacks has no key "onSucces", did you mean "onSuccess"?`,
		"bad.yaml:14:11: the callback names no module; add module: and one of those that `millrace modules` lists",
		`bad.yaml:15:5: a task is a map with module and props, got "just text"`,
		`bad.yaml:16:1: callbacks must be a map, got a list`,
		`bad.yaml:19:3: global_retry and retry are the same setting; keep one of them`,
		`bad.yaml:20:11: a plugin is a name, got a map`,
	}, got)
	require.Contains(t, err.Error(), "; and 5 more")
}

func TestParseRefusesWhatIsNoPipelineInOneSentence(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	for _, tt := range []struct {
		name, src, want string
	}{
		{"nothing", " \n", "p:1:1: the document is empty; a pipeline has at least tasks"},
		{"only a comment", "# hm", "p:1:1: a pipeline is a map with name, state and tasks, got nothing"},
		{"a list", "- a", "p:1:1: a pipeline is a map with name, state and tasks, got a list"},
		{"no tasks", "name: a", "p:1:1: the pipeline has no tasks; add a list of them under tasks"},
		{"two documents", "tasks: []\n---\ntasks: []\n", "p:2:1: a second document starts here; a pipeline is one document, remove the --- line or make two files"},
		{"a key twice", "tasks: []\nname: a\nname: b", `p:3:1: key "name" is already set on line 2; keep one of them`},
		{"a JSON key twice", `{"tasks": [], "tasks": []}`, `p:1:15: key "tasks" is already set on line 1; keep one of them`},
		{"unquoted braces", "tasks: []\nname: {{ x }}", `p:2:8: a key must be text; a value that starts with {{ needs quotes round it: "{{ name }}"`},
		{"a block that is not closed", "tasks:\n  {% for a in b %}\n  - module: Shell\n", "p:2:3: {% for %} is never closed; add {% endfor %}, on a line of its own that is indented like this one"},
		{"not YAML without its blocks", "tasks:\n  {% if a %}\n  {% endif %}\n  - [\n", "p:4:1: this is not YAML, its blocks expanded: did not find expected node content"},
		{"not YAML with its blocks", "tasks:\n  {% if true %}\n  - a\n\t- []\n  {% endif %}\nname: x\n", "p:3:1: this is not YAML, its blocks expanded: found a tab character that violates indentation"},
		{"a block in the state", "state:\n  a: 1\n  {% if a %}\n  b: 1\n  {% endif %}\n\ntasks: []\n", `p:3:3: a block can't stand in or round state, which blocks are expanded from; put the choice into a value: "{{ a if b else c }}"`},
		{"a block round the state", "{% if a %}\nstate:\n  a: 1\n{% endif %}\ntasks: []\n", `p:1:1: a block can't stand in or round state, which blocks are expanded from; put the choice into a value: "{{ a if b else c }}"`},
		{"a state that reads a set", "{% set a = 1 %}\nstate: {b: \"{{ a }}\"}\ntasks: []\n", `p:2:12: the state can't see "a", which {% set %} sets: the state is known first; make it a state key`},
		{"a register that is not known yet", "tasks:\n  {% for a in [1] %}\n  - {module: Now, props: {key: x}, register: \"{{ x }}\"}\n  {% endfor %}\n", `p:3:46: register must be known before the tasks run, and "{{ x }}" reads what is not; use what blocks set, or the state`},
		{"a module that data makes a template", "tasks:\n  {% for a in ['{' ~ '{ env.HOME }}'] %}\n  - module: \"{{ a }}\"\n  {% endfor %}\n", `p:3:13: module comes to text that is a template again; a value is never rendered`},
		{"a state in a circle", "state: {a: \"{{ a }}\"}\ntasks:\n  {% if a %}\n  {% endif %}\n", `p:1:1: state keys refer to each other in a circle: a → a; give one of them a value`},
		{"a tab", "tasks:\n\t- module: Shell", "p:2:1: this is not YAML: found character that cannot start any token"},
		{"a NUL", "tasks: []\nname: a\x00b", "p:2:8: the control character U+0000 can't stand in a document; remove it"},
		{"Latin-1", "name: caf\xe9", "p:1:10: this byte is not UTF-8; save the document as UTF-8"},
		{"unfinished JSON", `{"tasks": [`, "p:1:11: this is not JSON, nor YAML: unexpected end of JSON input"},
		{"an alias bomb", bomb, "p:1:12: the document's aliases stand for more than 20000 values; write them out"},
		{"an alias of itself", "tasks: &a [*a]", "p:1:8: lists and maps are nested more than 100 deep; flatten them"},
		{"deep YAML", "tasks: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "p:1:108: lists and maps are nested more than 100 deep; flatten them"},
		{"deep JSON", `{"tasks": ` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}", "p:1:111: lists and maps are nested more than 100 deep; flatten them"},
		{"a megabyte", "name: " + strings.Repeat("x", 1<<20), "p:1:1: the document is larger than 1024 KiB; put data into files or objects and name them in the state"},
		{"infinity", "tasks: []\nstate: {a: .inf}", "p:2:12: +Inf is not a number that can be stored; write it as text"},
		{"a tag", "tasks: []\nname: !secret x", "p:2:7: the tag !secret is not known here; remove it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("p", []byte(tt.src))
			require.EqualError(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestAliasesAndMergeKeysAreFollowed(t *testing.T) {
	p, err := Parse("p", []byte(`state:
  base: &base {a: 1, b: 2}
  more: {<<: *base, b: 3}
tasks:
  - {module: Shell, props: *base}
`))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": int64(1), "b": int64(3)}, p.State["more"])
	require.Equal(t, map[string]any{"a": int64(1), "b": int64(2)}, p.Tasks[0].Props)
}

func TestTheGatewayMessageParses(t *testing.T) {
	src, err := os.ReadFile(filepath.Join("testdata", "gateway.json"))
	require.NoError(t, err)
	p, err := Parse("gateway.json", src)
	require.NoError(t, err)
	require.Len(t, p.Callbacks[OnStart], 1)
	require.Len(t, p.Callbacks, 2, "the other five events are empty lists")
	require.Equal(t, "null", p.Tasks[1].Props["config"].(map[string]any)["c0"])
	require.True(t, p.Tasks[2].Soft)
}

func TestCallbacksOfAMessage(t *testing.T) {
	cbs, err := ParseCallbacks("message", map[string]any{
		"onError": []any{map[string]any{"module": "Http", "props": map[string]any{"url": "https://example.com", "retry": 3.0}}},
		"onEnd":   []any{},
	})
	require.NoError(t, err)
	require.Len(t, cbs, 1)
	require.Equal(t, "Http", cbs[OnError][0].Module)
	require.Equal(t, Pos{File: "message"}, cbs[OnError][0].Pos)

	_, err = ParseCallbacks("message", map[string]any{"onStdout": []any{}, "onStart": "Http"})
	require.EqualError(t, err, `message: callbacks has no key "onStdout"; it has onStart, onSuccess, onError, onFailure, onEnd, onLog, onDebug; message: onStart must be a list, got "Http"`)
}
