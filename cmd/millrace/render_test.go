package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
)

const batch = `name: "Batch Asset Processing"
state:
  assets:
    - "model1.fbx"
    - "model2.obj"
    - "model3.dae"
  output_format: "glb"
  workspace: "/home/workspace"

tasks:
  {% for asset in assets %}
  - name: "Process {{ asset }}"
    module: AssetConverter
    props:
      src: "{{ workspace }}/{{ asset }}"
      dest: "{{ workspace }}/{{ asset | replace(asset.split('.')[-1], output_format) }}"
      format: "{{ output_format }}"
  {% endfor %}
`

func TestRenderShowsTheTasksThatBlocksMake(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("batch.yaml", batch)
	_, tasks, ok := strings.Cut(p.succeeds("render", "batch.yaml"), "tasks:\n")
	require.True(t, ok)
	for name, from := range map[string]string{"model1": "fbx", "model2": "obj", "model3": "dae"} {
		require.Contains(t, tasks, "  - name: Process "+name+"."+from+"\n    module: AssetConverter\n    props:\n      dest: /home/workspace/"+
			name+".glb\n      format: glb\n      src: /home/workspace/"+name+"."+from+"\n")
	}
	require.Equal(t, 3, strings.Count(tasks, "- name: "))
	require.Contains(t, p.succeeds("render", "batch.yaml", `assets=["a.b"]`, "output_format=usd"), "dest: /home/workspace/a.usd\n")
}

const preview = `name: Preview
state: {input: gear.stl, picture: true, size: "{{ 2 * 512 }}"}
tasks:
  - {name: Fetch, module: Shell, props: {command: cp, args: ["{{ input }}", a.stl]}, register: fetched}
  - {name: Convert, module: STL2OBJ, after: Fetch, props: {src: a.stl, dest: a.obj}, register: converted}
  - name: Thumbnail
    module: ScreenshotGenerator
    after: Fetch
    when: picture
    throw: false
    props: {src: a.stl, dest: a.png, config: {width: "{{ size }}", height: "{{ sizes }}"}}
    register: input
    callbacks: {onError: [{module: StdErr, props: {msg: "{{ input }}: {{ error_message }}"}}]}
  - {name: Compare, module: Shell, after: [Fetch], when: converted.triangles > 3, props: {command: "{{ input }}"}}
  - {name: Never, module: Shell, after: [Fetch], when: not picture, props: {command: echo}, register: never}
  - name: Join
    module: Zip
    after: [Convert, Thumbnail, Never]
    props: {src: ["{{ converted.dest }}", "{{ never.stdout }}"], dest: "{{ state.size }}.zip"}
callbacks:
  onStart: [{module: StdOut, props: {msg: "{{ input }} {{ converted }}"}}]
  onEnd: [{module: StdOut, props: {msg: "{{ converted.dest }}"}}]
`

func TestRenderLeavesWhatOnlyTheRunKnows(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("preview.yaml", preview)
	out := p.succeeds("render", "preview.yaml")
	for _, want := range []string{
		"size: 1024\n",
		"- gear.stl\n",
		"when: picture # true\n    throw: false\n",
		"width: 1024\n",
		"height: null # sizes is not defined\n",
		"when: converted.triangles > 3 # only the run can tell\n",
		"command: '{{ input }}' # after task \"Thumbnail\"\n",
		"when: not picture # false: it is skipped\n",
		"- '{{ converted.dest }}' # after task \"Convert\"\n        - \"\" # never is not defined\n",
		"dest: 1024.zip\n",
		"after: [\"Convert\",\"Thumbnail\",\"Never\"]\n",
		"msg: '{{ input }}: {{ error_message }}' # when it happens\n",
		"onEnd:\n    - module: StdOut\n      props:\n        msg: '{{ converted.dest }}' # after task \"Convert\"\n",
		"msg: 'gear.stl ' # converted is not defined\n",
	} {
		require.Contains(t, out, want)
	}
	require.Contains(t, p.succeeds("render", "preview.yaml", "picture=false"), "when: picture # false: it is skipped\n")

	again, err := pipelines.Parse("again.yaml", []byte(out))
	require.NoError(t, err)
	require.Len(t, again.Tasks, 6)
	require.Equal(t, []int{1, 2, 4}, again.Tasks[5].After)
}

func TestRenderAsJSONSaysTheSame(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("preview.yaml", preview)
	got := decoded[map[string]any](t, p.succeeds("render", "preview.yaml", "--format", "json"))
	tasks := got["tasks"].([]any)
	require.Len(t, tasks, 6)
	join := tasks[5].(map[string]any)
	require.Equal(t, []any{"Convert", "Thumbnail", "Never"}, join["after"])
	require.Equal(t, map[string]any{"src": []any{"{{ converted.dest }}", ""}, "dest": "1024.zip"}, join["props"])
	require.Equal(t, map[string]any{"src[0]": `after task "Convert"`, "src[1]": "never is not defined"}, join["notes"])
	require.Equal(t, true, tasks[2].(map[string]any)["runs"])
	require.NotContains(t, tasks[3], "runs")
	require.Equal(t, false, tasks[4].(map[string]any)["runs"])
}

func TestRenderShowsNoSecret(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = []string{"API_TOKEN=hush-hush-hush", "REGION=eu"}
	p.write("p.yaml", "state: {password: swordfish}\ntasks:\n  - {module: StdOut, props: {msg: '{{ env.API_TOKEN }} {{ env.REGION }} {{ password }} {{ env.HOME }}'}}\n")
	for _, format := range []string{"yaml", "json"} {
		out := p.succeeds("render", "p.yaml", "--allow-env", "API_TOKEN,REGION", "--format", format)
		require.NotContains(t, out, "hush-hush-hush")
		require.NotContains(t, out, "swordfish")
		require.Contains(t, out, "[REDACTED] eu [REDACTED] ")
		require.NotContains(t, out, p.dir, "what is not allowed is not there")
	}
}

func TestRenderWritesTextsThatYAMLWouldTakeForSomethingElse(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	values := map[string]any{
		"a": "line one\n  line two\n", "b": "x  y\n\tz", "c": "null", "d": "# no", "e": "- x", "f": "a: b", "g": "\n\nx\n\n", "h": "end ", "i": "0123",
		"j": map[string]any{"a # b": []any{[]any{"x", map[string]any{}}, []any{}}}, "k": "a\nb\n", "l": "a\r\nb", "m": " x\ny", "n": "one\n# two", "o": "\x1b[31m",
	}
	doc := map[string]any{"tasks": []any{map[string]any{"name": "x # y", "module": "StdOut", "props": map[string]any{"message": values}}}}
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	p.write("p.json", string(text))
	got, err := pipelines.Parse("p.yaml", []byte(p.succeeds("render", "p.json")))
	require.NoError(t, err)
	require.Equal(t, "x # y", got.Tasks[0].Name)
	require.Equal(t, values, got.Tasks[0].Props["message"])
}

func TestRenderSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("bad.yaml", "tasks:\n  - {name: a, module: Shell, when: x ==, props: {command: '{{ x | nope }}'}}\n  - {name: b, module: Shell, props: {command: '{{ 1/0 }}'}}\n")
	r := p.millrace("render", "bad.yaml")
	require.Equal(t, 1, r.code)
	require.Empty(t, r.stdout)
	for _, want := range []string{`bad.yaml:2:40: task "a": when: `, `bad.yaml:2:67: task "a": prop "command": `, `bad.yaml:3:38: task "b": prop "command": the template comes to Infinity`} {
		require.Contains(t, r.stderr, want)
	}
	require.Equal(t, 2, p.millrace("render").code)
	require.Equal(t, 2, p.millrace("render", "hello_world", "--format", "xml").code)
	require.Contains(t, p.millrace("render", "helo_world").stderr, `did you mean "hello_world"?`)
}

func TestRenderShowsAllThatADocumentSays(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("all.yaml", `name: All
params: {size: {type: integer, default: 3, enum: [3, 4], description: Of it.}}
plugins: [StdOut]
settings: {retry: 2, retry_sleep: 0.5, parallel: 2, strict: true}
deadline: 90
tasks: [{module: StdOut, props: {msg: "https://u:pw-12345@x.org"}}]
callbacks:
  onEnd: [{module: StdOut, props: {msg: x}}]
  onError: [{module: StdOut, props: {msg: x}}]
  onStart: [{module: StdOut, props: {msg: x}}]
`)
	out := p.succeeds("render", "all.yaml")
	require.Regexp(t, `(?s)onStart:.*onError:.*onEnd:`, out)
	require.Contains(t, out, "https://u:[REDACTED]@x.org")
	again, err := pipelines.Parse("again.yaml", []byte(out))
	require.NoError(t, err, out)
	want, err := pipelines.Parse("all.yaml", []byte(out))
	require.NoError(t, err)
	require.Equal(t, want.Settings, again.Settings)
	require.Equal(t, []any{int64(3), int64(4)}, again.Params[0].Enum)
	require.Equal(t, []string{"StdOut"}, again.Plugins)
	got := decoded[map[string]any](t, p.succeeds("render", "all.yaml", "--format", "json"))
	require.Equal(t, map[string]any{"retry": 2.0, "retry_sleep": 0.5, "parallel": 2.0, "strict": true}, got["settings"])
	require.Equal(t, 90.0, got["deadline"])
}

func TestRenderTellsOfWhatIsBoundToFail(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("eco.yaml", "tasks: [{module: Eco, props: {}}]\n")
	r := p.millrace("render", "eco.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "module: Eco")
	require.Contains(t, r.stderr, `eco.yaml:1:10: task #0: module "Eco" is unknown`)
}

func TestHelpOffersOnlyWhatIsRead(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, cmd := range [][]string{{"render"}, {"graph"}, {"gen", "job"}, {"gen", "configmap"}} {
		require.NotContains(t, p.succeeds(append(cmd, "--help")...), "--documents", cmd)
	}
	require.NotContains(t, p.succeeds("gen", "configmap", "--help"), "--image")
}

func TestRunRefusesDocumentsThatCanNotBeRead(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.millrace("run", "hello_world", "--documents", "nowhere")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, "--documents: the folder of documents nowhere can't be read")
}
