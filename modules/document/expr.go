package document

import (
	"slices"
	"strconv"
	"strings"
)

// Operators are ours and operands are pongo2's: so that each operand is weighed before an operator works on it, and what
// has no sensible result is an error. An expression is given to our tags as its operands and a text, in which a number
// is an operand and a word is an operator on what stands before it: "0 1 + 2 ==".

// Operators by how tightly they bind, the loosest first. "in" and what compares stand alone: a < b < c is no expression.
var binary = [][]string{{"or", "||"}, {"and", "&&"}, {"==", "!=", "<>", "<=", ">=", "<", ">", "in", "not in"}, {"+", "-"}, {"*", "/", "%"}}

// comparing is the level of binary at which operators don't chain; "not" binds looser than it.
const comparing = 2

// A reader cuts an expression into operands and operators.
type reader struct {
	rest     string
	at       piece
	operands []string
	order    []string
}

// encode returns code as the text that our tags read.
func encode(code string, at piece) (string, error) {
	r := reader{rest: code, at: at}
	if err := r.level(0); err != nil {
		return "", err
	}
	if r.rest = strings.TrimLeft(r.rest, " \t"); r.rest != "" {
		return "", at.at.errorf("%s: this is not understood from here on: %s", clip(at.text), clip(r.rest))
	}
	return `"` + strings.Join(r.order, " ") + `" ` + strings.Join(r.operands, " , "), nil
}

func (r *reader) level(n int) error {
	if n == len(binary) {
		return r.sign()
	}
	if n == comparing && (r.word("not") || r.symbol("!")) {
		if err := r.level(n); err != nil {
			return err
		}
		r.order = append(r.order, "not")
		return nil
	}
	if err := r.level(n + 1); err != nil {
		return err
	}
	for {
		op := r.operator(binary[n])
		if op == "" {
			return nil
		}
		if err := r.level(n + 1); err != nil {
			return err
		}
		r.order = append(r.order, strings.ReplaceAll(op, " ", "-"))
		if n == comparing {
			return nil
		}
	}
}

// operator takes one of ops, if it stands here.
func (r *reader) operator(ops []string) string {
	for _, op := range ops {
		switch first, second, two := strings.Cut(op, " "); {
		case two:
			before := r.rest
			if r.word(first) && r.word(second) {
				return op
			}
			r.rest = before
		case inName(op[0]) && r.word(op), !inName(op[0]) && r.symbol(op):
			return op
		}
	}
	return ""
}

func (r *reader) word(w string) bool {
	rest := strings.TrimLeft(r.rest, " \t")
	if !strings.HasPrefix(rest, w) || nameLen(rest) != len(w) {
		return false
	}
	r.rest = rest[len(w):]
	return true
}

func (r *reader) symbol(s string) bool {
	rest := strings.TrimLeft(r.rest, " \t")
	if !strings.HasPrefix(rest, s) {
		return false
	}
	r.rest = rest[len(s):]
	return true
}

// sign reads a value with a sign before it, and powers after it.
func (r *reader) sign() error {
	if r.symbol("-") {
		if err := r.sign(); err != nil {
			return err
		}
		r.order = append(r.order, "negative")
		return nil
	}
	if r.symbol("(") {
		if err := r.level(0); err != nil {
			return err
		}
		if !r.symbol(")") {
			return r.at.at.errorf("%s: a closing parenthesis is missing", clip(r.at.text))
		}
	} else if err := r.operand(); err != nil {
		return err
	}
	if !r.symbol("^") {
		return nil
	}
	if err := r.sign(); err != nil {
		return err
	}
	r.order = append(r.order, "^")
	return nil
}

// operand takes a value with its fields and filters.
func (r *reader) operand() error {
	r.rest = strings.TrimLeft(r.rest, " \t")
	n := primary(r.rest)
	if n == 0 || slices.Contains([]string{"in", "and", "or", "not"}, r.rest[:n]) {
		return r.at.at.errorf("%s: a value is missing", clip(r.at.text))
	}
	for {
		i := n + spaces(r.rest[n:])
		if !strings.HasPrefix(r.rest[i:], "|") || strings.HasPrefix(r.rest[i:], "||") {
			break
		}
		i += 1 + spaces(r.rest[i+1:])
		name := nameLen(r.rest[i:])
		if name == 0 {
			return r.at.at.errorf("%s: a filter's name is missing", clip(r.at.text))
		}
		n = i + name
		if i = n + spaces(r.rest[n:]); strings.HasPrefix(r.rest[i:], ":") {
			i += 1 + spaces(r.rest[i+1:])
			n = i + primary(r.rest[i:])
		}
	}
	r.order = append(r.order, strconv.Itoa(len(r.operands)))
	r.operands = append(r.operands, r.rest[:n])
	r.rest = r.rest[n:]
	return nil
}

func spaces(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }

// primary is the length of a text in quotes, or of a name or number with what is below it: a.b, a["b"], a(b).
func primary(s string) int {
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		return quoted(s)
	}
	n := 0
	for n < len(s) {
		switch {
		case inName(s[n]), s[n] == '.' && n > 0:
			n++
		case n > 0 && (s[n] == '[' || s[n] == '('):
			n += bracketed(s[n:])
		default:
			return n
		}
	}
	return n
}

// bracketed is the length of what stands in the brackets that s begins with, and of them.
func bracketed(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\'':
			i += quoted(s[i:]) - 1
		case '[', '(':
			depth++
		case ']', ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// quoted is the length of the text in quotes that s begins with.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}
