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
	raw, order, at, err := pipelines.DecodePlaced(name, src)
	if err != nil {
		return nil, err
	}
	d := &decoder{at: at, start: pipelines.Pos{File: name, Line: 1, Column: 1}}
	root := value{d: d, any: raw}
	root.mapping("pipeline", "tests")
	f := &File{Name: name, Pipeline: root.key("pipeline").text()}
	tests := root.key("tests").list()
	switch {
	case len(tests) == 0:
		d.errorf(root.key("tests").pos(), "the file has no tests; add a list of them under tests")
	case len(tests) > maxTests:
		d.errorf(root.key("tests").pos(), "the file has %d tests, and %d are allowed; split it", len(tests), maxTests)
		tests = nil
	}
	names := map[string]bool{}
	for i, v := range tests {
		t := d.test(v)
		t.given.order = order.At("tests", strconv.Itoa(i), "given", "state")
		if names[t.Name] {
			d.errorf(t.Pos, "there are two tests called %q; give each a name of its own", clip(t.Name, 64))
		}
		names[t.Name] = true
		f.Tests = append(f.Tests, t)
	}
	return f, d.err()
}

func (d *decoder) test(v value) Test {
	v.mapping("name", "given", "expect")
	t := Test{Name: v.key("name").text(), Pos: v.pos(), path: v.path, at: d.at}
	if t.Name == "" {
		d.errorf(v.pos(), "the test has no name; say in it what is proven")
	}
	t.given, t.expect = d.given(v.key("given")), d.expect(v.key("expect"))
	return t
}

func (d *decoder) given(v value) given {
	v.mapping("state", "entry", "env", "job", "last", "later", "outputs")
	g := given{
		state: v.key("state").mapping(),
		job:   v.key("job").mapping(),
		env:   map[string]string{},
		entry: v.key("entry").text(),
		last:  v.key("last").boolean(true),
		later: v.key("later").texts(),
	}
	for name := range v.key("env").mapping() {
		g.env[name] = v.key("env").key(name).text()
	}
	outputs := v.key("outputs")
	for _, task := range slices.Sorted(maps.Keys(outputs.mapping())) {
		at := outputs.key(task)
		o := taskOutputs{task: task, pos: at.pos()}
		for _, try := range at.entries() {
			o.tries = append(o.tries, d.output(try))
		}
		g.outputs = append(g.outputs, o)
	}
	return g
}

func (d *decoder) output(v value) output {
	o := output{pos: v.pos(), values: maps.Clone(v.mapping()), prints: v.key("prints").texts()}
	if o.fails = v.key("error").text(); o.fails == "" {
		delete(o.values, "prints")
		return o
	}
	v.mapping("error", "kind", "prints")
	o.values = nil
	o.kind = fault.Kind(v.key("kind").oneOf(string(fault.Transient), string(fault.Permanent)))
	return o
}

func (d *decoder) expect(v value) expect {
	v.mapping("status", "tasks", "callbacks", "failure", "warnings", "result")
	e := expect{
		status:   status(v.key("status"), engine.Succeeded, engine.Failed),
		failure:  v.key("failure").text(),
		warnings: v.key("warnings").texts(),
		result:   v.key("result").mapping(),
	}
	if e.status == "" {
		e.status = engine.Succeeded
		if e.failure != "" {
			e.status = engine.Failed
		}
	}
	d.wantTasks(v.key("tasks"), &e)
	if list := v.key("callbacks").list(); list != nil {
		e.callbacks = []wantCallback{}
		for _, c := range list {
			e.callbacks = append(e.callbacks, d.wantCallback(c))
		}
	}
	return e
}

func status(v value, known ...engine.Status) engine.Status {
	all := make([]string, len(known))
	for i, s := range known {
		all[i] = string(s)
	}
	return engine.Status(v.oneOf(all...))
}

// wantTasks reads a list of all tasks that must be reached, or a map of some of them.
func (d *decoder) wantTasks(v value, e *expect) {
	if _, some := v.any.(map[string]any); some {
		for _, key := range slices.Sorted(maps.Keys(v.mapping())) {
			w := d.wantTask(v.key(key))
			w.key = key
			e.tasks = append(e.tasks, w)
		}
		return
	}
	list := v.list()
	e.all = list != nil
	for _, t := range list {
		e.tasks = append(e.tasks, d.wantTask(t))
	}
}

// wantTask reads what is expected of a task; text is its name.
func (d *decoder) wantTask(v value) wantTask {
	if name, ok := v.any.(string); ok {
		return wantTask{path: v.path, name: name}
	}
	v.mapping("name", "module", "status", "tries", "failure", "props")
	w := wantTask{
		path:    v.path,
		name:    v.key("name").text(),
		module:  v.key("module").text(),
		status:  status(v.key("status"), engine.Succeeded, engine.Failed, engine.Skipped),
		failure: v.key("failure").text(),
		props:   v.key("props").mapping(),
	}
	if tries := v.key("tries"); tries.any != nil {
		n, ok := tries.any.(int64)
		if !ok || n < 0 {
			tries.wrong("a number of tries")
		}
		w.tries = n
	}
	return w
}

func (d *decoder) wantCallback(v value) wantCallback {
	v.mapping("on", "module", "task", "props")
	var events []string
	for _, e := range slices.Concat(pipelines.PipelineEvents, pipelines.TaskEvents) {
		events = append(events, string(e))
	}
	return wantCallback{
		path:   v.path,
		on:     v.key("on").oneOf(events...),
		module: v.key("module").text(),
		task:   v.key("task").text(),
		props:  v.key("props").mapping(),
	}
}
