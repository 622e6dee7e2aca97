package nunjucks

import (
	"fmt"
	"strings"
)

// shown names a token for people.
func (t token) shown() string {
	switch t.kind {
	case tokenEOF:
		return "the end"
	case tokenVarEnd, tokenBlockEnd:
		return strings.TrimPrefix(t.text, "-")
	}
	return fmt.Sprintf("%q", clipped(t.text))
}

// clipped keeps a message short.
func clipped(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

// noValue says that t stands where a value should.
func noValue(t token) string {
	switch {
	case t.kind == tokenEOF:
		return "the expression ends where a value is missing"
	case t.text == "!":
		return `"!" is not known; write not`
	}
	return "a value is missing before " + t.shown()
}

// noEnd says that t stands where what began with open should go on or end.
func noEnd(t token, open, end string) string {
	switch {
	case t.kind == tokenEOF:
		return fmt.Sprintf("%s is never closed; end it with %s", open, end)
	case t.kind == tokenVarEnd, t.kind == tokenBlockEnd:
		return fmt.Sprintf("%s ends with %s where %s is expected", open, t.shown(), end)
	}
	return noOperator(t, end)
}

// noOperator says that t can't follow a value; end is what may, beside operators.
func noOperator(t token, end string) string {
	switch {
	case t.text == "=":
		return `"=" can't stand here; write == to compare`
	case strings.HasPrefix(t.text, "&&"):
		return `"&&" is not known; write and`
	case end == "":
		return t.shown() + " can't follow here; join values with an operator, as and, or, =="
	}
	return fmt.Sprintf("%s can't stand here; %s is expected, or an operator or a filter", t.shown(), end)
}

// missing says that t stands where something should.
func missing(what string, t token) string {
	if what == "the filter name" && t.text == "|" {
		return `"||" is not known; write or`
	}
	return fmt.Sprintf("%s is missing before %s", what, t.shown())
}

// noTag says that there is no tag of a name that could stand here.
func noTag(name string) string {
	if opener, ok := strings.CutPrefix(name, "end"); ok {
		return fmt.Sprintf("{%% %s %%} has nothing to end: no {%% %s %%} is open here", clipped(name), clipped(opener))
	}
	if openers(name) != nil {
		return fmt.Sprintf("{%% %s %%} belongs to no tag that is open here", name)
	}
	return fmt.Sprintf("there is no tag {%% %s %%}", clipped(name))
}

// uncallable says why v can't be called, which a receiver may have been asked for.
func (x *callExpr) uncallable(receiver, v any) string {
	name := clipped(dotted(x.target))
	look, ok := x.target.(*lookupExpr)
	switch {
	case !ok && isUndef(v):
		return name + " can't be called: it is undefined here"
	case !ok || !isUndef(v):
		return fmt.Sprintf("%s can't be called: it is %s, not a function", name, kindName(v))
	case isNullish(receiver):
		return fmt.Sprintf("%s can't be called: %s is %s here", name, clipped(dotted(look.target)), kindName(receiver))
	}
	return fmt.Sprintf("%s can't be called: %s is %s, which has no such method", name, clipped(dotted(look.target)), kindName(receiver))
}

// dotted writes an expression in short.
func dotted(x expr) string {
	switch x := x.(type) {
	case *nameExpr:
		return x.name
	case *callExpr:
		return dotted(x.target) + "(…)"
	case *lookupExpr:
		if name, ok := staticKey(x.key); ok {
			return dotted(x.target) + "." + name
		}
		return dotted(x.target) + "[…]"
	case *literal:
		return text(x.value)
	}
	return "(…)"
}

// kindName names a value's type for people.
func kindName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case undef:
		return "undefined"
	case string, Safe:
		return "text"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case *list:
		return "a list"
	case *regex:
		return "a pattern"
	case *function:
		return "a function"
	}
	return "a map"
}
