package pipelines

import (
	"strconv"
	"strings"
)

// Locate returns where a line and column of a task's text stand in the document. path is the text's: "when",
// "props.config.tris", "props.args[0]". Where the source does not hold the text as it is (escapes, folded lines), or line
// is 0, it is the place of the text's key, or of what that is in.
func (t *Task) Locate(path string, line, column int) Pos {
	return place{of: t.Positions, path: path, fallback: t.Pos}.inside(line, column)
}

// Locate is Task.Locate for a callback's.
func (c *Callback) Locate(path string, line, column int) Pos {
	return place{of: c.Positions, path: path, fallback: c.Pos}.inside(line, column)
}

// A place is where a value stands in a document.
type place struct {
	of       map[string]Pos // positions of a pipeline, task or callback
	path     string         // in of
	fallback Pos            // where of does not know
	what     string         // "task \"x\": ", begins every message about it
}

// in goes to a key ("src", "config.tris") or an entry ("[0]") below.
func (p place) in(key string) place {
	switch {
	case key == "":
	case strings.HasPrefix(key, "["):
		p.path += key
	default:
		p.path += "." + key
	}
	return p
}

// entry goes to an entry of a list.
func (p place) entry(i int) place {
	p.path += "[" + strconv.Itoa(i) + "]"
	return p
}

// key returns the position of the key, or of what it is in.
func (p place) key() Pos {
	for path := p.path; ; {
		if at, ok := p.of[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return p.fallback
		}
		path = path[:i]
	}
}

// inside returns the position of a line and column in the text, counted from 1.
func (p place) inside(line, column int) Pos {
	at, exact := p.of[p.path+":"]
	if !exact || line < 1 || column < 1 {
		return p.key()
	}
	return Pos{at.File, at.Line + line - 1, at.Column + column - 1}
}
