package document

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/flosch/pongo2/v6"
)

// compile makes a pongo2 template of the pieces: each is one tag on a line of its own, so that a line number of pongo2's
// is the number of a piece, and nothing but our own tags writes.
func compile(pieces []piece, hyphened []string) (t *pongo2.Template, err error) {
	var b strings.Builder
	for i, p := range pieces {
		code, err := tagOf(i, p, hyphened)
		if err != nil {
			return nil, err
		}
		b.WriteString("{% " + code + " %}\n")
	}
	set, err := engine()
	if err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Msg: "it can't be parsed"}
		}
	}()
	t, err = set.FromString(b.String())
	return t, explain(err, pieces)
}

// tagOf is the tag that piece i becomes.
func tagOf(i int, p piece, hyphened []string) (string, error) {
	code := joinHyphens(p.text, hyphened)
	word, head := "show", ""
	switch {
	case p.kind == isText:
		return fmt.Sprintf("put %d", i), nil
	case p.kind == isTag:
		word = p.word()
		code = code[len(word):]
	}
	var ok bool
	switch word {
	case "show", "if", "elif":
	case "set":
		if head, code, ok = strings.Cut(code, "="); !ok || !isName(head) {
			return "", p.at.errorf("%s: write {%% set NAME = VALUE %%}", clip(p.text))
		}
	case "for":
		head, code, ok = strings.Cut(code, " in ")
		key, value, both := strings.Cut(head, ",")
		if !ok || !isName(key) || both && !isName(value) {
			return "", p.at.errorf("%s: write {%% for NAME in LIST %%} or {%% for KEY, VALUE in MAP %%}", clip(p.text))
		}
		head = key + " " + value
	default:
		if strings.TrimSpace(code) != "" {
			return "", p.at.errorf("{%% %s %%} takes no value: %s", word, clip(p.text))
		}
		return word, nil
	}
	expr, err := encode(code, p)
	return fmt.Sprintf("%s %d %s %s", word, i, head, expr), err
}

func isName(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && nameLen(s) == len(s) && !slices.Contains(pongo2.TokenKeywords, s)
}

// joinHyphens writes the names that have hyphens in them as pongo2 can read them. What stands in quotes stays.
func joinHyphens(code string, hyphened []string) string {
	if len(hyphened) == 0 {
		return code
	}
	var b strings.Builder
	for i := 0; i < len(code); {
		n := hyphenedLen(code[i:])
		word := code[i : i+n]
		switch {
		case code[i] == '"' || code[i] == '\'':
			n = quoted(code[i:])
			b.WriteString(code[i : i+n])
		case n == 0:
			n = 1
			b.WriteByte(code[i])
		case slices.Contains(hyphened, word) && (i == 0 || code[i-1] != '.'):
			b.WriteString(strings.ReplaceAll(word, "-", "_"))
		default:
			b.WriteString(word)
		}
		i += n
	}
	return b.String()
}

// hyphenedLen is the length of the name at the start of s, with hyphens between its letters.
func hyphenedLen(s string) int {
	n := 0
	for n < len(s) && (inName(s[n]) || s[n] == '-' && n > 0 && n+1 < len(s) && inName(s[n+1])) {
		n++
	}
	return n
}

// explain puts an error of pongo2's into our words, and at the place in the template.
func explain(err error, pieces []piece) error {
	e, ok := errors.AsType[*pongo2.Error](err)
	if !ok || e == nil {
		return err
	}
	if e.Line < 1 || e.Line > len(pieces) {
		return &Error{Msg: e.OrigError.Error()}
	}
	p := pieces[e.Line-1]
	return p.at.errorf("%s: %s", clip(p.text), strings.TrimSuffix(e.OrigError.Error(), "."))
}

// filters are those of pongo2 that can be used: none returns much more than it is given, none is about bytes on the
// screen, none says that a value is safe.
var filters = []string{
	"capfirst", "cut", "default", "default_if_none", "divisibleby", "first", "float", "integer", "last", "length",
	"length_is", "lower", "pluralize", "slice", "split", "striptags", "title", "truncatechars", "truncatewords", "upper",
	"urlencode", "wordcount", "yesno",
}

// banned are the others. "join" and "date" are replaced by ours.
var banned = []string{
	"add", "addslashes", "center", "e", "escape", "escapejs", "floatformat", "get_digit", "iriencode", "linebreaks",
	"linebreaksbr", "linenumbers", "ljust", "make_list", "phone2numeric", "random", "removetags", "rjust", "safe",
	"stringformat", "time", "truncatechars_html", "truncatewords_html", "urlize", "urlizetrunc", "wordwrap",
}

// engine is pongo2's only template set here. Tags and filters are package-wide in pongo2, so this package owns them:
// ours are registered once. Its autoescape is off, because the sheet escapes.
var engine = sync.OnceValues(func() (*pongo2.TemplateSet, error) {
	pongo2.SetAutoescape(false)
	errs := []error{
		pongo2.RegisterTag("put", parsePut), pongo2.RegisterTag("show", parseShow),
		pongo2.ReplaceTag("set", parseSet), pongo2.ReplaceTag("for", parseFor), pongo2.ReplaceTag("if", parseIf),
	}
	for name, f := range ownFilters() {
		register := pongo2.RegisterFilter
		if pongo2.FilterExists(name) {
			register = pongo2.ReplaceFilter
		}
		errs = append(errs, register(name, f))
	}
	set := pongo2.NewSet("documents", noFiles{})
	for _, tag := range []string{
		"autoescape", "block", "comment", "cycle", "extends", "filter", "firstof", "ifchanged", "ifequal", "ifnotequal",
		"import", "include", "lorem", "macro", "now", "spaceless", "ssi", "templatetag", "widthratio", "with",
	} {
		errs = append(errs, set.BanTag(tag))
	}
	for _, filter := range banned {
		errs = append(errs, set.BanFilter(filter))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("set up document templates: %w", err)
	}
	return set, nil
})

// noFiles is a loader that has none.
type noFiles struct{}

func (noFiles) Abs(_, name string) string { return name }

func (noFiles) Get(string) (io.Reader, error) { return nil, errors.New("templates read no files") }

// checkFilter refuses what is no filter of documents.
func checkFilter(name string, at place) error {
	all := slices.Concat(filters, slices.Collect(maps.Keys(ownFilters())))
	if name == "" || slices.Contains(all, name) {
		return nil
	}
	slices.Sort(all)
	return at.errorf("there is no filter %q in documents; there are %s", name, strings.Join(all, ", "))
}
