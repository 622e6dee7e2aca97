package route

import (
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/nunjucks"
	"github.com/millrace/millrace/pipelines/render"
	"github.com/millrace/millrace/worker/job"
)

// A parser reads the rules of one table.
type parser struct {
	env   *nunjucks.Env
	names map[string]*Rule
}

// Bounds of a regex: what it costs is its size times the key's.
const (
	maxRegex        = 1000 // bytes
	maxInstructions = 5000
)

// regex compiles one, and says what every key that it matches begins with.
func regex(v pipelines.Value) (re *regexp.Regexp, anchor string) {
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
	if err != nil || len(program.Inst) > maxInstructions {
		v.Errorf("regex repeats too much: it takes more than %d steps for each character", maxInstructions)
		return nil, ""
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
	all := words(v)
	if all == nil {
		return []string{string(job.Created)}
	}
	var out []string
	for _, e := range all {
		e = strings.TrimPrefix(e, "s3:")
		star := strings.IndexByte(e, '*')
		switch {
		case slices.Contains(changes(), e):
		case star >= 0 && star < len(e)-1:
			v.Errorf("events: in %q the * must stand last", pipelines.Shorten(e))
		case star == 0:
			v.Errorf("events: say which: %s, or an event as its source calls it, such as ObjectCreated:*", strings.Join(changes(), ", "))
		case !strings.ContainsAny(e, ":. "):
			v.Errorf("events has no %q%s; there are %s, and events as their source calls them, such as ObjectCreated:Put", pipelines.Shorten(e), closest(e, changes()), strings.Join(changes(), ", "))
		}
		out = append(out, e)
	}
	return out
}

func knownSources() []string { return []string{"s3", "cos", "cloudevent", fromGateway} }

func sources(v pipelines.Value) []string {
	out := words(v)
	for _, s := range out {
		if !slices.Contains(knownSources(), s) {
			v.Errorf("sources has no %q%s; there are %s", pipelines.Shorten(s), closest(s, knownSources()), strings.Join(knownSources(), ", "))
		}
	}
	return out
}

// make reads what a rule makes of an upload.
func (p *parser) make(v pipelines.Value, r *Rule) {
	r.Customer = p.template(v.Key("customer"), r)
	if _, all := literal(r.Customer); r.Customer != "" && all && !job.IsName(r.Customer) {
		v.Key("customer").Errorf("%q is no customer's name: they have 1 to 40 of a-z, 0-9 and -, a letter or digit first", pipelines.Shorten(r.Customer))
	}
	state := v.Key("state")
	r.State = state.Map()
	for _, key := range slices.Sorted(maps.Keys(r.State)) {
		p.stateKey(state.Key(key), r)
	}
	out := v.Key("output")
	out.Map(outputKeys()...)
	r.Output = Output{
		Prefix:   p.folder(out.Key("prefix"), r),
		Name:     p.outputName(out.Key("name"), r),
		Suffixes: suffixes(out.Key("suffixes"), false),
	}
}

func (p *parser) stateKey(v pipelines.Value, r *Rule) {
	switch v.Name {
	case stagingOutput:
		v.Errorf("state.%s is what output.prefix comes to; say that", v.Name)
	case outputStem:
		v.Errorf("state.%s is what output.name comes to; say that", v.Name)
	case stagingBucket, stagingInput, inputFilename:
		v.Errorf("state.%s is where the upload lies, and set for every job; leave it out", v.Name)
	}
	if err := render.CheckData(map[string]any{v.Name: nil}); err != nil {
		v.Errorf("%v", err)
	}
	p.templates(v, r)
}

// templates checks every text in v.
func (p *parser) templates(v pipelines.Value, r *Rule) {
	switch x := v.Any.(type) {
	case string:
		p.template(v, r)
	case []any:
		for _, e := range v.List() {
			p.templates(e, r)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(x)) {
			p.templates(v.Key(key), r)
		}
	}
}

// template checks a text, and returns it.
func (p *parser) template(v pipelines.Value, r *Rule) string {
	src := v.Text()
	if !nunjucks.HasTemplate(src) {
		return src
	}
	t, err := p.env.Parse("", src)
	if err != nil {
		for _, e := range p.env.Mistakes("", src) {
			v.ErrorfAt(e.Line, e.Col, "%s: the template doesn't parse: %s", v.Name, e.Text())
		}
		return src
	}
	facts := t.Facts()
	for _, u := range facts.Unknown {
		v.ErrorfAt(u.Line, u.Col, "%s: the template's %s %q is unknown", v.Name, u.Kind, pipelines.Shorten(u.Name))
	}
	for _, ref := range facts.Vars {
		p.variable(v, r, ref)
	}
	return src
}

func (p *parser) variable(v pipelines.Value, r *Rule, ref nunjucks.Ref) {
	switch {
	case ref.Name == "id" && v.Name == "customer":
		v.ErrorfAt(ref.Line, ref.Col, "customer: the ID begins with the customer's name, so it can't say id")
	case !slices.Contains(variableNames(), ref.Name):
		v.ErrorfAt(ref.Line, ref.Col, "%s: no variable is called %q%s; there are %s", v.Name, pipelines.Shorten(ref.Name), closest(ref.Name, variableNames()), strings.Join(variableNames(), ", "))
	case ref.Name == "groups" && len(ref.Path) > 0 && !slices.Contains(r.groupNames(), ref.Path[0]):
		v.ErrorfAt(ref.Line, ref.Col, "%s: the regex has no group called %q%s; name one like this: (?P<%s>[^/]+)",
			v.Name, pipelines.Shorten(ref.Path[0]), closest(ref.Path[0], r.groupNames()), pipelines.Shorten(ref.Path[0]))
	}
}

func (r *Rule) groupNames() []string {
	if r.Regex == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.Regex.SubexpNames()), func(name string) bool { return name == "" })
}

func (p *parser) folder(v pipelines.Value, r *Rule) string {
	text := p.template(v, r)
	if _, all := literal(text); !all || text == "" {
		return text
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(text, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			v.Errorf("prefix: %q is no folder of a bucket; write one like outputs/models", pipelines.Shorten(text))
			break
		}
	}
	return text
}

// outputName wants a name by which results are told from inputs.
func (p *parser) outputName(v pipelines.Value, r *Rule) string {
	text := p.template(v, r)
	head, all := literal(text)
	switch {
	case text == "":
	case strings.Contains(text, "/") && all:
		v.Errorf("name: a result's name has no slash; say its folder in prefix")
	case head == "":
		v.Errorf("name must begin with text of its own, by which results are told from inputs, such as %q", defaultName)
	}
	return text
}

// related says what is wrong with rules beside each other. All of them are whole.
func (p *parser) related(at []pipelines.Value, rules []*Rule) {
	for i, r := range rules {
		for _, name := range r.OutputsOf {
			switch other := p.names[name]; {
			case other == nil:
				at[i].Key("outputs_of").Errorf("outputs_of: there is no route called %q%s", pipelines.Shorten(name), closest(name, slices.Sorted(maps.Keys(p.names))))
			case other == r:
				at[i].Key("outputs_of").Errorf("outputs_of: a route can't take its own results")
			case !feeds(other, r):
				at[i].Key("outputs_of").Errorf("outputs_of: this route takes nothing of what %q makes: bucket, prefix, suffixes or events keep it out", name)
			}
		}
		for _, before := range rules[:i] {
			if before.covers(r) {
				at[i].Errorf("route %q never fires: %q, on line %d, takes all that it would; put it before that, or remove it", r.Name, before.Name, before.Pos.Line)
				break
			}
		}
		if feeds(r, r) {
			at[i].Errorf("route %q would go on for ever: its results (%s) are what it takes; %s", r.Name, results(r), remedy)
		}
	}
	alone := slices.DeleteFunc(slices.Clone(rules), func(r *Rule) bool { return feeds(r, r) })
	if way := circle(alone); way != nil {
		at[slices.Index(rules, way[0])].Errorf("routes %s would go on for ever: each takes the results of the one before; %s", arrows(way), remedy)
	}
}

const remedy = "say in output.prefix a folder that is not taken, or in output.suffixes what results end in"

// results says what a rule's results are called.
func results(r *Rule) string {
	endings := ""
	if len(r.Output.Suffixes) > 0 {
		endings = ", ending in " + quoted(r.Output.Suffixes)
	}
	return fmt.Sprintf("%q%s", r.Output.Folder()+"/"+r.Output.Stem(), endings)
}

func arrows(way []*Rule) string {
	var names []string
	for _, r := range append(slices.Clone(way), way[0]) {
		names = append(names, strconv.Quote(r.Name))
	}
	return strings.Join(names, " → ")
}

// covers says whether r takes everything that other does.
func (r *Rule) covers(other *Rule) bool {
	sameRegex := r.Regex == nil || other.Regex != nil && r.Regex.String() == other.Regex.String()
	return sameRegex && strings.HasPrefix(other.Prefix, r.Prefix) && r.MinSize <= other.MinSize &&
		(r.MaxSize < 0 || other.MaxSize >= 0 && other.MaxSize <= r.MaxSize) &&
		allIn(other.Buckets, r.Buckets) && allIn(other.Sources, r.Sources) && !slices.ContainsFunc(other.OutputsOf, func(name string) bool { return !slices.Contains(r.OutputsOf, name) }) &&
		allIn(other.Events, r.Events) && r.coversSuffixes(other)
}

func (r *Rule) coversSuffixes(other *Rule) bool {
	if len(r.Suffixes) == 0 {
		return true
	}
	if len(other.Suffixes) == 0 || other.IgnoreCase && !r.IgnoreCase {
		return false
	}
	return !slices.ContainsFunc(other.Suffixes, func(s string) bool { return !r.takesSuffix(s, r.IgnoreCase) })
}

// allIn says whether every word of a list is in another. An empty list is any word.
func allIn(words, list []string) bool {
	if len(list) == 0 || len(words) == 0 {
		return len(list) == 0
	}
	return !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(list, w) })
}
