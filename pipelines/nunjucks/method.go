package nunjucks

// A method runs on a receiver of the type it was listed for.
type method interface {
	call(s *state, receiver any, args []any) any
}

// The kinds of methods, by their receiver.
type (
	onAny  func(s *state, receiver any, args []any) any
	onText func(s *state, text string, args []any) any
	onList func(s *state, l *list, args []any) any
)

func (m onAny) call(s *state, receiver any, args []any) any  { return m(s, receiver, args) }
func (m onText) call(s *state, receiver any, args []any) any { return m(s, text(receiver), args) }
func (m onList) call(s *state, receiver any, args []any) any { return m(s, receiver.(*list), args) }

// methodOf returns a method of the value's closed list, or nil. This is the whole of what templates can call on values.
func methodOf(receiver any, name string) method {
	if isNullish(receiver) {
		return nil
	}
	switch name {
	case "hasOwnProperty":
		return onAny(methodHasOwnProperty)
	case "valueOf":
		return onAny(methodValueOf)
	}
	switch r := receiver.(type) {
	case string, Safe:
		return stringMethod(name)
	case *list:
		return listMethod(name)
	case float64:
		return numberMethod(name)
	case *dict:
		if name == "toString" && !r.keywords {
			return onAny(methodToString)
		}
	case *regex:
		return regexMethod(name)
	case bool:
		if name == "toString" {
			return onAny(methodToString)
		}
	}
	return nil
}

func methodToString(s *state, receiver any, _ []any) any { return s.text(receiver) }

// methodValueOf is the value itself; of Safe text, the text.
func methodValueOf(_ *state, receiver any, _ []any) any {
	if safe, ok := receiver.(Safe); ok {
		return string(safe)
	}
	return receiver
}

// methodHasOwnProperty knows a dict's keys, and the indexes and length of lists and strings.
func methodHasOwnProperty(s *state, receiver any, args []any) any {
	key, length := s.text(arg(args, 0)), 0
	switch r := receiver.(type) {
	case *dict:
		_, ok := r.get(key)
		return ok
	case *list:
		length = r.len()
	case string, Safe:
		length = utf16Len(text(r))
	default:
		return false
	}
	return key == "length" || isIndexKey(key) && indexOf(key) < length
}

func regexMethod(name string) method {
	switch name {
	case "test":
		return onAny(func(s *state, receiver any, args []any) any {
			m, _ := s.firstMatch(receiver.(*regex), s.text(arg(args, 0)))
			return m != nil
		})
	case "exec":
		return onAny(func(s *state, receiver any, args []any) any {
			return s.exec(receiver.(*regex), s.text(arg(args, 0)))
		})
	case "toString":
		return onAny(methodToString)
	}
	return nil
}

func numberMethod(name string) method {
	switch name {
	case "toString":
		return onAny(numberToString)
	case "toFixed":
		return onAny(numberToFixed)
	case "toPrecision":
		return onAny(numberToPrecision)
	}
	return nil
}

func numberToString(s *state, receiver any, args []any) any {
	f := receiver.(float64)
	if base := arg(args, 0); !isUndef(base) {
		b := s.integer(base)
		if b < 2 || b > 36 {
			s.fail("the base must be between 2 and 36")
		}
		return formatBase(f, b)
	}
	return formatNumber(f)
}

func numberToFixed(s *state, receiver any, args []any) any {
	s.tick(stepsPerBigNumber)
	digits := s.integer(arg(args, 0))
	if digits < 0 || digits > 100 {
		s.fail("digits must be between 0 and 100")
	}
	return formatFixed(receiver.(float64), digits)
}

func numberToPrecision(s *state, receiver any, args []any) any {
	f := receiver.(float64)
	if isUndef(arg(args, 0)) {
		return formatNumber(f)
	}
	s.tick(stepsPerBigNumber)
	digits := s.integer(args[0])
	if digits < 1 || digits > 100 {
		s.fail("digits must be between 1 and 100")
	}
	return formatPrecision(f, digits)
}
