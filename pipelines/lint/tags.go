package lint

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/blocks"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// expressions checks those of a document's tags: they must parse, name what there is, and read what the state or a block
// around them has. p is the document's pipeline.
func expressions(tags []blocks.Expression, p *pipelines.Pipeline, found *pipelines.Problems) {
	state := builtinNames()
	for k := range p.State {
		state[k] = true
	}
	params := p.Params
	for _, e := range p.Entries {
		params = slices.Concat(params, e.Params)
	}
	for _, param := range params {
		state[param.Name] = true
	}
	env := render.Language(p.Settings.Strict)
	for _, x := range tags {
		t := tag{x, p.Source, found}
		expr, err := env.ParseExpr("", x.Text)
		if err != nil {
			t.unparsed(err)
			continue
		}
		known := maps.Clone(state)
		for _, name := range x.Names {
			known[name] = true
		}
		t.check(expr, known)
	}
}

// A tag is one whose expression is checked.
type tag struct {
	blocks.Expression
	file  string
	found *pipelines.Problems
}

// at is the place of a line and column in the expression.
func (t tag) at(line, column int) pipelines.Pos {
	if line > 1 {
		return pipelines.Pos{File: t.file, Line: t.Line + line - 1, Column: column}
	}
	return pipelines.Pos{File: t.file, Line: t.Line, Column: t.Column + max(column, 1) - 1}
}

func (t tag) unparsed(err error) {
	pos, msg := t.at(1, 1), err.Error()
	if e, ok := errors.AsType[*nunjucks.Error](err); ok {
		pos, msg = t.at(e.Line, e.Col), e.Text()
	}
	t.found.Errorf(pos, "{%% %s %%}: the expression doesn't parse: %s", t.Tag, msg)
}

// check holds the expression against the variables that are known where it stands.
func (t tag) check(expr *nunjucks.Expr, known map[string]bool) {
	facts := expr.Facts()
	for _, u := range facts.Unknown {
		t.found.Errorf(t.at(u.Line, u.Col), "{%% %s %%}: the %s %q is unknown", t.Tag, u.Kind, pipelines.Shorten(u.Name))
	}
	for _, r := range facts.Vars {
		if name, _ := variable(r); !known[name] && !r.Guarded {
			t.undefined(name, slices.Sorted(maps.Keys(known)), t.at(r.Line, r.Col))
		}
	}
}

// undefined warns of a variable. What tasks register is not there yet when blocks are expanded.
func (t tag) undefined(name string, known []string, at pipelines.Pos) {
	hint := ""
	if s := modules.Closest(name, known); s != "" {
		hint = fmt.Sprintf(", did you mean %q", s)
	}
	t.found.Add(pipelines.Problem{Pos: at, Severity: pipelines.SeverityWarning, Msg: fmt.Sprintf(
		"{%% %s %%}: variable %q is in neither the state nor a block round this%s; unless the message brings it, it is empty",
		t.Tag, pipelines.Shorten(name), hint)})
}
