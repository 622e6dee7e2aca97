package document

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/flosch/pongo2/v6"
)

// An expression is one operand, or an operator on one or two of them. It is not changed once it is parsed.
type expression struct {
	op      string // "" is an operand
	a, b    *expression
	operand pongo2.IEvaluator
}

// parseExpression reads what encode wrote: all that is left of a tag.
func parseExpression(args *pongo2.Parser) (*expression, *pongo2.Error) {
	order := args.MatchType(pongo2.TokenString)
	if order == nil {
		return nil, args.Error("a value is missing", nil)
	}
	var operands []pongo2.IEvaluator
	for {
		x, err := args.ParseExpression()
		if err != nil {
			return nil, err
		}
		operands = append(operands, x)
		if args.Match(pongo2.TokenSymbol, ",") == nil {
			break
		}
	}
	if args.Remaining() > 0 {
		return nil, args.Error("this is not understood from here on", args.Current())
	}
	var stack []*expression
	for op := range strings.FieldsSeq(order.Val) {
		n := len(stack)
		if i, err := strconv.Atoi(op); err == nil {
			if i >= len(operands) {
				return nil, args.Error("a comma has no place here", nil)
			}
			stack = append(stack, &expression{operand: operands[i]})
			continue
		}
		if op == "not" || op == "negative" {
			stack[n-1] = &expression{op: op, a: stack[n-1]}
			continue
		}
		stack = append(stack[:n-2], &expression{op: op, a: stack[n-2], b: stack[n-1]})
	}
	return stack[0], nil
}

// eval is the value of x in a piece of the template. Its errors are *Error, or the context's.
func (s *sheet) eval(ctx *pongo2.ExecutionContext, x *expression, piece int) (v any, err error) {
	p := s.pieces[piece]
	if err := s.step(); err != nil {
		return nil, err
	}
	if _, own := ctx.Private["pongo2"].(pongo2.Context); own {
		delete(ctx.Private, "pongo2") // pongo2's own version and the like
	}
	defer func() {
		if r := recover(); r != nil { // of pongo2's filters
			err = p.at.errorf("%s: a value has no such use", clip(p.text))
		}
	}()
	v, err = s.value(ctx, x)
	if e, ok := errors.AsType[*pongo2.Error](err); ok && e != nil {
		return nil, p.at.errorf("%s: %s", clip(p.text), strings.TrimSuffix(e.OrigError.Error(), "."))
	}
	if _, ok := errors.AsType[*Error](err); err != nil && !ok && s.ctx.Err() == nil {
		return nil, p.at.errorf("%s: %s", clip(p.text), err)
	}
	return v, err
}

// value works x out. Its errors are sentences without place.
func (s *sheet) value(ctx *pongo2.ExecutionContext, x *expression) (any, error) {
	if x.op == "" {
		return s.operandOf(ctx, x.operand)
	}
	a, err := s.value(ctx, x.a)
	if err != nil {
		return nil, err
	}
	switch {
	case x.op == "not":
		return !truth(a), nil
	case x.op == "negative":
		return arithmetic("-", int64(0), a)
	case (x.op == "and" || x.op == "&&") && !truth(a):
		return false, nil
	case (x.op == "or" || x.op == "||") && truth(a):
		return true, nil
	}
	b, err := s.value(ctx, x.b)
	if err != nil {
		return nil, err
	}
	if err := s.handle(weight(a) + weight(b)); err != nil {
		return nil, err
	}
	switch x.op {
	case "and", "&&", "or", "||":
		return truth(b), nil
	case "==":
		return equal(a, b)
	case "!=", "<>":
		same, err := equal(a, b)
		return !same, err
	case "in", "not-in":
		found, err := contains(b, a)
		return found == (x.op == "in"), err
	case "<", ">", "<=", ">=":
		return ordered(x.op, a, b)
	}
	return arithmetic(x.op, a, b)
}

// operandOf is an operand's value, as plain data.
func (s *sheet) operandOf(ctx *pongo2.ExecutionContext, x pongo2.IEvaluator) (any, error) {
	if s.ctx.Err() != nil {
		return nil, context.Cause(s.ctx)
	}
	got, perr := x.Evaluate(ctx)
	if perr != nil {
		return nil, perr
	}
	switch v := got.Interface().(type) {
	case nil, bool, int64, float64, decimal, []any, map[string]any: // the variables' own are plain, and so is what filters make of them
		return v, nil
	case string:
		if len(v) > maxText {
			return nil, errLongText
		}
		return v, s.handle(len(v))
	default:
		v, size, err := plain(v)
		if err != nil {
			return nil, err
		}
		return v, s.handle(size)
	}
}

var errLongText = fmt.Errorf("makes a text of more than %d MiB", maxText>>20)

// weight is what an operator may have to read of v, in bytes.
func weight(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		return perValue * len(v)
	}
	return perValue
}

// truth is what a value means as a condition.
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return false
}

func equal(a, b any) (bool, error) {
	if isMany(a) && isMany(b) {
		return false, errors.New("lists and maps can't be compared")
	}
	return same(a, b), nil
}

func isMany(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

// same says whether two values are one and the same; lists and maps never are.
func same(a, b any) bool {
	if isMany(a) || isMany(b) {
		return false
	}
	if x, ok := a.(int64); ok {
		if y, ok := b.(float64); ok {
			return float64(x) == y
		}
	}
	if x, ok := a.(float64); ok {
		if y, ok := b.(int64); ok {
			return x == float64(y)
		}
	}
	return a == b
}

func contains(in, v any) (bool, error) {
	switch in := in.(type) {
	case nil:
		return false, nil
	case string:
		return strings.Contains(in, textOf(v)), nil
	case []any:
		for _, e := range in {
			if same(e, v) {
				return true, nil
			}
		}
		return false, nil
	case map[string]any:
		_, ok := in[textOf(v)]
		return ok, nil
	}
	return false, fmt.Errorf("nothing can be in %s", kindOf(in))
}

func ordered(op string, a, b any) (bool, error) {
	order := 0
	x, isText := a.(string)
	y, isTextToo := b.(string)
	if isText && isTextToo {
		order = strings.Compare(x, y)
	} else {
		x, y, err := floats(op, a, b)
		if err != nil {
			return false, err
		}
		switch {
		case x < y:
			order = -1
		case x > y:
			order = 1
		}
	}
	switch op {
	case "<":
		return order < 0, nil
	case ">":
		return order > 0, nil
	case "<=":
		return order <= 0, nil
	}
	return order >= 0, nil
}

// arithmetic is a op b, of numbers; "+" puts texts together as well.
func arithmetic(op string, a, b any) (any, error) {
	_, aText := a.(string)
	_, bText := b.(string)
	if op == "+" && (aText || bText) && !isMany(a) && !isMany(b) {
		text := textOf(a) + textOf(b)
		if len(text) > maxText {
			return nil, errLongText
		}
		return text, nil
	}
	x, xInt := whole(a)
	y, yInt := whole(b)
	if xInt && yInt && op != "^" {
		return onIntegers(op, x, y)
	}
	f, g, err := floats(op, a, b)
	if err != nil {
		return nil, err
	}
	switch op {
	case "+":
		f += g
	case "-":
		f -= g
	case "*":
		f *= g
	case "/":
		f /= g
	case "%":
		f = math.Mod(f, g)
	case "^":
		f = math.Pow(f, g)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%s has no finite result here", op)
	}
	return f, nil
}

// whole is v as an integer; nothing is 0.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case nil:
		return 0, true
	case int64:
		return v, true
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	}
	return 0, false
}

func onIntegers(op string, x, y int64) (any, error) {
	tooLarge := fmt.Errorf("%d %s %d is too large a number", x, op, y)
	switch op {
	case "+":
		if sum := x + y; (sum > x) == (y > 0) {
			return sum, nil
		}
		return nil, tooLarge
	case "-":
		if diff := x - y; (diff < x) == (y > 0) {
			return diff, nil
		}
		return nil, tooLarge
	case "*":
		if x == 0 || y == 0 {
			return int64(0), nil
		}
		if prod := x * y; prod/y == x && !(x == -1 && y == math.MinInt64) && !(y == -1 && x == math.MinInt64) {
			return prod, nil
		}
		return nil, tooLarge
	}
	if y == 0 {
		return nil, errors.New("a number is divided by zero")
	}
	if y == -1 && x == math.MinInt64 {
		return nil, tooLarge
	}
	if op == "/" {
		return x / y, nil
	}
	return x % y, nil
}

func floats(op string, a, b any) (x, y float64, err error) {
	if x, err = floatOf(op, a); err == nil {
		y, err = floatOf(op, b)
	}
	return x, y, err
}

func floatOf(op string, v any) (float64, error) {
	if d, ok := v.(decimal); ok {
		v = string(d)
	}
	switch v := v.(type) {
	case float64:
		return v, nil
	case string:
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			return n, nil
		}
	}
	if n, ok := whole(v); ok {
		return float64(n), nil
	}
	return 0, fmt.Errorf("%s takes numbers, and here stands %s", op, kindOf(v))
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a boolean"
	case string:
		return strconv.QuoteToASCII(clip(v))
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	return "a number"
}
