package nunjucks

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
)

// fromGo makes a Go value one of ours. Lists and maps are wrapped, not walked.
func fromGo(v any) any {
	switch x := v.(type) {
	case nil, undef, bool, float64, string, Safe, *list, *dict, *function, *regex:
		return v
	case map[string]any:
		if x == nil {
			x = map[string]any{}
		}
		return &dict{src: x}
	case []any:
		return &list{src: x}
	case Ordered:
		return fromOrdered(x)
	case []string:
		return &list{texts: x}
	case map[string]string:
		d := &dict{src: make(map[string]any, len(x))}
		for k, s := range x {
			d.src[k] = s
		}
		return d
	case []map[string]any:
		return newList(wrapAll(x))
	case json.Number:
		return parseNumber(string(x))
	}
	if f, ok := goNumber(v); ok {
		return f
	}
	if f := hostFunction("function", v); f != nil {
		return f
	}
	return fmt.Sprint(v)
}

func fromOrdered(x Ordered) any {
	v := fromGo(x.Value)
	switch v := v.(type) {
	case *dict:
		v.below = x.Order
	case *list:
		v.below = x.Order
	}
	return v
}

func wrapAll[T any](items []T) []any {
	values := make([]any, len(items))
	for i, item := range items {
		values[i] = fromGo(item)
	}
	return values
}

func goNumber(v any) (float64, bool) {
	switch x := v.(type) {
	case int:
		return float64(x), true
	case int8:
		return float64(x), true
	case int16:
		return float64(x), true
	case int32:
		return float64(x), true
	case int64:
		return float64(x), true
	case uint:
		return float64(x), true
	case uint8:
		return float64(x), true
	case uint16:
		return float64(x), true
	case uint32:
		return float64(x), true
	case uint64:
		return float64(x), true
	case float32:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// hostFunction wraps v, or returns nil when it is no Func.
func hostFunction(name string, v any) *function {
	var f Func
	switch x := v.(type) {
	case Func:
		f = x
	case func(context.Context, []any) (any, error):
		f = x
	}
	if f == nil {
		return nil
	}
	return &function{name, func(s *state, args []any) any {
		return s.callHost(name, func(ctx context.Context) (any, error) { return f(ctx, s.toGoList(args)) })
	}}
}

// toGo is what Template.Value promises. A list that holds itself runs into the depth limit.
func (s *state) toGo(v any) any {
	s.tick(1)
	switch x := v.(type) {
	case undef, *function:
		return nil
	case float64:
		if x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
			return int64(x)
		}
		return x
	case Safe:
		return string(x)
	case *regex:
		return s.text(x)
	case *list:
		return s.toGoList(x.items())
	case *dict:
		return s.toGoMap(x)
	}
	return v
}

func (s *state) toGoList(items []any) []any {
	s.enter()
	s.chargeList(len(items))
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = s.toGo(item)
	}
	s.leave()
	return out
}

// toGoMap leaves functions out.
func (s *state) toGoMap(d *dict) map[string]any {
	s.enter()
	s.charge(d.len() * bytesPerItem)
	out := make(map[string]any, d.len())
	for _, key := range d.keys() {
		v, _ := d.get(key)
		if _, ok := v.(*function); !ok {
			out[key] = s.toGo(v)
		}
	}
	s.leave()
	return out
}

// Truthy reports whether a value, as Value and Eval return it, is true in a condition: not nil, false, 0, NaN or "".
// Lists and maps are true, empty ones too.
func Truthy(v any) bool {
	if f, ok := goNumber(v); ok {
		v = f
	}
	return truthy(v)
}
