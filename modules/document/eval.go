package document

import (
	"context"
	"errors"
	"fmt"
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
