package document

import (
	"context"
	"fmt"

	"github.com/flosch/pongo2/v6"
)

// A sheet is what an execution writes on: texts of the template and values, told apart, so that the values can be
// written by their places once all is there. It counts steps and bytes, and ends with its context.
type sheet struct {
	ctx    context.Context
	strict bool
	pieces []piece
	spans  []span
	steps  int
	size   int // bytes of what is shown, about
	used   int // bytes that expressions have handled
	// failure is what a tag of ours ended the execution with.
	failure error
}

// A span is one piece, written.
type span struct {
	piece piece
	value any // of a value; text, bool, int64, float64, nil, []any, map[string]any
}

func (s span) isText() bool { return s.piece.kind == isText }

// sheetKey is where the tags find the sheet. No template can spell it: it begins with a digit.
const sheetKey = "0"

func sheetOf(ctx *pongo2.ExecutionContext) *sheet {
	s, _ := ctx.Public[sheetKey].(*sheet)
	return s
}

// fill executes a template.
func (s *sheet) fill(t *pongo2.Template, vars pongo2.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Msg: "it can't be rendered: one of its values has no such use"}
		}
	}()
	err = t.ExecuteWriterUnbuffered(vars, nowhere{})
	if s.failure != nil {
		return s.failure
	}
	return explain(err, s.pieces)
}

// nowhere gets what pongo2 writes by itself: the ends of compile's lines.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// step counts one turn of a loop or one value.
func (s *sheet) step() error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if s.steps++; s.steps > maxSteps {
		return &Error{Msg: fmt.Sprintf("its loops take more than %d turns", maxSteps)}
	}
	return nil
}

// handle counts what an expression reads or makes.
func (s *sheet) handle(size int) error {
	if s.used += size; s.used > maxHandled {
		return fmt.Errorf("the template works with more than %d MiB of values", maxHandled>>20)
	}
	return nil
}

func (s *sheet) tooLong() error {
	return &Error{Msg: fmt.Sprintf("what it makes is longer than %d MiB", maxOutput>>20)}
}

func (s *sheet) add(sp span, size int) error {
	if s.size += size; s.size > maxOutput {
		return s.tooLong()
	}
	s.spans = append(s.spans, sp)
	return nil
}

func (s *sheet) show(piece int, v any) error {
	p := s.pieces[piece]
	if v == nil && s.strict {
		return p.at.errorf("{{ %s }} is not known here; write {{ %s|default:\"\" }} if it may be missing", clip(p.text), clip(p.text))
	}
	v, size, err := plain(v)
	if err != nil {
		return p.at.errorf("{{ %s }}: %s", clip(p.text), err)
	}
	return s.add(span{p, v}, size)
}

// write puts the spans together.
func (s *sheet) write(f Format) (string, error) {
	switch f {
	case HTML:
		return writeHTML(s.ctx, s.spans)
	case JSON:
		return writeJSON(s.ctx, s.spans)
	case YAML:
		return writeYAML(s.ctx, s.spans)
	}
	return writeText(s.spans), nil
}

// A pulse looks at a context now and then.
type pulse struct {
	ctx   context.Context
	turns int
}

// beat returns the context's error, sooner or later after it has ended.
func (p *pulse) beat() error {
	if p.turns++; p.turns%256 == 0 && p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	return nil
}
