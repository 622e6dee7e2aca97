package route

import (
	"maps"
	"slices"
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
	steps int // of the regexes so far
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
		Suffixes: suffixes(out.Key("suffixes")),
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

// plain refuses templates where none is rendered, and says whether there are none.
func plain(v pipelines.Value) bool {
	ok := true
	switch x := v.Any.(type) {
	case string:
		if ok = !nunjucks.HasTemplate(x); !ok {
			v.Errorf("%s is no template, and %q would be taken as it is; templates stand in state, output and customer", v.Name, pipelines.Shorten(x))
		}
	case []any:
		for _, e := range v.List() {
			ok = plain(e) && ok
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(x)) {
			ok = plain(v.Key(key)) && ok
		}
	}
	return ok
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
	head, all := literal(text)
	parts := strings.Split(strings.TrimSuffix(text, "/"), "/")
	if !all {
		parts = strings.Split(head, "/")
		parts = parts[:len(parts)-1] // what a template makes of the last is not known
	}
	if text != "" && slices.ContainsFunc(parts, func(part string) bool { return part == "" || part == "." || part == ".." }) {
		v.Errorf("prefix: %q is no folder of a bucket; write one like outputs/models", pipelines.Shorten(text))
	}
	return text
}

// outputName wants a name by which results are told from inputs.
func (p *parser) outputName(v pipelines.Value, r *Rule) string {
	text := p.template(v, r)
	head, _ := literal(text)
	switch {
	case text == "":
	case strings.Contains(head, "/"):
		v.Errorf("name: a result's name has no slash; say its folder in prefix")
	case head == "":
		v.Errorf("name must begin with text of its own, by which results are told from inputs, such as %q", defaultName)
	}
	return text
}
