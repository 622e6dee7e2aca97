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
		code := joinHyphens(p.text, hyphened)
		switch p.kind {
		case isText:
			fmt.Fprintf(&b, "{%% put %d %%}\n", i)
		case isValue:
			fmt.Fprintf(&b, "{%% show %d %s %%}\n", i, code)
		default:
			fmt.Fprintf(&b, "{%% %s %%}\n", code)
		}
	}
	set, err := engine()
	if err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Msg: fmt.Sprintf("it can't be parsed: %v", r)}
		}
	}()
	t, err = set.FromString(b.String())
	return t, explain(err, pieces)
}

// joinHyphens writes the names that have hyphens in them as pongo2 can read them.
func joinHyphens(code string, hyphened []string) string {
	for _, name := range hyphened {
		for from := 0; ; {
			i := strings.Index(code[from:], name)
			if i < 0 {
				break
			}
			i += from
			from = i + len(name)
			alone := (i == 0 || !inName(code[i-1]) && !strings.ContainsRune(".\"'-", rune(code[i-1]))) &&
				(from == len(code) || !inName(code[from]) && !strings.ContainsRune("\"'-", rune(code[from])))
			if alone {
				code = code[:i] + strings.ReplaceAll(name, "-", "_") + code[from:]
			}
		}
	}
	return code
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
		pongo2.ReplaceTag("set", parseSet), pongo2.ReplaceTag("for", parseFor),
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
