package lint

import (
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines"
)

// A place is where a value stands in a document.
type place struct {
	of       pipelines.Positions // of a pipeline, task or callback
	path     string              // in of
	fallback pipelines.Pos       // where of does not know
	what     string              // "task \"x\": ", begins every message about it
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
func (p place) key() pipelines.Pos { return p.of.Key(p.path, p.fallback) }

// inside returns the position of a line and column in the text, counted from 1.
func (p place) inside(line, column int) pipelines.Pos {
	return p.of.Inside(p.path, line, column, p.fallback)
}
