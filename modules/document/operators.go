package document

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

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
