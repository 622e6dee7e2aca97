package nunjucks

import (
	"fmt"
	"math"
	"strings"
)

// A jsonWriter writes JSON.stringify's text.
type jsonWriter struct {
	s      *state
	b      strings.Builder
	indent string // of one level; empty writes one line
}

func (w *jsonWriter) put(text string) { w.s.appendText(&w.b, text) }

// value writes v and reports whether JSON has anything to write for it.
func (w *jsonWriter) value(v any, margin string) bool {
	w.s.tick(1)
	switch x := v.(type) {
	case undef, *function:
		return false
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			v = nil
		}
		w.put(text(v))
	case string:
		w.quote(x)
	case Safe: // an object in JavaScript, with these two properties
		d := &dict{}
		d.set("val", string(x))
		d.set("length", float64(utf16Len(string(x))))
		w.dict(d, margin)
	case *list:
		w.list(x, margin)
	case *dict:
		w.dict(x, margin)
	case *regex:
		w.put("{}")
	default:
		w.put(text(v))
	}
	return true
}

func (w *jsonWriter) list(l *list, margin string) {
	w.s.enter()
	w.put("[")
	for i, item := range l.items() {
		w.separate(i, margin)
		if !w.value(item, margin+w.indent) {
			w.put("null")
		}
	}
	w.closeWith("]", l.len(), margin)
	w.s.leave()
}

func (w *jsonWriter) dict(d *dict, margin string) {
	w.s.enter()
	w.put("{")
	n := 0
	for _, key := range d.keys() {
		v, _ := d.get(key)
		if _, ok := v.(*function); ok || isUndef(v) {
			continue
		}
		w.separate(n, margin)
		w.quote(key)
		w.put(":")
		if w.indent != "" {
			w.put(" ")
		}
		w.value(v, margin+w.indent)
		n++
	}
	w.closeWith("}", n, margin)
	w.s.leave()
}

// separate starts entry i.
func (w *jsonWriter) separate(i int, margin string) {
	if i > 0 {
		w.put(",")
	}
	if w.indent != "" {
		w.put("\n" + margin + w.indent)
	}
}

func (w *jsonWriter) closeWith(bracket string, entries int, margin string) {
	if entries > 0 && w.indent != "" {
		w.put("\n" + margin)
	}
	w.put(bracket)
}

func (w *jsonWriter) quote(text string) {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch r {
		case '"':
			b.WriteString(`\"`)
		case '\\':
			b.WriteString(`\\`)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\b':
			b.WriteString(`\b`)
		case '\f':
			b.WriteString(`\f`)
		default:
			if r < ' ' {
				fmt.Fprintf(&b, `\u%04x`, r)
				continue
			}
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	w.put(b.String())
}
