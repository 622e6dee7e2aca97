package modules

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// A Registry finds modules by name. It never changes, so anybody may read it at any time.
type Registry struct {
	byName map[string]Module // aliases too
	sorted []Module          // by name
}

// NewRegistry lists ms. Its error names every name or alias that is taken twice.
func NewRegistry(ms ...Module) (*Registry, error) {
	r := &Registry{byName: make(map[string]Module, len(ms)), sorted: slices.Clone(ms)}
	slices.SortStableFunc(r.sorted, func(a, b Module) int { return cmp.Compare(names(a)[0], names(b)[0]) })
	var errs []error
	for _, m := range ms {
		all := names(m)
		for _, name := range all {
			if taken, dup := r.byName[name]; dup {
				errs = append(errs, fmt.Errorf("module name %q of %s is taken by %s", name, all[0], names(taken)[0]))
				continue
			}
			r.byName[name] = m
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// Lookup finds a module by its name or one of its aliases.
func (r *Registry) Lookup(name string) (Module, bool) {
	m, ok := r.byName[name]
	return m, ok
}

// All yields the modules in the order of their names.
func (r *Registry) All() iter.Seq[Module] { return slices.Values(r.sorted) }

// Suggest returns the name that an unknown one is most likely a slip for; empty when none is near.
func (r *Registry) Suggest(name string) string {
	var all []string
	for _, m := range r.sorted {
		all = append(all, names(m)...)
	}
	return Closest(name, all)
}

// names returns a module's name and its aliases, without working out its fields where Define made it.
func names(m Module) []string {
	if d, ok := m.(interface{ names() []string }); ok {
		return d.names()
	}
	s := m.Spec()
	return append([]string{s.Name}, s.Aliases...)
}
