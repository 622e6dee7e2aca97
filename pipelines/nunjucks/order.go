package nunjucks

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
)

// An Order says in which order the maps in a value have their keys: Go's do not know. It stands beside the value, and is
// not written to once it is shared. A nil Order is sorted throughout.
type Order struct {
	Keys []string          `json:"keys,omitzero"` // of the map itself; nil is sorted
	In   map[string]*Order `json:"in,omitzero"`   // of what stands under a key, or a list's index ("0")
}

// At returns the order of what stands under a path of keys and indexes.
func (o *Order) At(path ...string) *Order {
	for _, key := range path {
		if o == nil {
			return nil
		}
		o = o.In[key]
	}
	return o
}

// With returns o with another order under a path.
func (o *Order) With(in *Order, path ...string) *Order {
	if len(path) == 0 {
		return in
	}
	below := o.At(path[0]).With(in, path[1:]...)
	if below == o.At(path[0]) {
		return o
	}
	out := &Order{In: map[string]*Order{}}
	if o != nil {
		out.Keys = o.Keys
		maps.Copy(out.In, o.In)
	}
	out.In[path[0]] = below
	return out
}

// Of returns the keys of m: those in Keys, and after them any other, sorted. As in JavaScript, what looks like a list
// index comes first, by number.
func (o *Order) Of(m map[string]any) []string {
	if o == nil || o.Keys == nil {
		return indexesFirst(slices.Sorted(maps.Keys(m)))
	}
	keys, seen := make([]string, 0, len(m)), make(map[string]bool, len(m))
	for _, k := range o.Keys {
		if _, ok := m[k]; ok && !seen[k] {
			keys, seen[k] = append(keys, k), true
		}
	}
	if known := len(keys); known < len(m) {
		for k := range m {
			if !seen[k] {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys[known:])
	}
	return indexesFirst(keys)
}

// Overlay returns the order of base, which o is of, with over laid over it: keys of both keep their places, others follow.
func (o *Order) Overlay(base, over map[string]any, top *Order) *Order {
	out := Order{Keys: o.Of(base), In: map[string]*Order{}}
	if o != nil {
		maps.Copy(out.In, o.In)
	}
	for _, k := range top.Of(over) {
		if _, own := base[k]; !own {
			out.Keys = append(out.Keys, k)
		}
		out.In[k] = top.At(k)
	}
	return out.needed()
}

// needed returns o without what says that keys are sorted.
func (o Order) needed() *Order {
	maps.DeleteFunc(o.In, func(_ string, in *Order) bool { return in == nil })
	if len(o.In) == 0 {
		o.In = nil
	}
	if slices.IsSorted(o.Keys) {
		o.Keys = nil
	}
	if o.In == nil && o.Keys == nil {
		return nil
	}
	return &o
}

// Ordering makes the Order of a map or list that is read piece by piece; nil where all is sorted.
func Ordering(keys []string, in map[string]*Order) *Order { return Order{Keys: keys, In: in}.needed() }

// Ordered is a map or list with the order of the maps in it. Among variables it stands for its Value, which is plain.
type Ordered struct {
	Value any
	Order *Order
}

// WithOrder returns v as an Ordered, or v itself where there is no order.
func WithOrder(v any, o *Order) any {
	switch v.(type) {
	case map[string]any, []any:
		if o != nil {
			return Ordered{v, o}
		}
	}
	return v
}

// Plain parts a value from its order.
func Plain(v any) (any, *Order) {
	if o, ok := v.(Ordered); ok {
		return o.Value, o.Order
	}
	return v, nil
}

// MarshalJSON writes maps in their order.
func (x Ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := writeJSON(&b, x.Value, x.Order)
	return b.Bytes(), err
}

func writeJSON(b *bytes.Buffer, v any, o *Order) error {
	if _, ordered := WithOrder(v, o).(Ordered); !ordered {
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false) // whoever writes the whole decides
		return enc.Encode(v)
	}
	var errs []error
	separate := func(i int) {
		if i > 0 {
			b.WriteByte(',')
		}
	}
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for i, k := range o.Of(v) {
			separate(i)
			errs = append(errs, writeJSON(b, k, nil))
			b.WriteByte(':')
			errs = append(errs, writeJSON(b, v[k], o.At(k)))
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			separate(i)
			errs = append(errs, writeJSON(b, e, o.At(strconv.Itoa(i))))
		}
		b.WriteByte(']')
	}
	return errors.Join(errs...)
}

// orderOf returns the order of a value that toGo has turned to Go, which counted its entries.
func (s *state) orderOf(v any) *Order {
	o := Order{}
	below := func(key string, in *Order) {
		if o.In == nil {
			o.In = map[string]*Order{}
		}
		o.In[key] = in
	}
	switch x := v.(type) {
	case *list:
		for i, item := range x.items() {
			if in := s.orderOf(item); in != nil {
				below(strconv.Itoa(i), in)
			}
		}
	case *dict:
		o.Keys = slices.Clone(x.keys())
		for _, key := range o.Keys {
			e, _ := x.get(key)
			if in := s.orderOf(e); in != nil {
				below(key, in)
			}
		}
	}
	return o.needed()
}
