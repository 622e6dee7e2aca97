package nunjucks

import (
	"maps"
	"slices"
)

// A frame holds the names of one tag's body; an inner frame sees the outer ones.
type frame struct {
	vars     vars
	loop     *loop // of the for tag whose body this is, once it runs
	parent   *frame
	lexical  []string // loop variables and parameters without defaults in vars
	isolated bool     // set never writes through it to an outer frame
	top      bool     // what is set here belongs to the page too
}

// unfilled stands in a frame for a loop variable or parameter that got no value: undefined, yet hiding outer names.
type unfilled struct{}

func (f *frame) lookup(name string) (any, bool) {
	for ; f != nil; f = f.parent {
		v, ok := f.vars.get(name)
		switch v.(type) {
		case unfilled:
			return undef{}, true
		case undef:
		default:
			if ok {
				return v, true
			}
		}
		if name == "loop" && f.loop != nil {
			return f.loop.value(), true
		}
	}
	return nil, false
}

// lexicals returns a frame with the loop variables and parameters that this one and the outer ones hold.
func (f *frame) lexicals() *frame {
	all := &frame{}
	for ; f != nil; f = f.parent {
		for _, name := range f.lexical {
			v, ok := f.vars.get(name)
			if _, hidden := all.vars.get(name); ok && !hidden {
				all.put(name, v)
				all.lexical = append(all.lexical, name)
			}
		}
	}
	return all
}

// A unit is what Nunjucks compiles to one function: a template without its blocks, or a block. What runs in it shares a
// frame.
type unit struct{ _ byte }

// bind is put for loop variables and parameters.
func (f *frame) bind(name string, v any) {
	if isUndef(v) {
		v = unfilled{}
	}
	f.put(name, v)
}

func (f *frame) put(name string, v any) { f.vars.put(name, v) }

// set writes where the name already stands, in this frame or one it may write to; else here.
func (f *frame) set(name string, v any) {
	if old, _ := f.vars.get(name); old == any(unfilled{}) {
		f.put(name, v)
		return
	}
	for g := f; g != nil; g = g.parent {
		if name == "loop" && g.loop != nil {
			g.loop.hidden = true
			g.put(name, v)
			return
		}
		if old, ok := g.vars.get(name); ok && !isUndef(old) {
			g.put(name, v)
			return
		}
		if g == f && g.isolated {
			break
		}
	}
	f.put(name, v)
}

// vars are the variables of a frame: a few in a row, which is the quickest to search, the rest in a map.
type vars struct {
	row  []variable
	rest map[string]any
}

type variable struct {
	name  string
	value any
}

// maxRow is how many variables stand in a row.
const maxRow = 8

func (v *vars) get(name string) (any, bool) {
	for i := range v.row {
		if v.row[i].name == name {
			return v.row[i].value, true
		}
	}
	if v.rest == nil {
		return nil, false
	}
	value, ok := v.rest[name]
	return value, ok
}

func (v *vars) put(name string, value any) {
	for i := range v.row {
		if v.row[i].name == name {
			v.row[i].value = value
			return
		}
	}
	if len(v.row) < maxRow {
		v.row = append(v.row, variable{name, value})
		return
	}
	if v.rest == nil {
		v.rest = map[string]any{}
	}
	v.rest[name] = value
}

func (v *vars) remove(name string) {
	v.row = slices.DeleteFunc(v.row, func(x variable) bool { return x.name == name })
	delete(v.rest, name)
}

// A page is what one template of a render sees outside all frames.
type page struct {
	input    *dict          // the caller's variables
	vars     map[string]any // set at top level; they win over input
	exported []string       // names that an import brings over
	blocks   map[string][]*blockNode
}

// inherit returns a page for an included template: it sees this page's variables and sets its own.
func (p *page) inherit() *page {
	return &page{input: p.input, vars: maps.Clone(p.vars)}
}

func (p *page) set(name string, v any) {
	if p.vars == nil {
		p.vars = map[string]any{}
	}
	p.vars[name] = v
}

func (p *page) export(name string) {
	if name[0] != '_' {
		p.exported = append(p.exported, name)
	}
}

// lookup finds a name in the frames, the page, the globals, in this order.
func (s *state) lookup(name string) any {
	if v, ok := s.frame.lookup(name); ok {
		return v
	}
	if v, ok := s.page.vars[name]; ok {
		return v
	}
	if v, ok := s.page.input.get(name); ok {
		return v
	}
	if v, ok := s.env.globals[name]; ok {
		if _, ok := v.(*function); !ok {
			v = fromGo(v)
			s.page.set(name, v)
		}
		return v
	}
	if f := builtinGlobal(name); f != nil {
		return &function{name, f}
	}
	return undef{}
}
