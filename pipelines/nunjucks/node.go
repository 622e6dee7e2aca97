package nunjucks

// An expr is evaluated to one of the language's values (value.go).
type expr interface{ eval(s *state) any }

// A node is run for what it writes and sets.
type node interface{ exec(s *state) }

type (
	literal  struct{ value any }
	nameExpr struct {
		pos
		name string
	}
	// sequence is JavaScript's comma operator, and a pair of brackets.
	sequence struct{ items []expr }
	listExpr struct{ items []expr }
	dictExpr struct {
		keys     []string
		values   []expr
		keywords bool // the keyword arguments of a call
	}
	lookupExpr struct {
		pos
		target, key expr
	}
	callExpr struct {
		pos
		target expr
		args   []expr
		name   string // as errors write it: foo["bar"]
	}
	filterExpr struct {
		pos
		name string
		run  builtin // nil: not one of ours
		args []expr  // the first is the value
	}
	condExpr   struct{ cond, yes, no expr }
	binaryExpr struct {
		pos
		op          string // "~" only until byJavaScript has run
		left, right expr
	}
	unaryExpr struct {
		pos
		op      string
		operand expr
	}
	powerExpr struct{ base, exponent expr }
	floorExpr struct{ operand expr }
	inExpr    struct {
		pos
		needle, haystack expr
	}
	isExpr struct {
		pos
		name string
		args []expr // the first is the value
	}
	callerExpr  struct{ macro *macroNode }
	captureExpr struct{ body []node }
)

type (
	textNode   struct{ text string }
	outputNode struct {
		pos
		value expr
	}
	ifNode struct {
		cond    expr
		yes, no []node
	}
	forNode struct {
		pos
		names  []string
		items  expr
		body   []node
		orElse []node
	}
	setNode struct {
		pos
		names []string
		value expr // nil: body is captured
		body  []node
	}
	macroNode struct {
		name          string
		params        []string
		keywords      []string
		defaults      []expr // of keywords
		body          []node
		local         bool // stands in a loop or call block, and is defined for that alone
		seesEnclosing bool // a call block, whose body reads the variables round it
	}
	switchNode struct {
		value    expr
		cases    []switchCase
		fallback []node
	}
	switchCase struct {
		value expr
		body  []node
	}
	includeNode struct {
		pos
		name          expr
		ignoreMissing bool
	}
	importNode struct {
		pos
		name        expr
		as          string       // import … as
		names       []importName // from … import
		withContext bool
		local       bool // as macroNode's
	}
	importName  struct{ name, as string }
	extendsNode struct {
		pos
		name expr
	}
	blockNode struct {
		pos
		name       string
		body       []node
		callsSuper bool
	}
)

// describe writes an expression as an error names what was called.
func describe(x expr) string {
	switch x := x.(type) {
	case *nameExpr:
		return x.name
	case *callExpr:
		return "the return value of (" + describe(x.target) + ")"
	case *lookupExpr:
		return describe(x.target) + `["` + describe(x.key) + `"]`
	case *literal:
		return text(x.value)
	}
	return "--expression--"
}
