package pipelines

import (
	"path"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/workspace"
)

// paths checks the props that name files. A template's value is known only when the task runs.
func (l *linter) paths(spec modules.Spec, props map[string]any, at place) {
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
		case dynamic(x):
		case name == "..", strings.HasPrefix(name, "../"):
			l.errorf(at.key(), "%sprop %q leads out of the workspace; use a path inside it", at.what, prop)
		case path.IsAbs(name) && name != workspace.DefaultAlias && !strings.HasPrefix(name, workspace.DefaultAlias+"/"):
			l.warnf(at.key(), "%sprop %q is outside the workspace: a worker refuses it; use a relative path", at.what, prop)
		}
	case []any:
		for i, e := range x {
			l.path(prop, e, at.in("["+strconv.Itoa(i)+"]"))
		}
	}
}
