package lint

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// tasks checks one list of tasks, with the params that it may read.
func (l *linter) tasks(tasks []pipelines.Task, params []pipelines.Param) {
	clear(l.params)
	for _, p := range params {
		l.params[p.Name] = p
	}
	list := newTaskList(tasks, l.o.Modules)
	l.lists = append(l.lists, list)
	outer := l.now
	defer func() { l.now = outer }()
	seen, dests := map[string]pipelines.Pos{}, map[string]int{}
	for i := range tasks {
		t := &tasks[i]
		l.now = viewpoint{list: list, task: i, vars: t.Vars}
		what := "task " + list.label(i) + ": "
		if first, twice := seen[t.Name]; twice && t.Name != "" && first != t.Pos {
			l.warnf(t.Positions["name"], "%sline %d has a task of the same name; logs can't tell them apart", what, first.Line)
		} else {
			seen[t.Name] = t.Pos
		}
		l.task(t, what)
		l.registers(t, what)
		l.sameDest(t, what, dests)
	}
}

// label names a task in messages: the rounds of an expanded loop all by the first one's name.
func (l *taskList) label(i int) string {
	i = l.first[l.tasks[i].Pos]
	if name := cmp.Or(l.tasks[i].Name, l.tasks[i].ID); name != "" {
		return strconv.Quote(pipelines.Shorten(name))
	}
	return "#" + strconv.Itoa(i)
}

func (l *linter) task(t *pipelines.Task, what string) {
	if nunjucks.HasTemplate(t.Name) {
		l.templates(t.Name, place{of: t.Positions, path: "name", fallback: t.Pos, what: what})
	}
	l.condition(t.When, place{of: t.Positions, path: "when", fallback: t.Pos, what: what})
	props := place{of: t.Positions, path: "props", fallback: t.Pos, what: what}
	l.module(l.o.Modules, t.Module, t.Props, props)
	l.gpu(t, props)
	l.timeout(t.Timeout, t.Positions["timeout"], what)
	l.callbacks(t.Callbacks, what)
}

// maxHeld is how long SQS lets a message be held, from its receipt (SQS API: ChangeMessageVisibility).
const maxHeld = 12 * time.Hour

// timeout warns of one that no message of SQS lives to see.
func (l *linter) timeout(d time.Duration, at pipelines.Pos, what string) {
	if d > maxHeld {
		l.warnf(at, "%sthe timeout is beyond 12 h: SQS lets no message be held longer, and a worker stops the job before; shorten it, or split the pipeline", what)
	}
}

// registers looks for other values under the name that a task's output gets.
func (l *linter) registers(t *pipelines.Task, what string) {
	at := t.Positions["register"]
	if t.Register == "" {
		return
	}
	if builtinNames()[t.Register] {
		l.warnf(at, "%sregister %q hides what templates call %q; choose another name", what, t.Register, t.Register)
		return
	}
	replaces := l.known[t.Register]
	for _, m := range l.now.list.makers[t.Register] {
		switch other := &l.now.list.tasks[m.task]; {
		case m.task >= l.now.task || other.Pos == t.Pos:
		case l.now.list.apart(m.task, l.now.task):
			l.warnf(at, "%stask %s may run at the same time and sets %q too; rename one, or %s",
				what, l.now.list.label(m.task), t.Register, l.now.list.wait(m.task))
			return
		default:
			replaces = true
		}
	}
	if replaces {
		l.warnf(at, "%sregister %q replaces a value of that name; what comes later sees this one", what, t.Register)
	}
}

// sameDest looks for tasks that write one file, and may do so at the same time.
func (l *linter) sameDest(t *pipelines.Task, what string, dests map[string]int) {
	dest, ok := t.Props["dest"].(string)
	if !ok || dest == "" || render.IsTemplate(dest) {
		return
	}
	if other, twice := dests[dest]; twice && l.now.list.apart(other, l.now.task) {
		at := place{of: t.Positions, path: "props.dest", fallback: t.Pos}
		l.warnf(at.key(), "%stask %s may run at the same time and writes %q too; rename one, or %s",
			what, l.now.list.label(other), pipelines.Shorten(dest), l.now.list.wait(other))
	}
	dests[dest] = l.now.task
}

// module checks a module's name and props.
func (l *linter) module(reg *modules.Registry, name string, props map[string]any, at place) {
	if name == "" {
		return // the shape is wrong, which Parse says
	}
	l.templates(props, at)
	for _, k := range slices.Sorted(maps.Keys(props)) {
		l.plainSecrets(k, props[k], at.in(k))
	}
	l.reads(name, props)
	l.cad(name, props, at)
	if reg == nil {
		return
	}
	named := at.of["module"]
	if named.Line == 0 {
		named = at.fallback
	}
	m, ok := reg.Lookup(name)
	if !ok {
		l.unknown(at.what+"module", name, reg, named)
		return
	}
	spec := m.Spec()
	if spec.Name != name {
		l.notef(named, "%smodule %q is an older spelling of %q", at.what, name, spec.Name)
	}
	l.props(m, l.withEvent(spec, props), at)
	l.older(spec.Props, props, at)
	l.paths(spec, props, at)
	for _, f := range spec.Props {
		if v, ok := props[f.Name].(string); ok && f.Secret && v != "" && !render.IsTemplate(v) && !redact.NameIsSecret(f.Name) {
			l.plainSecret(f.Name, at.in(f.Name))
		}
	}
}

// props holds props against the module: against its own rules too, as far as those go by what is no template.
func (l *linter) props(m modules.Module, props map[string]any, at place) {
	for _, p := range modules.CheckKnown(m, props, render.IsTemplate) {
		l.errorf(at.in(p.Path).key(), "%s%s", at.what, p.Msg)
	}
}

// withEvent adds what a callback prints where it is told nothing: the event, as a plugin does.
func (l *linter) withEvent(spec modules.Spec, props map[string]any) map[string]any {
	if l.now.task >= 0 {
		return props
	}
	return spec.CallbackProps(props)
}

// reads notes the variables that Debug is told to print by name.
func (l *linter) reads(module string, props map[string]any) {
	if path, ok := props["var"].(string); ok && module == "Debug" {
		name, _, _ := strings.Cut(path, ".")
		l.used[name] = true
		l.all = l.all || name == "state"
	}
}

// older notes props that go by an older name.
func (l *linter) older(fields []modules.Field, props map[string]any, at place) {
	for _, f := range fields {
		for _, alias := range f.Aliases {
			if _, given := props[alias]; given && !f.Peers {
				l.notef(at.in(alias).key(), "%sprop %q is an older spelling of %q", at.what, alias, f.Name)
			}
		}
		if nested, ok := props[f.Name].(map[string]any); ok {
			l.older(f.Fields, nested, at.in(f.Name))
		}
	}
}

// gpu notes that a task runs only where there is one.
func (l *linter) gpu(t *pipelines.Task, props place) {
	if !t.WantsGPU() {
		return
	}
	at, ok := t.Positions["gpu"]
	for _, option := range []string{"config.use_gpu", "use_gpu"} {
		if !ok {
			at, ok = t.Positions["props."+option]
		}
	}
	if !ok {
		at = props.fallback
	}
	if t.GPU.Use == gpu.Preferred {
		l.notef(at, "%sruns on a GPU where there is one, else on the CPU", props.what)
		return
	}
	l.notef(at, "%sneeds a GPU", props.what)
}

// unknown reports a name that a registry does not have.
func (l *linter) unknown(what, name string, reg *modules.Registry, at pipelines.Pos) {
	if l.o.Planned != nil && l.o.Planned(name) {
		l.warnf(at, "%s %q comes with a later version: here it fails", what, name)
		return
	}
	if s := reg.Suggest(name); s != "" {
		l.errorf(at, "%s %q is unknown, did you mean %q?", what, name, s)
		return
	}
	l.errorf(at, "%s %q is unknown; `millrace modules` lists those there are", what, name)
}

// plainSecrets warns of values whose names say that they should not stand in a document.
func (l *linter) plainSecrets(name string, v any, at place) {
	switch x := v.(type) {
	case string:
		if x != "" && !render.IsTemplate(x) && redact.NameIsSecret(name) {
			l.plainSecret(name, at)
		} else if slices.ContainsFunc(redact.InURLs(x), func(s string) bool { return !strings.Contains(s, "{{") }) {
			l.warnf(at.key(), "%sthe URL has a password or token in plain text; take it from the environment: \"{{ env.TOKEN }}\"", at.what)
		}
	case render.Scoped:
		l.plainSecrets(name, x.Text, at)
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(x)) {
			l.plainSecrets(k, x[k], at.in(k))
		}
	case []any:
		for i, e := range x {
			l.plainSecrets("", e, at.entry(i))
		}
	}
}

func (l *linter) plainSecret(name string, at place) {
	variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	l.warnf(at.key(), "%s%q looks like a secret in plain text; take it from the environment: \"{{ env.%s }}\"", at.what, name, variable)
}
