package document_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/millrace/millrace/modules/document"
)

func TestNoValueBreaksOutOfHTML(t *testing.T) {
	for _, v := range hostile {
		got, err := render(t, document.HTML, `<p title="{{ v }}" id='{{ v }}'>{{ v }}</p>`, map[string]any{"v": v})
		require.NoError(t, err)
		require.Equal(t, 2, strings.Count(got, "<"), got)
		require.Equal(t, 2, strings.Count(got, `"`), got)
		require.Equal(t, 2, strings.Count(got, `'`), got)
	}
	for _, tt := range []struct{ name, source, want string }{
		{"a script", "<script>x = {{ v }}</script>", "stands in a script element"},
		{"a style", "<STYLE>a { width: {{ v }} }</STYLE>", "stands in a style element"},
		{"an attribute without quotes", "<a href={{ v }}>", "stands within a tag"},
		{"an attribute's name", "<a {{ v }}=1>", "stands within a tag"},
		{"a tag's name", "<{{ v }}>", "stands within a tag"},
		{"a comment", "<!-- {{ v }} -->", "stands in a comment"},
		{"an event", `<a onclick="{{ v }}">`, "which is a program"},
		{"a style attribute", `<a style="{{ v }}">`, "numbers are safe and text is not"},
		{"a link", `<a href="{{ v }}">`, "part of a link that begins"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := render(t, document.HTML, tt.source, map[string]any{"v": "javascript:1"})
			require.ErrorContains(t, err, tt.want)
		})
	}
	got, err := render(t, document.HTML, `<a href = "{{ u }}" style="width: {{ n }}%">{{ u }}</a><!-- x --><script>1 < 2</script>{{ u }}`, map[string]any{"u": "out/a.png?x=1&y", "n": 12.5})
	require.NoError(t, err)
	require.Equal(t, `<a href = "out/a.png?x=1&amp;y" style="width: 12.5%">out/a.png?x=1&amp;y</a><!-- x --><script>1 < 2</script>out/a.png?x=1&amp;y`, got)
}

// Each holds {{ v }} or {{ n }} where some reader of HTML or XML may run it.
var breakouts = []string{
	"<script/>{{ v }}</script>", "<script/x>{{ v }}</script>", "<style/>{{ v }}</style>", "<svg:script>{{ v }}</svg:script>",
	`<a xl:href="{{ v }}">x</a>`, `<a xlink:href="{{ v }}">x</a>`, `<script>x="</scriptx>";{{ v }}</script>`, `<a href="{{ s }}:alert(1)">`,
	`<a href="&#106;avascript:{{ v }}">`, `<a href="javascript&#58;{{ v }}">`, `<a href="java&Tab;script:{{ v }}">`, `<a href="&#1;javascript:{{ v }}">`,
	`<meta http-equiv=refresh content="0;url={{ v }}">`, `<img lowsrc="{{ v }}">`, `<a @click="{{ v }}">`, `<a x-on:click="{{ v }}">`,
	`<a hx-on:click="{{ v }}">`, `<a v-html="{{ v }}">`, `<a ng-click="{{ v }}">`, `<a :title="{{ v }}">`, `<a v-bind:title="{{ v }}">`, `<a data-ng-click="{{ v }}">`,
	`<iframe srcdoc="{{ v }}">`, `<iframe src="{{ v }}">`, `<base href="{{ v }}">`, `<animate to="{{ v }}">`, `<p title / = "{{ v }}">`,
	`<script><!--<script></script>{{ v }}</script>`, `<noscript><p title="</noscript>{{ v }}">`, `<textarea><a href="</textarea>{{ v }}">`,
	`<svg><style><a onclick="</style>{{ v }}">`, `</ title="> <script>{{ v }}</script>">`, `<!--> <script>{{ v }}</script> -->`, `<![CDATA[ > {{ v }} ]]>`,
	`<plaintext></plaintext>{{ v }}`, `<_a title="<script>{{ v }}</script>">`, `<1 title="<script>{{ v }}</script>">`, `<a onclick="{{ n }}">`,
}

func TestNoPlaceRunsAValueInHTML(t *testing.T) {
	for _, source := range breakouts {
		_, err := render(t, document.HTML, source, map[string]any{"v": "javascript:alert(1)", "s": "javascript", "n": 1})
		require.ErrorContains(t, err, "t:1: {{ ", source)
	}
	for source, want := range map[string]string{
		`<title>{{ v }}</title><h1 data-id="{{ v }}" aria-label="{{ v }}">{{ v }}</h1>`:      `<title>a&lt;b</title><h1 data-id="a&lt;b" aria-label="a&lt;b">a&lt;b</h1>`,
		`<svg viewBox="0 0 {{ n }} {{ n }}"><title>{{ v }}</title><rect x="{{ n }}"/></svg>`: `<svg viewBox="0 0 7 7"><title>a&lt;b</title><rect x="7"/></svg>`,
		`<a href="https://x.org/{{ v }}?{{ n }}">x</a><img src="./{{ v }}"><br/>{{ v }}`:     `<a href="https://x.org/a&lt;b?7">x</a><img src="./a&lt;b"><br/>a&lt;b`,
	} {
		got, err := render(t, document.HTML, source, map[string]any{"v": "a<b", "n": 7})
		require.NoError(t, err, source)
		require.Equal(t, want, got)
	}
}

func TestHTMLIsTheSameTreeWhateverAValueHolds(t *testing.T) {
	places := []string{
		"{{ v }}", `<p title="{{ v }}" id='{{ v }}'>{{ v }}</p>`, "<title>{{ v }}</title>{{ v }}", "<textarea>{{ v }}</textarea>", `<a href="/{{ v }}">{{ v }}</a>`,
		"<table><tr><td>{{ v }}</table>", `<svg><a xlink:href="/{{ v }}">{{ v }}</a></svg>`, "<script>1<2</script>{{ v }}", "<!-- x -->{{ v }}<br/>", `<input value="{{ v }}">`,
	}
	for _, source := range append(places, breakouts...) {
		for _, v := range hostile {
			vars := map[string]any{"v": v, "s": v, "n": 1}
			if got, err := render(t, document.HTML, source, vars); err == nil {
				requireSameTree(t, source, got, vars)
			}
		}
	}
}

// requireSameTree holds what a template made of texts against what it makes of a harmless word in the place of each.
func requireSameTree(t *testing.T, source, got string, vars map[string]any) {
	t.Helper()
	harmless, err := render(t, document.HTML, source, wordsFor(vars).(map[string]any))
	if err != nil || strings.Contains(source, "%}") || strings.Contains(source, "|") {
		return // it goes by the values
	}
	require.Equal(t, shape(t, harmless), shape(t, got), "%q gives %q", source, got)
}

func wordsFor(v any) any {
	switch v := v.(type) {
	case string:
		return "word"
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = wordsFor(v[i])
		}
		return list
	case map[string]any:
		m := map[string]any{}
		for k, e := range v {
			m[k] = wordsFor(e)
		}
		return m
	}
	return v
}

// shape is the elements, attributes and comments of a page, without its texts.
func shape(t *testing.T, page string) []string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	var all []string
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			continue
		}
		part := n.Data
		for _, a := range n.Attr {
			part += " " + a.Namespace + ":" + a.Key
		}
		all = append(all, part)
	}
	return all
}

func TestAPictureMayStandInItsTagWhole(t *testing.T) {
	for _, tt := range []struct {
		source, v string
		ok        bool
	}{
		{`<img src="{{ v }}">`, "data:image/png;base64,iVBORw0KGgo=", true},
		{`<img src="{{ v }}">`, "data:image/jpeg;base64,/9j/4AAQ+w==", true},
		{`<img src="data:image/png;base64,{{ v }}">`, "iVBORw0KGgo=", true},
		{`<img src="{{ v }}">`, "data:image/svg+xml;base64,PHN2Zz4=", false},
		{`<img src="{{ v }}">`, "data:text/html;base64,PHN2Zz4=", false},
		{`<img src="{{ v }}">`, "data:image/png,<script>", false},
		{`<img src="{{ v }}">`, "data:image/png;base64,<script>", false},
		{`<img src="{{ v }}">`, " data:image/png;base64,aa", false},
		{`<a href="{{ v }}">x</a>`, "data:image/png;base64,iVBORw0KGgo=", false},
		{`<video poster="{{ v }}">`, "data:image/png;base64,iVBORw0KGgo=", false},
		{`<svg:img src="{{ v }}">`, "data:image/png;base64,iVBORw0KGgo=", false},
	} {
		got, err := render(t, document.HTML, tt.source, map[string]any{"v": tt.v})
		if !tt.ok {
			require.ErrorContains(t, err, "link", tt)
			continue
		}
		require.NoError(t, err, tt)
		require.Contains(t, got, tt.v)
	}
}
