package nunjucks

import (
	"fmt"
	"strings"
)

// files are what generated templates include, import and extend.
var files = map[string]string{
	"part":    "<{{ s }}|{{ v1 }}|{% set v1 = 'part' %}{{ v1 }}>",
	"macros":  "{% macro shout(a, k='!') %}{{ a | upper }}{{ k }}{% endmacro %}{% set answer = 42 %}{% macro context(a) %}{{ s }}{{ a }}{% endmacro %}",
	"base":    "[{% block head %}base head {{ s }}{% endblock %}|{% block body %}base body{% endblock %}|{% set v1 = 1 %}{{ v1 }}]",
	"middle":  "{% extends 'base' %}{% block head %}middle {{ super() }}{% endblock %}",
	"dir/sub": "sub {% include './leaf' %}",
	// relative to the template that names it
	"dir/leaf": "leaf {{ n }}",
}

func (g *generator) template() string {
	prelude := ""
	g.macros = []string{"callback"}
	prelude = "{% macro callback(a, k=2) %}{{ 'y' if a }}{% endmacro %}"
	if g.chance(6) {
		return prelude + g.child()
	}
	return prelude + g.body(g.r.IntN(4)+1)
}

// child is a template that extends another.
func (g *generator) child() string {
	src := "{% " + g.use("tag", "extends") + " " + pick(g, "'base'", "'middle'", "'ba' ~ 'se'") + " %}"
	for _, name := range g.some("head", "body") {
		super := ""
		if g.chance(50) {
			g.use("global", "super")
			super = "{{ super() }}"
		}
		g.use("tag", "block")
		src += "{% block " + name + " %}" + super + g.body(1) + pick(g, "{% endblock %}", "{% endblock "+name+" %}")
	}
	return src
}

func (g *generator) body(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(g.piece())
	}
	return b.String()
}

func (g *generator) piece() string {
	if g.depth > 1 {
		return g.oneOf(g.output, g.words)
	}
	g.depth++
	defer func() { g.depth-- }()
	if !g.plain && g.chance(20) {
		return g.oneOf(g.includeTag, g.importTag, g.blockTag)
	}
	return g.oneOf(g.output, g.output, g.output, g.output, g.output, g.output, g.words, g.ifTag, g.forTag, g.forTag, g.setTag, g.setTag, g.macroTag,
		g.callTag, g.filterTag, g.switchTag, g.rawTag, g.comment, g.stateful)
}

// tag is {% text %}, with blanks taken away now and then.
func (g *generator) tag(text string) string {
	return pick(g, "{% ", "{% ", "{% ", "{%- ", "{%") + text + pick(g, " %}", " %}", " %}", " -%}", "%}")
}

func (g *generator) output() string {
	depth := g.depth
	g.depth = 0
	defer func() { g.depth = depth }()
	return pick(g, "{{ ", "{{ ", "{{ ", "{{- ") + g.value() + pick(g, " }}", " }}", " }}", " -}}")
}

func (g *generator) words() string {
	return pick(g, "text ", " \n ", "{ not a tag } ", "<p>", "  two\n\n", "% }", "é")
}

func (g *generator) ifTag() string {
	g.use("tag", "if")
	src := g.tag("if "+g.condition()) + g.body(1)
	if g.chance(40) {
		src += g.tag(g.use("tag", pick(g, "elif", "elseif"))+" "+g.condition()) + g.body(1)
	}
	if g.chance(50) {
		src += g.tag(g.use("tag", "else")) + g.body(1)
	}
	return src + g.tag("endif")
}

func (g *generator) forTag() string {
	g.use("tag", "for")
	head := g.oneOf(
		func() string { return "v in " + g.list() },
		func() string { return "v in " + g.text() },
		func() string { return "k, v in " + g.dict() },
		func() string { return "k, v in " + pick(g, "pairs", "[[1, 2], [3, 4]]", "[['a', 1, 2]]") },
		func() string { return "v in " + pick(g, "l", "w", "o", "p.tags") },
	)
	src := g.tag("for "+head) + "{{ " + pick(g, "v", "loop.index", "v.name", "k") + " }}"
	g.loops++
	src += g.body(1)
	g.loops--
	if g.chance(30) {
		g.awkward(func() { src += g.tag(g.use("tag", "else")) + g.body(1) })
	}
	return src + g.tag("endfor")
}

func (g *generator) setTag() string {
	g.use("tag", "set")
	name := pick(g, "v1", "v2", "s", "n")
	switch g.r.IntN(5) {
	case 0:
		src := g.tag("set " + name)
		g.awkward(func() { src += g.body(1) })
		return src + g.tag("endset") + "{{ " + name + " }}"
	case 1:
		return g.tag("set v1, v2 = "+g.value()) + "{{ v1 }}{{ v2 }}"
	}
	return g.tag("set "+name+" = "+g.value()) + "{{ " + name + " }}"
}

func (g *generator) macroTag() string {
	g.use("tag", "macro")
	g.names++
	name := fmt.Sprintf("mac%d", g.names)
	loops := g.loops
	g.loops = 0
	src := g.tag("macro "+name+"("+pick(g, "", "a", "a, k=1", "a, b, k='x', l=s")+")") + "{{ a }}{{ k }}" + g.body(1) + g.tag("endmacro")
	g.loops = loops
	if loops == 0 {
		g.macros = append(g.macros, name)
	}
	return src + "{{ " + name + "(" + strings.Join(g.some(g.value(), g.value(), "k="+g.value()), ", ") + ") }}"
}

func (g *generator) callTag() string {
	g.use("tag", "call")
	g.names++
	name := fmt.Sprintf("called%d", g.names)
	params := pick(g, "", "", "(c)")
	src := "{% macro " + name + "(a, k=1) %}[{{ a }}" + pick(g, "{{ caller() }}", "{{ caller(a) }}", "{{ caller('x') | upper }}{{ k }}") + "]{% endmacro %}"
	src += g.tag("call"+params+" "+name+"("+strings.Join(g.some(g.value(), "k="+g.value()), ", ")+")") + "{{ c }}"
	g.awkward(func() { src += g.body(1) })
	return src + g.tag("endcall")
}

func (g *generator) filterTag() string {
	g.use("tag", "filter")
	src := g.tag("filter " + pick(g, "upper", "title", "replace('a', 'b')", "trim", "truncate(5)", "wordcount", "indent(2)", "escape"))
	g.awkward(func() {
		if g.plain {
			src += g.output() + g.words()
			return
		}
		src += g.body(2)
	})
	return src + g.tag("endfilter")
}

func (g *generator) switchTag() string {
	g.use("tag", "switch")
	src := g.tag("switch " + g.value())
	cases := g.r.IntN(2) + 1
	if g.chance(3) {
		g.use("odd", emptySwitch)
		cases = 0
	}
	g.awkward(func() {
		for range cases {
			src += g.tag(g.use("tag", "case")+" "+g.value()) + pick(g, "", g.body(1))
		}
		if g.chance(60) {
			src += g.tag(g.use("tag", "default")) + g.body(1)
		}
	})
	return src + g.tag("endswitch")
}

// awkward writes a body from which Nunjucks makes JavaScript that doesn't parse, or a block it doesn't find, when it
// holds an include, import or block. Such ones are rare.
func (g *generator) awkward(body func()) {
	outer := g.plain
	g.plain = outer || !g.chance(3)
	if !g.plain {
		g.use("odd", brokenCode)
	}
	body()
	g.plain = outer
}

func (g *generator) rawTag() string {
	name := g.use("tag", pick(g, "raw", "verbatim"))
	return g.tag(name) + pick(g, "{{ x }}", "{% if %}", " plain ", "{# c #}", "") + pick(g, "{% end", "{% end", "{%end", "{% end", g.tag("end")[:3]) + name + " %}"
}

func (g *generator) comment() string {
	g.use("tag", "#")
	return pick(g, "{# a comment #}", " {#- trims -#} ", "{# {{ x }} #}")
}

func (g *generator) includeTag() string {
	g.use("tag", "include")
	return g.tag("include " + pick(g, "'part'", "'dir/sub'", "'nothing' ignore missing", "'pa' ~ 'rt'", "'part'"))
}

func (g *generator) importTag() string {
	context := pick(g, "", "", " with context", " without context")
	if g.chance(50) {
		g.use("tag", "import")
		return g.tag("import 'macros' as lib"+context) + "{{ lib." + pick(g, "shout('a')", "answer", "context(1)", "shout(s, k='?')") + " }}"
	}
	g.use("tag", "from")
	return g.tag("from 'macros' import shout, answer as x1"+context) + "{{ shout(" + g.text() + ") }}{{ x1 }}"
}

func (g *generator) blockTag() string {
	g.use("tag", "block")
	g.names++
	name := fmt.Sprintf("b%d", g.names)
	return "{% block " + name + " %}" + g.body(1) + "{% endblock %}"
}

// stateful uses the globals that remember.
func (g *generator) stateful() string {
	g.names++
	name := fmt.Sprintf("g%d", g.names)
	if g.chance(50) {
		g.use("global", "cycler")
		return fmt.Sprintf("{%% set %s = cycler(%s) %%}{{ %s.next() }}{{ %s.next() }}{{ %s.current }}", name, pick(g, "1, 2", "s, n, 'x'", "'a'"), name, name, name)
	}
	g.use("global", "joiner")
	return fmt.Sprintf("{%% set %s = joiner(%s) %%}{{ %s() }}{{ %s() }}", name, pick(g, "", "'|'", "s"), name, name)
}
