package nunjucks

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A generator writes templates over the whole language. The same seed gives the same templates.
type generator struct {
	r      *rand.Rand
	used   map[string]bool // "filter upper", "tag for", …: what the template being written holds
	loops  int             // loops round this place
	macros []string        // that may be called here
	names  int             // given out so far
	plain  bool            // no include, import or block here
	depth  int
}

func newGenerator(seed uint64) *generator { return &generator{r: rand.New(rand.NewPCG(seed, 4))} }

// A sample is one template with what it is rendered with.
type sample struct {
	Src              string         `json:"src"`
	Vars             map[string]any `json:"vars"`
	Autoescape       bool           `json:"autoescape"`
	ThrowOnUndefined bool           `json:"throwOnUndefined"`
	used             map[string]bool
}

func (g *generator) sample() sample {
	g.used, g.loops, g.macros, g.names, g.plain, g.depth = map[string]bool{}, 0, nil, 0, false, 0
	src := g.template()
	return sample{src, g.vars(), g.chance(25), g.chance(4), g.used}
}

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func pick[T any](g *generator, from ...T) T { return from[g.r.IntN(len(from))] }

// oneOf runs one of the functions.
func (g *generator) oneOf(from ...func() string) string { return pick(g, from...)() }

func (g *generator) use(kind, name string) string {
	g.used[kind+" "+name] = true
	return name
}

var texts = []string{
	"", "a", "abc", "Hello World", "models/chair.v2.FBX", "a,b,,c", "  padded  ", "x < y & \"z\"", "it's", "line one\nline two\n\n\nthree",
	"3000", "1.5", "-7", "0x10", "1e3", "true", "über straße", "日本語", "𝒳 and 😀", "<b class=\"x\">bold</b> text <!-- c -->",
	"see http://a.org/b, www.c.com or me@d.net.", "tab\there", "back\\slash", "one two  three four five six seven", "Zebra", "apple", "ÀÉ",
}

var numbers = []any{0, 1, 2, 3, 7, 10, 42, 255, -1, -5, 0.5, 2.5, -1.25, 1e3, 0.1, 1.005, 3000, 123456789}

func (g *generator) vars() map[string]any {
	list := func(from func() any) []any {
		var l []any
		for range g.r.IntN(5) + 1 {
			l = append(l, from())
		}
		return l
	}
	text := func() any { return pick(g, texts...) }
	number := func() any { return pick(g, numbers...) }
	entry := func() any {
		return map[string]any{
			"name": text(), "size": number(), "ok": g.chance(50), "kind": pick(g, "mesh", "image", "Mesh"),
			"inner": map[string]any{"k": number(), "s": text()}, "tags": list(text),
		}
	}
	return g.ordered(map[string]any{
		"s": text(), "t": text(), "u": pick(g, texts[16:19]...), "n": number(), "f": number(), "i": g.r.IntN(6), "b": g.chance(50), "z": nil,
		"l": list(number), "w": list(text), "e": []any{}, "mixed": []any{number(), text(), nil, g.chance(50), list(number)},
		"o": list(entry), "m": map[string]any{"a": number(), "b": number(), "c": number()}, "p": entry(), "empty": map[string]any{},
		"pairs": []any{[]any{text(), number()}, []any{text(), number()}}, "one": []any{text()},
		"keys": map[string]any{"10": text(), "2": text(), "x": text()},
	})
}

// ordered gives the maps in vars an order by chance.
func (g *generator) ordered(vars map[string]any) map[string]any {
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		vars[k] = WithOrder(vars[k], g.order(vars[k]))
	}
	return vars
}

func (g *generator) order(v any) *Order {
	o := &Order{In: map[string]*Order{}}
	switch v := v.(type) {
	case map[string]any:
		o.Keys = slices.Sorted(maps.Keys(v))
		for _, k := range o.Keys {
			o.In[k] = g.order(v[k])
		}
		g.r.Shuffle(len(o.Keys), func(i, j int) { o.Keys[i], o.Keys[j] = o.Keys[j], o.Keys[i] })
	case []any:
		for i, e := range v {
			o.In[strconv.Itoa(i)] = g.order(e)
		}
	}
	return o
}

func quote(text string) string {
	text = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text)
	return `"` + text + `"`
}

// nest limits how deep expressions go.
func (g *generator) nest(leaf, inner func() string) string {
	if g.depth > 2 || g.chance(40) {
		return leaf()
	}
	g.depth++
	defer func() { g.depth-- }()
	return inner()
}

// value is an expression of any type. Once in a while it is what its place does not expect.
func (g *generator) value() string {
	return g.oneOf(g.text, g.text, g.text, g.number, g.number, g.condition, g.condition, g.list, g.dict, func() string {
		return pick(g, "z", "x", "none", "null", "mixed", "p.nothing", "x.y.z", "mixed[3]", "1", `"a"`)
	})
}

func (g *generator) text() string {
	if g.chance(2) {
		return g.value()
	}
	return g.nest(func() string {
		return pick(g, "s", "t", "u", "p.name", `o[0].kind`, `p["name"]`, "w[0]", "p.inner.s", quote(pick(g, texts...)), quote(pick(g, texts...)), `'q'`)
	}, func() string {
		return g.oneOf(g.textFilter, g.textFilter, g.textFilter, g.textFilter, g.textMethod, g.textMethod, g.concatenation, g.conditional, g.otherText)
	})
}

func (g *generator) concatenation() string {
	return "(" + g.text() + " " + g.use("operator", "~") + " " + g.value() + ")"
}

func (g *generator) conditional() string {
	g.use("operator", "if else")
	if g.chance(20) {
		return "(" + g.text() + " if " + g.condition() + ")"
	}
	return "(" + g.text() + " if " + g.condition() + " else " + g.value() + ")"
}

func (g *generator) filter(value, name string, args ...string) string {
	g.use("filter", name)
	if len(args) == 0 {
		return value + " | " + name + pick(g, "", "", "()")
	}
	return value + " | " + name + "(" + strings.Join(args, ", ") + ")"
}

func (g *generator) small() string { return strconv.Itoa(g.r.IntN(12)) }

func (g *generator) flag() string { return pick(g, "true", "false", "b") }

// some are the first few of args.
func (g *generator) some(args ...string) []string { return args[:g.r.IntN(len(args)+1)] }

func (g *generator) textFilter() string {
	t := g.text()
	switch name := pick(g, "upper", "lower", "capitalize", "title", "trim", "replace", "replace", "truncate", "truncate", "center", "center", "indent", "indent",
		"escape", "e", "forceescape", "safe", "nl2br", "striptags", "urlencode", "urlize", "string", "default", "d", "dump"); name {
	case "replace":
		args := []string{pick(g, quote(pick(g, "a", "l", "", ".", "o W")), "r/[a-m]/g", "r/(o)(.)/", g.number()), g.text()}
		return g.filter(t, name, append(args, g.some(g.small())...)...)
	case "truncate":
		return g.filter(t, name, g.some(g.small(), g.flag(), g.text())...)
	case "center", "indent":
		return g.filter(t, name, g.some(g.small(), g.flag())[:g.r.IntN(2)]...)
	case "striptags":
		return g.filter(t, name, g.some(g.flag())...)
	case "urlencode":
		return g.filter(pick(g, t, t, "pairs", "m", "p.inner"), name)
	case "urlize":
		return g.filter(t, name, g.some(g.small(), g.flag())...)
	case "default", "d":
		return g.filter(g.value(), name, append([]string{g.value()}, g.some(g.flag())...)...)
	case "dump":
		return g.filter(g.value(), name, g.some(pick(g, "2", "'--'", "0"))...)
	default:
		return g.filter(t, name)
	}
}

func (g *generator) method(value, name string, args ...string) string {
	return value + "." + g.use("method", name) + "(" + strings.Join(args, ", ") + ")"
}

// atom puts brackets round what is no name.
func atom(x string) string {
	if strings.ContainsAny(x, " |(-\"'") {
		return "(" + x + ")"
	}
	return x
}

var textMethods = []string{
	"toUpperCase", "toLowerCase", "toLocaleUpperCase", "toLocaleLowerCase", "toString", "valueOf", "trim", "trimStart", "trimEnd", "concat", "repeat",
	"padStart", "padEnd", "replace", "replaceAll", "charAt", "at", "slice", "substring", "substr",
}

func (g *generator) textMethod() string {
	t := atom(g.text())
	switch name := pick(g, textMethods...); name {
	case "concat":
		return g.method(t, name, g.some(g.value(), g.text())...)
	case "repeat":
		return g.method(t, name, pick(g, "0", "1", "2", "i"))
	case "padStart", "padEnd":
		return g.method(t, name, append([]string{g.small()}, g.some(pick(g, "'.'", "'ab'", "s"))...)...)
	case "replace":
		return g.method(t, name, pick(g, g.text(), "r/[aeiou]/", "r/(\\w)(\\w)/g", "r/ /gi"), pick(g, g.text(), "'[$1$2]'", "'<$&>'", "'$$'"))
	case "replaceAll":
		return g.method(t, name, pick(g, quote(pick(g, "a", "o", "-")), "r/[aeiou]/g"), g.text())
	case "charAt", "at":
		return g.method(t, name, g.some(pick(g, "0", "1", "-1", "i"))...)
	case "slice", "substring", "substr":
		return g.method(t, name, g.some(pick(g, "0", "1", "-2", "i"), pick(g, "3", "-1", "i"))...)
	default:
		return g.method(t, name)
	}
}

func (g *generator) otherText() string {
	switch g.r.IntN(9) {
	case 0:
		return g.filter(g.list(), "join", g.some(quote(pick(g, ",", "", " - ")))...)
	case 1:
		return g.filter("o", "join", quote(", "), quote(pick(g, "name", "size", "missing")))
	case 2:
		return g.method(atom(g.list()), "join", g.some(g.text())...)
	case 3:
		return g.method(atom(g.number()), pick(g, "toString", "valueOf"))
	case 4:
		return g.method(atom(g.number()), pick(g, "toFixed", "toPrecision"), strconv.Itoa(g.r.IntN(5)+1))
	case 5:
		return g.filter(pick(g, "w", "w", g.list()), pick(g, "first", "last"))
	case 6:
		return g.filter(pick(g, "one", "e"), "random")
	case 7:
		return g.index()
	}
	if len(g.macros) == 0 {
		return g.text()
	}
	return pick(g, g.macros...) + "(" + strings.Join(g.some(g.value(), "k="+g.value()), ", ") + ")"
}

// index is an element of something.
func (g *generator) index() string {
	g.use("operator", "[]")
	return fmt.Sprintf("%s[%s]", atom(g.oneOf(g.list, g.text, g.dict)), pick(g, "0", "1", "i", "9", `"name"`, `"length"`, "s", "1.5"))
}
