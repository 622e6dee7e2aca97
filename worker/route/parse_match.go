package route

import (
	"path"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
)

// words is a list of texts, or one, each once. check, which may be nil, looks at each of them. A list without any is refused:
// without the key, anything is met.
func words(v pipelines.Value, check func(at pipelines.Value, text string)) []string {
	if v.Any == nil {
		return nil
	}
	entries := v.Entries()
	switch {
	case len(entries) == 0:
		v.Errorf("%s %s", v.Name, saysNothing)
	case len(entries) > maxWords:
		v.Errorf("%s has %d entries, and %d are allowed", v.Name, len(entries), maxWords)
		return nil
	}
	var out []string
	for _, e := range entries {
		text := e.Text()
		switch {
		case e.Any == nil || e.Any == "":
			e.Errorf("%s %s", e.Name, saysNothing)
		case text == "" || !plain(e): // said already
		case slices.Contains(out, text):
			e.Errorf("%s has %q twice; keep one of them", v.Name, pipelines.Shorten(text))
		default:
			if out = append(out, text); check != nil {
				check(e, text)
			}
		}
	}
	return out
}

const saysNothing = "is empty; leave it out, or say what is meant"

// filled refuses keys without a value, which would be read as if they were not there: a rule that takes anything.
func filled(v pipelines.Value, keys []string) {
	m, _ := v.Any.(map[string]any)
	for _, key := range keys {
		if value, has := m[key]; has && value == nil {
			v.Key(key).Errorf("%s %s", key, saysNothing)
		}
	}
}

func buckets(v pipelines.Value) []string {
	return words(v, func(at pipelines.Value, name string) {
		if _, err := path.Match(name, ""); err != nil {
			at.Errorf("bucket: %q is no glob: a [ is not closed, or a \\ stands last", pipelines.Shorten(name))
		}
		if strings.ContainsAny(name, "/:") {
			at.Errorf("bucket: %q is no bucket's name; write the name alone, and the folder under prefix", pipelines.Shorten(name))
		}
	})
}

func prefix(v pipelines.Value) string {
	text := v.Text()
	switch {
	case !plain(v): // said already
	case strings.HasPrefix(text, "/"):
		v.Errorf("prefix: keys do not begin with a slash; write %q", strings.TrimLeft(text, "/"))
	case strings.ContainsAny(text, "*?"):
		v.Errorf("prefix is no pattern, and %q has %s in it; say regex for patterns", pipelines.Shorten(text), "* or ?")
	}
	return text
}

// suffixes refuses what in other systems matched nothing, or too much, without a word.
func suffixes(v pipelines.Value) []string {
	return words(v, func(at pipelines.Value, s string) {
		switch {
		case strings.ContainsAny(s, ", \t") && strings.Contains(strings.Trim(s, ", \t"), ".") && len(splitWords(s)) > 1:
			at.Errorf("%q is one suffix, which hardly a key ends in; write a list: [%s]", pipelines.Shorten(s), strings.Join(splitWords(s), ", "))
		case strings.ContainsAny(s, "*?^$|"):
			at.Errorf("a suffix is no pattern; write %q, or say regex", strings.Trim(s, "*?^$|\\"))
		case strings.Trim(s, nameSigns[:62]) == "":
			at.Errorf("the suffix %q is met by names like new%s too; write %q", s, s, "."+s)
		}
	})
}

// eachOnce wants no suffix twice but for the case of its letters.
func (r *Rule) eachOnce(v pipelines.Value) {
	for i, s := range r.Suffixes {
		if slices.ContainsFunc(r.Suffixes[:i], func(before string) bool { return strings.EqualFold(before, s) }) {
			v.Errorf("the suffix %q stands there twice, because ignore_case is true; keep one of them", s)
		}
	}
}

func splitWords(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == ';' })
}

func size(v pipelines.Value, otherwise int64) int64 {
	const most = 1 << 50 // no bucket has larger objects
	switch x := v.Any.(type) {
	case nil:
		return otherwise
	case int64:
		if x >= 0 && x <= most {
			return x
		}
	case string:
		digits := strings.TrimRight(x, "KMGTib")
		shift, ok := map[string]int{"": 0, "Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}[x[len(digits):]]
		if n, err := strconv.ParseInt(digits, 10, 64); err == nil && ok && n >= 0 && n <= most>>shift {
			return n << shift
		}
	}
	v.Wrong("a number of bytes, or text like 512Mi or 2Gi")
	return otherwise
}

// Bounds of regexes: an upload costs as many steps for each character of its key as all of a table have instructions.
const (
	maxRegex    = 1000   // bytes of one
	maxSteps    = 5000   // of one
	maxAllSteps = 10_000 // of a table: 0.2 s for the longest key
)

// regex compiles one, and says what every key that it matches begins with.
func (p *parser) regex(v pipelines.Value) (re *regexp.Regexp, anchor string) {
	text := v.Text()
	if text == "" {
		return nil, ""
	}
	if len(text) > maxRegex {
		v.Errorf("regex has %d bytes, and %d are allowed; use prefix and suffixes for what they can say", len(text), maxRegex)
		return nil, ""
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		v.Errorf("regex: %s", regexMistake(err))
		return nil, ""
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil || len(program.Inst) > maxSteps {
		v.Errorf("regex repeats too much: it takes more than %d steps for each character", maxSteps)
		return nil, ""
	}
	before := p.steps
	if p.steps += len(program.Inst); p.steps > maxAllSteps && before <= maxAllSteps {
		v.Errorf("regex: with those before it the table takes %d steps for each character of a key, and %d are allowed; use prefix and suffixes for what they can say",
			p.steps, maxAllSteps)
	}
	if re, err = regexp.Compile(text); err != nil {
		v.Errorf("regex: %s", regexMistake(err))
		return nil, ""
	}
	return re, anchored(tree)
}

// regexMistake is an error of regexp with a remedy where people come from other languages.
func regexMistake(err error) string {
	msg := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	if strings.Contains(msg, "(?=") || strings.Contains(msg, "(?!") || strings.Contains(msg, "(?<=") || strings.Contains(msg, "(?<!") {
		msg += "; RE2 looks neither ahead nor behind: say prefix or suffixes, or put a route for the exception before this one"
	}
	return msg
}

// changes are the kinds of events.
func changes() []string {
	return []string{string(job.Created), string(job.Deleted), string(job.Restored), string(job.Other)}
}

// events are those that a rule takes: kinds, or as a source calls them.
func events(v pipelines.Value) []string {
	out := words(v, func(at pipelines.Value, e string) {
		star := strings.IndexByte(e, '*')
		switch {
		case slices.Contains(changes(), e):
		case star >= 0 && star < len(e)-1:
			at.Errorf("events: in %q the * must stand last", pipelines.Shorten(e))
		case strings.TrimPrefix(e, "s3:") == "*":
			at.Errorf("events: say which: %s, or an event as its source calls it, such as ObjectCreated:*", strings.Join(changes(), ", "))
		case !strings.ContainsAny(e, ":. "):
			at.Errorf("events has no %q%s; there are %s, and events as their source calls them, such as ObjectCreated:Put", pipelines.Shorten(e), closest(e, changes()), strings.Join(changes(), ", "))
		}
	})
	for i, e := range out {
		out[i] = strings.TrimPrefix(e, "s3:")
	}
	if v.Any == nil {
		return []string{string(job.Created)}
	}
	return out
}

func knownSources() []string { return []string{"s3", "cos", "cloudevent", fromGateway} }

func sources(v pipelines.Value) []string {
	return words(v, func(at pipelines.Value, s string) {
		if !slices.Contains(knownSources(), s) {
			at.Errorf("sources has no %q%s; there are %s", pipelines.Shorten(s), closest(s, knownSources()), strings.Join(knownSources(), ", "))
		}
	})
}
