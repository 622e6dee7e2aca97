package nunjucks

// A MethodCall is one call of a method of a variable that the template does not set itself.
type MethodCall struct {
	Ref       Ref // what it is called on
	Method    string
	Line, Col int // of the ( behind its name
}

// HasMethod says whether values of v's type have a method. v is plain: text, a number, a boolean, a list or a map, whose
// entries don't count.
func HasMethod(v any, name string) bool {
	switch v.(type) {
	case []any:
		v = &list{}
	case map[string]any:
		v = &dict{}
	}
	return methodOf(v, name) != nil
}

// Methods returns the names of the methods that values of v's type have; v is as HasMethod wants it.
func Methods(v any) []string {
	var names []string
	for _, name := range methodNames() {
		if HasMethod(v, name) {
			names = append(names, name)
		}
	}
	return names
}

// methodNames are those of the closed lists, of all types but patterns.
func methodNames() []string {
	return []string{
		"at", "charAt", "charCodeAt", "concat", "endsWith", "every", "filter", "find", "hasOwnProperty", "includes", "indexOf", "join",
		"lastIndexOf", "localeCompare", "map", "match", "padEnd", "padStart", "pop", "push", "repeat", "replace", "replaceAll", "reverse",
		"search", "shift", "slice", "some", "sort", "split", "startsWith", "substr", "substring", "toFixed", "toLocaleLowerCase",
		"toLocaleUpperCase", "toLowerCase", "toPrecision", "toString", "toUpperCase", "trim", "trimEnd", "trimStart", "unshift", "valueOf",
	}
}

// methodCall notes a call of a method by its name.
func (w *walker) methodCall(x *callExpr, f *lookupExpr, in *names) {
	name, ok := staticKey(f.key)
	if !ok {
		return
	}
	if r, ok := w.ref(unwrap(f.target), in); ok {
		w.MethodCalls = append(w.MethodCalls, MethodCall{r, name, x.line, x.col})
	}
}
