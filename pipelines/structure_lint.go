package pipelines

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/pipelines/blocks"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// lint adds what Lint says of pl, which p read, and what blocks hide from it.
func (p *parser) lint(pl *Pipeline, o LintOptions) {
	known := *pl
	if p.structural && len(pl.Tasks) == 0 {
		known.Tasks = nil // a job may give it some
	}
	found := Lint(&known, o)
	if p.unresolved != nil && !slices.ContainsFunc(found, pl.inState) {
		p.add(*p.unresolved)
	}
	p.problems = append(p.problems, found...)
	if p.blocks != nil {
		p.lintTags(pl)
		p.lintBlocks(o)
	}
}

// inState says that an error stands in the pipeline's state.
func (p *Pipeline) inState(problem Problem) bool {
	for path, at := range p.Positions {
		if problem.Severity == SeverityError && strings.HasPrefix(path, "state") && at.Line == problem.Pos.Line {
			return true
		}
	}
	return false
}

// maxCover bounds how often lint expands a document to see all of it.
const maxCover = 16

// lintBlocks lints what blocks leave out where nothing is given: problems count that stand on lines which no expansion
// before had.
func (p *parser) lintBlocks(o LintOptions) {
	env := render.Language(false)
	ran := []*blocks.Expansion{p.expansion}
	shown := p.expansion.Emitted()
	for x := p.blocks.Cover(ran...); x != nil && len(ran) < maxCover; x = p.blocks.Cover(ran...) {
		sub := parser{file: p.file, structural: true, strict: p.strict}
		if root := sub.expanded(x); root != nil {
			s := settler{parser: &sub, env: env}
			s.document(context.Background(), root)
			if pl := sub.root(root); pl != nil {
				unnamed(pl)
				sub.problems = append(sub.problems, Lint(pl, o)...)
			}
		}
		for _, problem := range sub.problems {
			if !shown[problem.Pos.Line] {
				p.add(problem)
			}
		}
		for line := range x.Emitted() {
			shown[line] = true
		}
		ran = append(ran, x)
	}
}

// unnamed takes from tasks the modules that variables name which are not known.
func unnamed(pl *Pipeline) {
	all := [][]Task{pl.Tasks}
	for _, e := range pl.Entries {
		all = append(all, e.Tasks)
	}
	for _, tasks := range all {
		for i := range tasks {
			if t := &tasks[i]; nunjucks.HasTemplate(t.Module) && t.Vars != nil {
				t.Module = ""
			}
		}
	}
}

// lintTags reports expressions of tags that don't parse or name what there is not, and variables that neither the state
// nor a block around them has.
func (p *parser) lintTags(pl *Pipeline) {
	env := render.Language(pl.Settings.Strict)
	state := builtinNames()
	for k := range pl.State {
		state[k] = true
	}
	for _, param := range pl.Params {
		state[param.Name] = true
	}
	for _, x := range p.blocks.Expressions() {
		at := func(line, column int) Pos {
			if line > 1 {
				return Pos{p.file, x.Line + line - 1, column}
			}
			return Pos{p.file, x.Line, x.Column + max(column, 1) - 1}
		}
		expr, err := env.ParseExpr("", x.Text)
		if err != nil {
			pos, msg := at(1, 1), err.Error()
			if e, ok := errors.AsType[*nunjucks.Error](err); ok {
				pos, msg = at(e.Line, e.Col), e.Msg
			}
			p.errorf(pos, "{%% %s %%}: the expression doesn't parse: %s", x.Tag, msg)
			continue
		}
		for _, u := range expr.Unknown() {
			p.errorf(at(u.Line, u.Col), "{%% %s %%}: the %s %q is unknown", x.Tag, u.Kind, shorten(u.Name))
		}
		known := maps.Clone(state)
		for _, name := range x.Names {
			known[name] = true
		}
		for _, r := range expr.Vars() {
			if name := stateKey(r); !known[name] && !r.Guarded {
				p.undefined(x.Tag, name, slices.Sorted(maps.Keys(known)), at(r.Line, r.Col))
			}
		}
	}
}

// stateKey is the variable that a reference means: a of state.a too.
func stateKey(r nunjucks.Ref) string {
	if r.Name == "state" && len(r.Path) > 0 {
		return r.Path[0]
	}
	return r.Name
}

// undefined warns of a variable that a tag reads. What tasks register is not there yet when blocks are expanded.
func (p *parser) undefined(tag, name string, known []string, at Pos) {
	hint := ""
	if s := closest(name, known); s != "" {
		hint = fmt.Sprintf(", did you mean %q", s)
	}
	p.add(Problem{Pos: at, Severity: SeverityWarning, Msg: fmt.Sprintf(
		"{%% %s %%}: variable %q is in neither the state nor a block round this%s; unless the message brings it, it is empty", tag, shorten(name), hint)})
}
