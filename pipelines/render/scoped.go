package render

import "github.com/millrace/millrace/pipelines/nunjucks"

// A Scoped is a text of a document that stood inside expanded {% %} blocks, with the variables that these had set around
// it: it stands where a string would in Document, props and callbacks, and renders as that string does, its Vars hiding
// the state. Vars are plain values or nunjucks.Ordered, and are not written to.
type Scoped struct {
	Text string
	Vars map[string]any
}

// IsTemplate says that a value of a document is a text whose value is known only when it is rendered. It does not look into
// lists and maps.
func IsTemplate(v any) bool {
	switch x := v.(type) {
	case string:
		return nunjucks.HasTemplate(x)
	case Scoped:
		return true
	}
	return false
}
