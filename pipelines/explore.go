package pipelines

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/pipelines/blocks"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// A View is what a document comes to by one choice among the branches of its blocks.
type View struct {
	Pipeline *Pipeline    // nil where it comes to none
	Problems []Problem    // of its shape
	Lines    map[int]bool // of the source that came out; empty where it has no blocks

	// Unresolved is why the state is not known that the blocks read, which Parse refuses; nil where it is.
	Unresolved *Problem
}

// maxViewed bounds what a document is expanded to, all views but the first together, to see all of it: in bytes.
const maxViewed = 8 << 20

// Explore reads a document for those who check it, so that all of it is seen. The first view is what Parse returns. Where
// blocks hide lines from it others follow, in which each loop runs once, until all lines were seen: what variables come to
// is not known there, and a module that they name is left empty. tags are what the blocks are expanded by.
func Explore(name string, doc []byte) (views []View, tags []blocks.Expression) {
	p := parser{file: name}
	pl := p.document(context.Background(), doc)
	if pl == nil || p.blocks == nil {
		return []View{{Pipeline: pl, Problems: p.Problems}}, nil
	}
	views = []View{{pl, p.Problems, p.expansion.Emitted(), p.unresolved}}
	ran, size := []*blocks.Expansion{p.expansion}, 0
	for x := p.blocks.Cover(ran...); x != nil; x = p.blocks.Cover(ran...) {
		if size += len(x.Text); size > maxViewed {
			n, line, column := p.blocks.Unseen(ran...)
			views[0].Problems = append(views[0].Problems, Problem{Pos{name, line, column}, SeverityWarning, fmt.Sprintf(
				"%d branches, from here on, were not looked at, as that takes too long; split the document", n)})
			break
		}
		views = append(views, p.explored(x))
		ran = append(ran, x)
	}
	return views, p.blocks.Expressions()
}

// explored reads what came out of blocks whose variables are not known.
func (of *parser) explored(x *blocks.Expansion) View {
	p := parser{file: of.file, structural: true, strict: of.strict}
	root := p.expanded(x)
	if root != nil {
		s := settler{parser: &p, env: render.Language(false)}
		s.document(context.Background(), root)
	}
	pl := p.root(root)
	if pl != nil {
		unnamed(pl)
	}
	return View{Pipeline: pl, Problems: p.Problems, Lines: x.Emitted()}
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
