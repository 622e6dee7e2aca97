package pipelines

import "strings"

// Positions are the places of what stands in a document, by path: "module", "props.src", "props.config.tris",
// "props.args[0]", of the key or the entry. With a colon after it ("props.src:") a path names where a scalar's text
// starts, where the source holds it unchanged.
type Positions map[string]Pos

// Key returns the place of a path's key, or of what that is in; otherwise where nothing of it is known.
func (ps Positions) Key(path string, otherwise Pos) Pos {
	for {
		if at, ok := ps[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return otherwise
		}
		path = path[:i]
	}
}

// Inside returns the place of a line and column, both from 1, in the text of a path. Where the source does not hold the
// text as it is (escapes, folded lines), or line is 0, it is that of Key.
func (ps Positions) Inside(path string, line, column int, otherwise Pos) Pos {
	at, exact := ps[path+":"]
	if !exact || line < 1 || column < 1 {
		return ps.Key(path, otherwise)
	}
	return Pos{at.File, at.Line + line - 1, at.Column + column - 1}
}
