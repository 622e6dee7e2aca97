package nunjucks

import "maps"

// A frame holds the names of one tag's body; an inner frame sees the outer ones.
type frame struct {
	vars     map[string]any
	parent   *frame
	lexical  []string // loop variables and parameters without defaults in vars
	isolated bool     // set never writes through it to an outer frame
	top      bool     // what is set here belongs to the page too
}

// unfilled stands in a frame for a loop variable or parameter that got no value: undefined, yet hiding outer names.
type unfilled struct{}

func (f *frame) lookup(name string) (any, bool) {
	for ; f != nil; f = f.parent {
		switch v := f.vars[name].(type) {
		case unfilled:
			return undef{}, true
		case undef:
		case nil:
			if _, ok := f.vars[name]; ok {
				return nil, true
			}
		default:
			return v, true
		}
	}
	return nil, false
}

// lexicals returns a frame with the loop variables and parameters that this one and the outer ones hold.
func (f *frame) lexicals() *frame {
	all := &frame{}
	for ; f != nil; f = f.parent {
		for _, name := range f.lexical {
			v, ok := f.vars[name]
			if _, hidden := all.vars[name]; ok && !hidden {
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

func (f *frame) put(name string, v any) {
	if f.vars == nil {
		f.vars = map[string]any{}
	}
	f.vars[name] = v
}

// set writes where the name already stands, in this frame or one it may write to; else here.
func (f *frame) set(name string, v any) {
	if _, ok := f.vars[name].(unfilled); ok {
		f.put(name, v)
		return
	}
	for g := f; g != nil; g = g.parent {
		if old, ok := g.vars[name]; ok && !isUndef(old) {
			g.put(name, v)
			return
		}
		if g == f && g.isolated {
			break
		}
	}
	f.put(name, v)
}

// A page is what one template of a render sees outside all frames.
type page struct {
	input    *dict          // the caller's variables
	vars     map[string]any // set at top level; they win over input
	exported []string       // names that an import brings over
	blocks   map[string][]*blockNode
}

func newPage(input *dict) *page {
	return &page{input: input, vars: map[string]any{}, blocks: map[string][]*blockNode{}}
}

// inherit returns a page for an included template: it sees this page's variables and sets its own.
func (p *page) inherit() *page {
	q := newPage(p.input)
	maps.Copy(q.vars, p.vars)
	return q
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
			s.page.vars[name] = v
		}
		return v
	}
	if f := builtinGlobal(name); f != nil {
		return &function{name, f}
	}
	return undef{}
}
