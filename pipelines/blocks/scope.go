package blocks

import "maps"

// A scope holds the variables of one loop, or of the document.
type scope struct {
	vars   map[string]any
	all    map[string]any // vars and those of the scopes round it, not written to again; nil after a change
	paid   bool           // all is counted in room
	parent *scope
}

// flat returns what the scope holds and what it sees; nil when there is nothing. As long as nothing changes, it is the
// same map.
func (s *scope) flat() map[string]any {
	if s.all == nil && s.parent == nil && len(s.vars) == 0 {
		return nil
	}
	if s.all == nil {
		s.all, s.paid = map[string]any{}, false
		if s.parent != nil {
			maps.Copy(s.all, s.parent.flat())
		}
		maps.Copy(s.all, s.vars)
	}
	return s.all
}

func (s *scope) bind(name string, v any) {
	if s.vars == nil {
		s.vars = map[string]any{}
	}
	s.vars[name] = v
	s.all = nil
}
