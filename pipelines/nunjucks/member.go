package nunjucks

// member is target[key]: entries, length, and the methods of the closed lists. It is undefined for anything else.
func (s *state) member(target, key any) any {
	switch t := target.(type) {
	case undef, nil:
		return undef{}
	case *dict:
		if v, ok := t.get(s.text(key)); ok {
			return v
		}
	case *list:
		if i, ok := s.index(key, t.len); ok {
			if i < 0 || i >= t.len() {
				return undef{}
			}
			return t.at(i)
		}
	case string:
		if v, ok := s.character(t, key); ok {
			return v
		}
	case Safe:
		if name, ok := key.(string); ok && name == "val" {
			return string(t)
		}
	}
	return s.property(target, s.text(key))
}

// strictMember is member where JavaScript would throw: null and undefined have no members.
func (s *state) strictMember(target, key any) any {
	if isNullish(target) {
		s.fail("cannot read properties of %s", s.text(target))
	}
	return s.member(target, key)
}

// index reads key as an index: -1 when there is nothing at it; false when it is no number.
func (s *state) index(key any, length func() int) (int, bool) {
	f, ok := key.(float64)
	if text, isText := key.(string); isText && isIndexKey(text) {
		f, ok = parseNumber(text), true
	}
	if !ok {
		return 0, false
	}
	i := int(f)
	if float64(i) != f {
		return -1, true
	}
	if i < 0 && s.env.negativeIndex {
		i += length()
	}
	return i, true
}

func (s *state) character(text string, key any) (any, bool) {
	i, ok := s.index(key, func() int { return utf16Len(text) })
	if !ok {
		return nil, false
	}
	s.tick(len(text) / bytesPerStep)
	if i < 0 || i >= utf16Len(text) {
		return undef{}, true
	}
	return slice16(text, i, i+1), true
}

func (s *state) property(target any, name string) any {
	switch t := target.(type) {
	case *list:
		if name == "length" {
			return float64(t.len())
		}
	case string:
		if name == "length" {
			s.tick(len(t) / bytesPerStep)
			return float64(utf16Len(t))
		}
	case Safe:
		if name == "length" {
			s.tick(len(t) / bytesPerStep)
			return float64(utf16Len(string(t)))
		}
	case *regex:
		switch name {
		case "source":
			return t.source
		case "flags":
			return t.flags
		}
	}
	m := methodOf(target, name)
	if m == nil {
		return undef{}
	}
	return &function{name, func(s *state, args []any) any {
		return s.during(name, target, func() any { return m.call(s, target, args) })
	}}
}
