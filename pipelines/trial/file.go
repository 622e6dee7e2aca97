package trial

import (
	"maps"
	"slices"
	"strconv"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// A File is one test file.
type File struct {
	Name     string // what messages call it
	Pipeline string // file name of the pipeline, from the test file's folder; empty: NAME.yaml of NAME.test.yaml
	Tests    []Test
}

// A Test is one run and what must come of it.
type Test struct {
	Name   string
	Pos    pipelines.Pos
	given  given
	expect expect
	path   string              // in the file: "tests[0]"
	at     pipelines.Positions // of the whole file
}

// given is what a run starts from.
type given struct {
	state   map[string]any
	order   *nunjucks.Order // of state
	job     map[string]any
	env     map[string]string
	entry   string
	last    bool     // no attempt follows
	later   []string // modules to be taken as a later version may have them: rules of their own don't count
	outputs []taskOutputs
}

// taskOutputs are what one task's module returns.
type taskOutputs struct {
	task  string // id, name or "#index"
	pos   pipelines.Pos
	tries []output // the last one stands for all that follow
}

// An output is what a module does in one try.
type output struct {
	pos    pipelines.Pos
	values map[string]any
	prints []string // lines on stdout
	fails  string   // the error; empty is success
	kind   fault.Kind
}

// expect is what must come of a run. What is nil is not looked at.
type expect struct {
	status    engine.Status
	tasks     []wantTask
	all       bool // tasks are all that were reached, in order; else some of them
	callbacks []wantCallback
	failure   string
	warnings  []string
	result    map[string]any
}

type wantTask struct {
	path    string // in the file
	key     string // id, name or "#index", where tasks is a map
	name    string
	module  string
	status  engine.Status
	tries   int64
	failure string
	props   map[string]any
}

type wantCallback struct {
	path, on, module, task string
	props                  map[string]any
}

// maxTests is how many tests one file may have.
const maxTests = 2000

// Parse reads a test file, YAML or JSON, within the limits of a pipeline's. name is what messages call it. The error
// holds everything that is wrong, with places.
func Parse(name string, src []byte) (*File, error) {
	root, err := pipelines.DecodeValue(name, src)
	if err != nil {
		return nil, err
	}
	root.Map("pipeline", "tests")
	f := &File{Name: name, Pipeline: root.Key("pipeline").Text()}
	tests := root.Key("tests").List()
	switch {
	case len(tests) == 0:
		root.Key("tests").Errorf("the file has no tests; add a list of them under tests")
	case len(tests) > maxTests:
		root.Key("tests").Errorf("the file has %d tests, and %d are allowed; split it", len(tests), maxTests)
		tests = nil
	}
	names := map[string]bool{}
	for i, v := range tests {
		t := testOf(v)
		t.given.order = root.Order("tests", strconv.Itoa(i), "given", "state")
		if names[t.Name] {
			v.Errorf("there are two tests called %q; give each a name of its own", clip(t.Name, 64))
		}
		names[t.Name] = true
		f.Tests = append(f.Tests, t)
	}
	return f, root.Err()
}

func testOf(v pipelines.Value) Test {
	v.Map("name", "given", "expect")
	t := Test{Name: v.Key("name").Text(), Pos: v.Pos(), path: v.Path, at: v.Places()}
	if t.Name == "" {
		v.Errorf("the test has no name; say in it what is proven")
	}
	t.given, t.expect = givenOf(v.Key("given")), expectOf(v.Key("expect"))
	return t
}

func givenOf(v pipelines.Value) given {
	v.Map("state", "entry", "env", "job", "last", "later", "outputs")
	g := given{
		state: v.Key("state").Map(),
		job:   v.Key("job").Map(),
		env:   map[string]string{},
		entry: v.Key("entry").Text(),
		last:  v.Key("last").Bool(true),
		later: v.Key("later").Texts(),
	}
	for name := range v.Key("env").Map() {
		g.env[name] = v.Key("env").Key(name).Text()
	}
	outputs := v.Key("outputs")
	for _, task := range slices.Sorted(maps.Keys(outputs.Map())) {
		at := outputs.Key(task)
		o := taskOutputs{task: task, pos: at.Pos()}
		for _, try := range at.Entries() {
			o.tries = append(o.tries, outputOf(try))
		}
		g.outputs = append(g.outputs, o)
	}
	return g
}

func outputOf(v pipelines.Value) output {
	o := output{pos: v.Pos(), values: maps.Clone(v.Map()), prints: v.Key("prints").Texts()}
	if o.fails = v.Key("error").Text(); o.fails == "" {
		delete(o.values, "prints")
		return o
	}
	v.Map("error", "kind", "prints")
	o.values = nil
	o.kind = fault.Kind(v.Key("kind").OneOf(string(fault.Transient), string(fault.Permanent)))
	return o
}

func expectOf(v pipelines.Value) expect {
	v.Map("status", "tasks", "callbacks", "failure", "warnings", "result")
	e := expect{
		status:   status(v.Key("status"), engine.Succeeded, engine.Failed),
		failure:  v.Key("failure").Text(),
		warnings: v.Key("warnings").Texts(),
		result:   v.Key("result").Map(),
	}
	if e.status == "" {
		e.status = engine.Succeeded
		if e.failure != "" {
			e.status = engine.Failed
		}
	}
	wantTasks(v.Key("tasks"), &e)
	if list := v.Key("callbacks").List(); list != nil {
		e.callbacks = []wantCallback{}
		for _, c := range list {
			e.callbacks = append(e.callbacks, wantCallbackOf(c))
		}
	}
	return e
}

func status(v pipelines.Value, known ...engine.Status) engine.Status {
	all := make([]string, len(known))
	for i, s := range known {
		all[i] = string(s)
	}
	return engine.Status(v.OneOf(all...))
}

// wantTasks reads a list of all tasks that must be reached, or a map of some of them.
func wantTasks(v pipelines.Value, e *expect) {
	if _, some := v.Any.(map[string]any); some {
		for _, key := range slices.Sorted(maps.Keys(v.Map())) {
			w := wantTaskOf(v.Key(key))
			w.key = key
			e.tasks = append(e.tasks, w)
		}
		return
	}
	list := v.List()
	e.all = list != nil
	for _, t := range list {
		e.tasks = append(e.tasks, wantTaskOf(t))
	}
}

// wantTaskOf reads what is expected of a task; text is its name.
func wantTaskOf(v pipelines.Value) wantTask {
	if name, ok := v.Any.(string); ok {
		return wantTask{path: v.Path, name: name}
	}
	v.Map("name", "module", "status", "tries", "failure", "props")
	w := wantTask{
		path:    v.Path,
		name:    v.Key("name").Text(),
		module:  v.Key("module").Text(),
		status:  status(v.Key("status"), engine.Succeeded, engine.Failed, engine.Skipped),
		failure: v.Key("failure").Text(),
		props:   v.Key("props").Map(),
	}
	if tries := v.Key("tries"); tries.Any != nil {
		n, ok := tries.Any.(int64)
		if !ok || n < 0 {
			tries.Wrong("a number of tries")
		}
		w.tries = n
	}
	return w
}

func wantCallbackOf(v pipelines.Value) wantCallback {
	v.Map("on", "module", "task", "props")
	var events []string
	for _, e := range slices.Concat(pipelines.PipelineEvents, pipelines.TaskEvents) {
		events = append(events, string(e))
	}
	return wantCallback{
		path:   v.Path,
		on:     v.Key("on").OneOf(events...),
		module: v.Key("module").Text(),
		task:   v.Key("task").Text(),
		props:  v.Key("props").Map(),
	}
}
