package nunjucks

import (
	"slices"
	"strconv"

	"github.com/dlclark/regexp2"
)

// Inside, a value is one of: undef, nil (null), bool, float64, string, Safe, *list, *dict, *function, *regex.
// All are comparable; lists and dicts compare by identity, as in JavaScript.

// undef is undefined.
type undef struct{}

// Safe is text that autoescape leaves as it is.
type Safe string

// A list that comes from Go, or is of strings, is converted when it is first looked at as a whole.
type list struct {
	values []any
	src    []any    // not converted yet
	below  *Order   // of src
	texts  []string // not converted yet
}

func newList(values []any) *list { return &list{values: values} }

func (l *list) items() []any {
	switch {
	case l.src != nil && l.below != nil:
		l.values = make([]any, len(l.src))
		for i, v := range l.src {
			l.values[i] = fromGo(WithOrder(v, l.below.At(strconv.Itoa(i))))
		}
		l.src = nil
	case l.src != nil:
		l.values, l.src = wrapAll(l.src), nil
	case l.texts != nil:
		l.values, l.texts = wrapAll(l.texts), nil
	}
	return l.values
}

// at is items()[i].
func (l *list) at(i int) any {
	if l.texts != nil {
		return l.texts[i]
	}
	return l.items()[i]
}

func (l *list) len() int { return len(l.values) + len(l.src) + len(l.texts) }

// A dict keeps the order in which keys were set. One that comes from Go is converted key by key, as they are read.
type dict struct {
	values   map[string]any
	order    []string
	src      map[string]any // of one that comes from Go, instead of values; never written
	below    *Order         // of src
	looked   vars           // what is no plain value in src, once it was looked at
	keywords bool           // the keyword arguments of a call
	indexed  bool           // has keys that look like list indexes, which JavaScript puts first
}

func (d *dict) get(key string) (any, bool) {
	if d.src == nil {
		v, ok := d.values[key]
		return v, ok
	}
	v, ok := d.src[key]
	switch v.(type) {
	case nil, string, float64, bool:
		return v, ok
	}
	if v, ok := d.looked.get(key); ok {
		return v, true
	}
	v = fromGo(WithOrder(v, d.below.At(key)))
	d.looked.put(key, v)
	return v, true
}

// set is for dicts that do not come from Go.
func (d *dict) set(key string, v any) {
	if d.values == nil {
		d.values = map[string]any{}
	}
	if _, ok := d.values[key]; !ok {
		d.order = append(d.order, key)
		d.indexed = d.indexed || isIndexKey(key)
	}
	d.values[key] = v
}

func (d *dict) len() int {
	if d.src != nil {
		return len(d.src)
	}
	return len(d.order)
}

// keys are in the order of setting, or as its Order says when the dict comes from Go. Index keys come first, by number.
func (d *dict) keys() []string {
	if d.src != nil && d.order == nil {
		d.order = d.below.Of(d.src)
	}
	if !d.indexed {
		return d.order
	}
	return indexesFirst(d.order)
}

func indexesFirst(keys []string) []string {
	if !slices.ContainsFunc(keys, isIndexKey) {
		return keys
	}
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b string) int {
		switch x, y := isIndexKey(a), isIndexKey(b); {
		case x && y:
			return indexOf(a) - indexOf(b)
		case x:
			return -1
		case y:
			return 1
		}
		return 0
	})
	return keys
}

// isIndexKey reports whether key is how JavaScript writes an array index (up to nine digits, which is enough here).
func isIndexKey(key string) bool {
	if key == "" || len(key) > 9 || key[0] == '0' && len(key) > 1 {
		return false
	}
	for _, c := range []byte(key) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func indexOf(key string) int {
	i, _ := strconv.Atoi(key)
	return i
}

// A builtin is a function, filter or test of the language. A filter's or test's first argument is its value. The slice of
// arguments is the caller's again when it returns.
type builtin func(s *state, args []any) any

type function struct {
	name string
	call builtin
}

type regex struct {
	source, flags string
	compiled      *regexp2.Regexp
}

func isUndef(v any) bool { return v == any(undef{}) }

func isNullish(v any) bool { return v == nil || isUndef(v) }

// arg is args[i], or undefined.
func arg(args []any, i int) any {
	if i < len(args) {
		return args[i]
	}
	return undef{}
}
