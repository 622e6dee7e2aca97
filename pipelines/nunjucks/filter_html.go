package nunjucks

import (
	"math"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

var htmlEscaper = sync.OnceValue(func() *strings.Replacer {
	return strings.NewReplacer("&", "&amp;", `"`, "&quot;", "'", "&#39;", "<", "&lt;", ">", "&gt;", `\`, "&#92;")
})

func escapeHTML(text string) string { return htmlEscaper().Replace(text) }

func filterEscape(s *state, args []any) any {
	if _, ok := args[0].(Safe); ok {
		return args[0]
	}
	return filterForceEscape(s, args)
}

func filterForceEscape(s *state, args []any) any {
	return Safe(escapeHTML(s.text(orBlank(args[0]))))
}

func filterSafe(s *state, args []any) any { return Safe(s.text(orBlank(args[0]))) }

// orBlank makes null and undefined the empty string.
func orBlank(v any) any {
	if isNullish(v) {
		return ""
	}
	return v
}

func filterNl2br(s *state, args []any) any {
	if isNullish(args[0]) {
		return ""
	}
	text := strings.ReplaceAll(s.mustText(args[0]), "\r\n", "\n")
	return like(args[0], s.replaced(text, "\n", "<br />\n", -1))
}

var (
	tagPattern    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?is)</?([a-z][a-z0-9]*)\b[^>]*>|<!--.*?-->`) })
	edgePattern   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^ +| +$`) })
	spacesPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(` +`) })
	blankPattern  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\s+`) })
	linesPattern  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\n\n\n+`) })
)

// filterStripTags takes HTML tags away and squeezes blanks, keeping line breaks where the second argument says so.
func filterStripTags(s *state, args []any) any {
	v := orEmpty(args[0])
	text := strings.Trim(tagPattern().ReplaceAllString(s.mustText(v), ""), jsSpace)
	if !truthy(arg(args, 1)) {
		return like(v, blankPattern().ReplaceAllString(text, " "))
	}
	text = edgePattern().ReplaceAllString(text, "")
	text = spacesPattern().ReplaceAllString(text, " ")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return like(v, linesPattern().ReplaceAllString(text, "\n\n"))
}

// escapeURI is encodeURIComponent.
func escapeURI(text string) string {
	return strings.NewReplacer("+", "%20", "%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(url.QueryEscape(text))
}

// filterURLEncode encodes a string, or the pairs of a list or dict as a query.
func filterURLEncode(s *state, args []any) any {
	var pairs []string
	add := func(key, value any) {
		pairs = append(pairs, escapeURI(s.text(key))+"="+escapeURI(s.text(value)))
	}
	switch x := args[0].(type) {
	case string:
		return escapeURI(x)
	case Safe:
		add("val", string(x))
		add("length", float64(utf16Len(string(x))))
	case *list:
		for _, pair := range x.items() {
			s.tick(1)
			add(s.strictMember(pair, 0.0), s.strictMember(pair, 1.0))
		}
	case *dict:
		for _, key := range x.keys() {
			s.tick(1)
			v, _ := x.get(key)
			add(key, v)
		}
	}
	return strings.Join(pairs, "&")
}

var (
	piecePattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\s+|\S+`) })
	urlPattern   = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^(?:\(|<|&lt;)?(.*?)(?:\.|,|\)|\n|&gt;)?$`)
	})
	mailPattern = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile("(?i)^[\\w.!#$%&'*+\\-\\/=?\\^`{|}~]+@[a-z\\d\\-]+(\\.[a-z\\d\\-]+)+$")
	})
	domainPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\.(?:org|net|com)(?::|/|$)`) })
)

// filterURLize turns what looks like an address into a link, its text cut to a length; nofollow where asked for.
func filterURLize(s *state, args []any) any {
	length := math.Inf(1)
	if f, ok := arg(args, 1).(float64); ok {
		length = f
	}
	rel := ""
	if arg(args, 2) == any(true) {
		rel = ` rel="nofollow"`
	}
	var b strings.Builder
	for _, piece := range piecePattern().FindAllString(s.mustText(args[0]), -1) {
		s.appendText(&b, linked(piece, length, rel))
	}
	return b.String()
}

func linked(piece string, length float64, rel string) string {
	target := piece
	if m := urlPattern().FindStringSubmatch(piece); m != nil {
		target = m[1]
	}
	shown := target
	if float64(utf16Len(target)) > length {
		shown = slice16(target, 0, int(length))
	}
	scheme := "http://"
	switch {
	case strings.HasPrefix(target, "http://"), strings.HasPrefix(target, "https://"):
		scheme = ""
	case strings.HasPrefix(target, "www."):
	case mailPattern().MatchString(target):
		return `<a href="mailto:` + target + `">` + target + `</a>`
	case domainPattern().MatchString(target):
	default:
		return piece
	}
	return `<a href="` + scheme + target + `"` + rel + `>` + shown + `</a>`
}
