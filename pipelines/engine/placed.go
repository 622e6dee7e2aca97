package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// A placedError is a mistake of the document's, with its place.
type placedError struct {
	at  pipelines.Pos
	msg string
	err error // what lies beneath; may be nil
}

func (e *placedError) Error() string { return e.at.String() + ": " + e.msg }
func (e *placedError) Unwrap() error { return e.err }

// misrendered adds its place to what went wrong in a template: of the mistake inside it, where the source holds it as it
// is. path is the template's, of a prop as render says.
func (s *taskScope) misrendered(path string, err error) error {
	what, msg := path, err.Error()
	if v, ok := errors.AsType[*render.ValueError](err); ok {
		path, what, msg = "props."+v.Path, fmt.Sprintf("prop %q", v.Path), v.Err.Error()
	}
	line, column := 0, 0
	if e, ok := errors.AsType[*nunjucks.Error](err); ok {
		line, column, msg = e.Line, e.Col, e.Text()
	}
	at := s.task.Positions.Inside(path, line, column, s.task.Pos)
	return fault.As(fault.Permanent, &placedError{at, fmt.Sprintf("task %q: %s: %s", s.label(), what, msg), err})
}

// explain adds place and cause to what a module says of its props.
func (s *taskScope) explain(p *modules.PropError, missing map[string]string) error {
	lines := make([]string, len(p.Problems))
	for i, pr := range p.Problems {
		lines[i] = fmt.Sprintf("task %q: %s", s.label(), pr.Msg)
		if v := missing[pr.Path]; v != "" {
			lines[i] += fmt.Sprintf(" (variable %q is not defined)", v)
		}
		if i > 0 {
			lines[i] = s.place("props."+pr.Path).String() + ": " + lines[i]
		}
	}
	return fault.As(fault.Permanent, &placedError{s.place("props." + p.Problems[0].Path), strings.Join(lines, "; "), nil})
}

// place is that of a key, or of the task.
func (s *taskScope) place(path string) pipelines.Pos { return placeOf(s.task, path) }

func placeOf(t *pipelines.Task, path string) pipelines.Pos {
	if pos, ok := t.Positions[path]; ok {
		return pos
	}
	return t.Pos
}

func (s *taskScope) unknownModule(reg *modules.Registry) error {
	msg := fmt.Sprintf("task %q: %v", s.label(), unknown(s.task.Module, reg, s.cfg.Planned))
	return fault.As(fault.Permanent, &placedError{s.place("module"), msg, nil})
}

// unknown says what is wrong with a module's name, and what to do about it.
func unknown(name string, reg *modules.Registry, planned func(string) bool) error {
	if planned != nil && planned(name) {
		return fmt.Errorf("module %q is known, but this version does not have it yet (`millrace modules` lists those it has)", name)
	}
	if s := reg.Suggest(name); s != "" {
		return fmt.Errorf("module %q is unknown, did you mean %q?", name, s)
	}
	return fmt.Errorf("module %q is unknown (`millrace modules` lists them)", name)
}
