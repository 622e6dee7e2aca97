package schema_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/standard"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/schema"
)

// registries are what the program's tasks and callbacks may name.
func registries(t *testing.T) (tasks, calls *modules.Registry) {
	t.Helper()
	tasks, err := modules.NewRegistry(standard.Modules()...)
	require.NoError(t, err)
	calls, err = modules.NewRegistry(callbacks.Modules()...)
	require.NoError(t, err)
	return tasks, calls
}

// generic is a value as encoding/json would read it.
func generic(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	return out
}

// pipelineSchema is the schema of a document with the program's modules, as another program compiles it.
func pipelineSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	tasks, calls := registries(t)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("pipeline.json", generic(t, schema.Document(schema.Options{
		Modules: tasks, Callbacks: calls, PlannedModules: standard.PlannedNames(), PlannedCallbacks: callbacks.PlannedNames(),
	}))))
	s, err := c.Compile("pipeline.json")
	require.NoError(t, err)
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, doc string) error {
	t.Helper()
	v, err := pipelines.Decode("p.yaml", []byte(doc))
	require.NoError(t, err, doc)
	return s.Validate(generic(t, v))
}

func TestWhatLintFindsCleanIsValidByTheSchema(t *testing.T) {
	s := pipelineSchema(t)
	tasks, calls := registries(t)
	gateway, err := os.ReadFile(filepath.Join("..", "testdata", "gateway.json"))
	require.NoError(t, err)
	docs := []string{string(gateway)}
	c := pipelines.NewCatalogue("")
	for _, name := range c.Names() {
		text, _, _, err := c.Document(name)
		require.NoError(t, err)
		if p, err := c.Lookup(name); err == nil && p.Structural {
			continue // no editor reads it as YAML
		}
		docs = append(docs, string(text))
	}
	for m := range tasks.All() {
		docs = append(docs, "tasks:\n"+m.Spec().Example)
	}
	for m := range calls.All() {
		docs = append(docs, "tasks: []\ncallbacks:\n  onEnd:\n    "+strings.ReplaceAll(m.Spec().Example, "\n", "\n    "))
	}
	docs = append(docs,
		"tasks:\n",
		"tasks: [{module: VntanaMetrics, props: {any: thing}}]\ncallbacks: {onError: [{module: VntanaGoogleMetrics, props: {x: 1}}]}\n",
		"tasks: [{module: Zip, props: {src: a, dst: b, resultKey: x}}]\n",
		"tasks: [{module: Zip, props: {src: a, dest: b, config: {level: '9'}}}, {module: Zip, props: {src: a, dest: b, config: {level: '{{ l }}'}}}]\n",
		"settings: {global_retry: 2, retry_sleep: 1.5, timeout: 90s, parallel: 8}\ndeadline: 30m\ntasks: [{name: 2, module: Stat, when: true, throw: false, retry: 0, props: {path: x}}]\n",
		"tasks: [{id: a, module: Stat, props: {path: x}}, {module: Stat, after: a, gpu: 2, props: {path: x}}, {module: Stat, depends_on: [a], gpu: {memory: 16Gi, encoder: true}, props: {path: x}}]\n",
		"params: {size: {type: integer, default: 3, enum: [3, 4], description: Pixels.}}\nentries: {fast: {tasks: [{module: Now, props: {key: a}}]}}\n",
		"plugins: [Debug]\ntasks: [{module: Now, props: {key: a}, register: out}]\n",
	)
	for _, doc := range docs {
		require.NoError(t, validate(t, s, doc), doc)
	}
}

func TestTheSchemaRefusesWhatAnEditorShouldMark(t *testing.T) {
	s := pipelineSchema(t)
	for _, tt := range []struct{ name, doc string }{
		{"a key of the document that is unknown", "stat: {}\ntasks: []\n"},
		{"no tasks", "name: x\n"},
		{"a task without a module", "tasks: [{name: x}]\n"},
		{"a module that is unknown", "tasks: [{module: Shel}]\n"},
		{"a key of a task that is unknown", "tasks: [{modul: Shell, module: Stat, props: {path: x}}]\n"},
		{"a prop that is unknown", "tasks: [{module: ScreenshotGenerator, props: {src: a, config: {widht: 640}}}]\n"},
		{"a prop that is missing", "tasks: [{module: Zip, props: {src: a}}]\n"},
		{"props that are missing", "tasks: [{module: Zip}]\n"},
		{"a required prop that is empty", "tasks: [{module: Stat, props: {path: ''}}]\n"},
		{"text where a number is wanted", "tasks: [{module: ScreenshotGenerator, props: {src: a, config: {width: wide}}}]\n"},
		{"a value that is not in the enum", "tasks: [{module: Debug, props: {var: a, format: xml}}]\n"},
		{"props of another module", "tasks: [{module: Stat, props: {path: x, command: ls}}]\n"},
		{"a task's module in a callback", "tasks: []\ncallbacks: {onEnd: [{module: Zip, props: {src: a, dest: b}}]}\n"},
		{"an event that is none", "tasks: []\ncallbacks: {onFinish: []}\n"},
		{"an event of tasks on the run", "tasks: []\ncallbacks: {onStdout: []}\n"},
		{"a plugin that is none", "tasks: []\nplugins: [Zip]\n"},
		{"a plugin that needs props", "tasks: []\nplugins: [Http]\n"},
		{"a negative retry", "tasks: [{module: Stat, retry: -1, props: {path: x}}]\n"},
		{"a duration that is none", "deadline: soon\ntasks: []\n"},
		{"a name that templates can't say", "tasks: [{module: Stat, register: a-b, props: {path: x}}]\n"},
		{"a setting that is unknown", "settings: {retries: 3}\ntasks: []\n"},
		{"a type of param that is none", "params: {a: {type: text}}\ntasks: []\n"},
		{"an entry without tasks", "entries: {a: {description: x}}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Error(t, validate(t, s, tt.doc)) })
	}
}
