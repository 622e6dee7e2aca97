package pipelines

import (
	"context"

	"github.com/millrace/millrace/pipelines/blocks"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
)

// A View is what a document comes to by one choice among the branches of its blocks.
type View struct {
	Pipeline *Pipeline    // nil where it comes to none
	Problems []Problem    // of its shape
	Lines    map[int]bool // of the source that came out; empty where it has no blocks
}

// maxViews bounds how often a document is expanded to see all of it.
const maxViews = 16

// Explore reads a document for those who check it, so that all of it is seen. The first view is what Parse returns. Where
// blocks hide lines from it others follow, in which each loop runs once, until all lines were seen: what variables come to
// is not known there, and a module that they name is left empty. tags are what the blocks are expanded by.
func Explore(name string, doc []byte) (views []View, tags []blocks.Expression) {
	p := parser{file: name}
	pl := p.document(context.Background(), doc)
	if pl == nil || p.blocks == nil {
		return []View{{Pipeline: pl, Problems: p.Problems}}, nil
	}
	views = []View{{pl, p.Problems, p.expansion.Emitted()}}
	ran := []*blocks.Expansion{p.expansion}
	for x := p.blocks.Cover(ran...); x != nil && len(ran) < maxViews; x = p.blocks.Cover(ran...) {
		views = append(views, explored(name, x))
		ran = append(ran, x)
	}
	return views, p.blocks.Expressions()
}

// explored reads what came out of blocks whose variables are not known.
func explored(name string, x *blocks.Expansion) View {
	p := parser{file: name, structural: true}
	root := p.expanded(x)
	if root != nil {
		s := settler{parser: &p, env: render.Language(false)}
		s.document(context.Background(), root)
	}
	pl := p.root(root)
	if pl != nil {
		unnamed(pl.Tasks)
		for _, e := range pl.Entries {
			unnamed(e.Tasks)
		}
	}
	return View{pl, p.Problems, x.Emitted()}
}

// unnamed takes from tasks the modules that variables name which are not known.
func unnamed(tasks []Task) {
	for i := range tasks {
		t := &tasks[i]
		if nunjucks.HasTemplate(t.Module) && t.Vars != nil {
			t.Module = ""
		}
	}
}
