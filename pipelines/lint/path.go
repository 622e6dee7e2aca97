package lint

import (
	"path"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/workspace"
	"github.com/millrace/millrace/pipelines/render"
)

// paths checks the props that name files. A template's value is known only when the task runs.
func (l *linter) paths(spec modules.Spec, props map[string]any, at place) {
	if spec.Shell {
		l.scripts(props, at)
	}
	for _, f := range spec.Props {
		if f.Name != "src" && f.Name != "dest" && f.Name != "path" {
			continue
		}
		for _, key := range append([]string{f.Name}, f.Aliases...) {
			l.path(key, props[key], at.in(key))
		}
	}
}

func (l *linter) path(prop string, v any, at place) {
	switch x := v.(type) {
	case string:
		name := path.Clean(x)
		switch {
		case render.IsTemplate(x):
		case name == "..", strings.HasPrefix(name, "../"):
			l.errorf(at.key(), "%sprop %q leads out of the workspace; use a path inside it", at.what, prop)
		case path.IsAbs(name) && name != workspace.DefaultAlias && !strings.HasPrefix(name, workspace.DefaultAlias+"/"):
			l.warnf(at.key(), "%sprop %q is outside the workspace: a worker refuses it; use a relative path", at.what, prop)
		}
	case []any:
		for i, e := range x {
			l.path(prop, e, at.entry(i))
		}
	}
}

// scripts notes the workspace's name inside text that a program is given to run: there it is replaced, elsewhere not.
func (l *linter) scripts(props map[string]any, at place) {
	args, _ := props["args"].([]any)
	for i, arg := range args {
		text, ok := arg.(string)
		if s, scoped := arg.(render.Scoped); scoped {
			text, ok = s.Text, true
		}
		if ok && strings.Contains(text, workspace.DefaultAlias) && strings.ContainsAny(text, " \n") {
			l.notef(at.in("args").entry(i).key(), "%s%s in this script is replaced by the job's own folder, but not in files that the script reads; relative paths work in both",
				at.what, workspace.DefaultAlias)
		}
	}
}
