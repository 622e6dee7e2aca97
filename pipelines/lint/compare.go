package lint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
)

// comparison warns of one whose outcome is the same for every value of the variable's type, by JavaScript's rules.
func (l *linter) comparison(c nunjucks.Comparison, at place) {
	t, ok := l.typeOf(c.Ref)
	if !ok || !never(t, c.Literal, len(c.Op) == 3) {
		return
	}
	always := "false"
	if c.Op[0] == '!' {
		always = "true"
	}
	name := strings.Join(append([]string{c.Ref.Name}, c.Ref.Path...), ".")
	l.warnf(at.inside(c.Line, c.Col), "%s%s %s %s is always %s: %s is %s (%s); %s",
		at.what, name, c.Op, quoted(c.Literal), always, name, kindOf(t.field), t.from, remedy(name, t, c))
}

// never says that no value of a type equals a literal. An operator of three letters compares types too.
func never(t typed, literal any, strict bool) bool {
	switch literal := literal.(type) {
	case string:
		n, number := toNumber(literal)
		switch t.field.Type {
		case modules.Bool:
			return strict || !number || n != 0 && n != 1
		case modules.Integer, modules.Number:
			return strict || !number
		}
	case bool:
		switch t.field.Type {
		case modules.String:
			n, number := toNumber(t.text)
			return strict || !t.known || !number || n != 0 && n != 1
		case modules.Integer, modules.Number:
			return strict
		}
	case float64:
		switch t.field.Type {
		case modules.Bool:
			return strict || literal != 0 && literal != 1
		case modules.String:
			return strict
		}
	}
	return false
}

// toNumber reads text as JavaScript does where it compares it with a number. Rare forms (hexadecimal) count as numbers too.
func toNumber(text string) (n float64, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, true
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return n, !strings.ContainsAny(text[len(text)-1:], "fny") // Inf, NaN and Infinity are others there
	}
	_, err := strconv.ParseInt(text, 0, 64)
	return 0, err == nil
}

func quoted(literal any) string {
	if s, ok := literal.(string); ok {
		return strconv.Quote(pipelines.Shorten(s))
	}
	return fmt.Sprint(literal)
}

// remedy says what to write instead.
func remedy(name string, t typed, c nunjucks.Comparison) string {
	text, isText := c.Literal.(string)
	_, isBool := c.Literal.(bool)
	switch {
	case t.field.Type == modules.Bool && isText && (text == "true" || text == "false"):
		return fmt.Sprintf("write %s %s %s, without quotes", name, c.Op, text)
	case t.field.Type == modules.Bool:
		return "compare it with true or false, or write " + name + " alone"
	case t.field.Type == modules.String && isBool:
		return fmt.Sprintf("write %s %s %q, with quotes", name, c.Op, fmt.Sprint(c.Literal))
	case t.field.Type == modules.String:
		return fmt.Sprintf("write %s %s %q, with quotes", name, c.Op, fmt.Sprint(c.Literal))
	}
	return "compare it with a number"
}
