package pipelines

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
)

// text returns a scalar as text: `when: true` and `name: 2` mean what they look like.
func (p *parser) text(f field) string {
	switch n := f.value; {
	case n.kind != scalarNode:
		p.Errorf(f.pos, "%s must be text, got %s", f.key, n.what())
	case n.value != nil:
		return strings.TrimSpace(n.text)
	}
	return ""
}

// fields returns the entries of a map; null, "" and [] count as an empty one.
func (p *parser) fields(f field) []field {
	if f.value.kind != mapNode && !f.value.empty() {
		p.Errorf(f.pos, "%s must be a map, got %s", f.key, f.value.what())
	}
	return f.value.fields
}

// list returns the entries of a list; null, "" and {} count as an empty one.
func (p *parser) list(f field) []*node {
	if f.value.kind != listNode && !f.value.empty() {
		p.Errorf(f.pos, "%s must be a list, got %s", f.key, f.value.what())
	}
	return f.value.list
}

func (p *parser) plainMap(f field) map[string]any {
	p.fields(f)
	if m, ok := f.value.any().(map[string]any); ok {
		return m
	}
	return nil
}

// boolean returns a truth value; null is otherwise.
func (p *parser) boolean(f field, otherwise bool) bool {
	switch v := f.value.value.(type) {
	case bool:
		return v
	case nil:
		if f.value.kind == scalarNode {
			return otherwise
		}
	}
	p.Errorf(f.pos, "%s must be true or false, got %s", f.key, f.value.what())
	return otherwise
}

// count returns a number of further tries.
func (p *parser) count(f field) int {
	v, ok := f.value.value.(int64)
	if !ok || v < 0 || v > MaxRetry {
		p.Errorf(f.pos, "%s must be a whole number of further tries from 0 to %d, got %s", f.key, MaxRetry, f.value.what())
		return 0
	}
	return int(v)
}

// maxDuration bounds every duration of a document.
const maxDuration = 365 * 24 * time.Hour

// duration returns a number of seconds, or text as time.ParseDuration reads it.
func (p *parser) duration(f field) time.Duration {
	var d time.Duration
	ok := true
	switch v := f.value.value.(type) {
	case int64:
		d = time.Duration(min(max(v, -1), int64(maxDuration/time.Second)+1)) * time.Second
	case float64:
		d = time.Duration(min(max(v, -1), maxDuration.Seconds()+1) * float64(time.Second))
	case string:
		var err error
		d, err = time.ParseDuration(v)
		ok = err == nil
	default:
		ok = false
	}
	switch {
	case !ok:
		p.Errorf(f.pos, "%s must be a number of seconds or a duration such as 90s or 20m, got %s", f.key, f.value.what())
	case d < 0 || d > maxDuration:
		p.Errorf(f.pos, "%s must be between 0 and a year, got %s", f.key, f.value.what())
	default:
		return d
	}
	return 0
}

// register returns a name that templates can say.
func (p *parser) register(f field) string {
	name := p.text(f)
	if strings.HasPrefix(name, "__") {
		p.Errorf(f.pos, "register %q is reserved for the operator; give it a name that does not start with __", Shorten(name))
		return ""
	}
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
		if !letter && (i == 0 || c < '0' || c > '9') {
			p.Errorf(f.pos, "register %q can't be named by a template; use letters, digits and _, not a digit first", Shorten(name))
			return ""
		}
	}
	return name
}

// unknown refuses a key, with the known one that is closest, or all of them.
func (p *parser) unknown(f field, of string, known ...string) {
	if s := modules.Closest(f.key, known); s != "" {
		p.Errorf(f.pos, "%s has no key %q, did you mean %q?", of, Shorten(f.key), s)
		return
	}
	p.Errorf(f.pos, "%s has no key %q; it has %s", of, Shorten(f.key), strings.Join(known, ", "))
}

// fromAny turns a decoded value into nodes that all stand at one place.
func fromAny(v any, at Pos, depth int, ps *Problems) *node {
	if depth > maxDepth {
		ps.Errorf(at, "lists and maps are nested more than %d deep; flatten them", maxDepth)
		return nil
	}
	switch x := v.(type) {
	case map[string]any:
		n := &node{kind: mapNode, pos: at}
		for _, k := range slices.Sorted(maps.Keys(x)) {
			if e := fromAny(x[k], at, depth+1, ps); e != nil {
				n.add(field{k, at, e}, ps)
			}
		}
		return n
	case []any:
		n := &node{kind: listNode, pos: at}
		for _, v := range x {
			if e := fromAny(v, at, depth+1, ps); e != nil {
				n.list = append(n.list, e)
			}
		}
		return n
	case int:
		v = int64(x)
	}
	return &node{kind: scalarNode, pos: at, value: v, text: fmt.Sprint(v)}
}
