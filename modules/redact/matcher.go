package redact

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// headLen is how many leading bytes of a form it is looked up by; no form is shorter.
const headLen = 4

// A matcher finds forms in text. It never changes. A bitmap over the hash of four bytes rules out
// nearly every position at the price of one multiplication, whatever the number of forms.
type matcher struct {
	filter [1 << 10]uint64     // bitmap over hash(head)
	byHead map[uint32][]string // longest first
	begins map[string]struct{} // the first 1, 2 and 3 bytes of every form
}

func newMatcher(forms map[string]struct{}) *matcher {
	m := &matcher{byHead: make(map[uint32][]string), begins: make(map[string]struct{})}
	for _, form := range slices.SortedFunc(maps.Keys(forms), func(a, b string) int {
		return cmp.Compare(len(b), len(a))
	}) {
		head := binary.LittleEndian.Uint32([]byte(form[:headLen]))
		h := hash(head)
		m.filter[h>>6] |= 1 << (h & 63)
		m.byHead[head] = append(m.byHead[head], form)
		for n := 1; n < headLen; n++ {
			m.begins[form[:n]] = struct{}{}
		}
	}
	return m
}

func hash(head uint32) uint32 { return head * 2654435761 >> 16 }

// maybe is false where no form begins with the four bytes of head.
func (m *matcher) maybe(head uint32) bool {
	h := hash(head)
	return m.filter[h>>6]&(1<<(h&63)) != 0
}

// next returns the first position from i on where a form may begin, or where too little is left to
// rule it out; len(text) if there are no forms.
func (m *matcher) next(text []byte, i int) int {
	if len(m.byHead) == 0 {
		return len(text)
	}
	for ; i+headLen <= len(text); i++ {
		if m.maybe(binary.LittleEndian.Uint32(text[i:])) {
			return i
		}
	}
	return i
}

// touches says whether a form occurs in s.
func (m *matcher) touches(s string) bool {
	if len(m.byHead) == 0 || len(s) < headLen {
		return false
	}
	head := uint32(s[0])<<8 | uint32(s[1])<<16 | uint32(s[2])<<24
	for i := headLen - 1; i < len(s); i++ {
		head = head>>8 | uint32(s[i])<<24
		if m.maybe(head) && m.at(s[i-headLen+1:], head) > 0 {
			return true
		}
	}
	return false
}

// at returns the length of the longest form that text begins with; head is its first four bytes.
func (m *matcher) at(text string, head uint32) int {
	for _, form := range m.byHead[head] {
		if strings.HasPrefix(text, form) {
			return len(form)
		}
	}
	return 0
}

// match is at for bytes, and says too whether a form could go on where text ends.
func (m *matcher) match(text []byte) (length int, partial bool) {
	if len(text) < headLen {
		_, partial = m.begins[string(text)]
		return 0, partial
	}
	for _, form := range m.byHead[binary.LittleEndian.Uint32(text)] {
		switch {
		case len(form) <= len(text):
			if string(text[:len(form)]) == form {
				return len(form), partial
			}
		case form[:len(text)] == string(text):
			partial = true
		}
	}
	return 0, partial
}
