package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/render"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
)

// What one table may have: every rule is held against every other, and every word of their lists.
const (
	maxRules    = 200
	maxWords    = 50   // in one list of a rule
	maxAllWords = 3000 // in all lists
)

// matchKeys are the keys that say what a rule takes.
func matchKeys() []string {
	return []string{
		"bucket", "prefix", "suffixes", "ignore_case", "regex", "events", "sources", "min_size", "max_size", "outputs_of",
	}
}

// jobKeys are those that a message has too, with the same meaning.
func jobKeys() []string {
	return []string{
		"pipeline", "version", "entry", "callback", "deadline", "max_attempts", "priority", "requires", "class", "keep_outputs",
		"debug", "dry_run",
	}
}

func ruleKeys() []string {
	return slices.Concat([]string{"name", "description"}, matchKeys(), jobKeys(), []string{"state", "output", "customer"})
}

func outputKeys() []string { return []string{"prefix", "name", "suffixes"} }

// Parse reads a table, YAML or JSON. name is what messages call it. The error holds everything that is wrong, with places:
// a *pipelines.ParseError. Whether there are such pipelines is Check's to say.
func Parse(name string, doc []byte) (*Rules, error) {
	root, err := pipelines.DecodeValue(name, doc)
	if err != nil {
		return nil, err
	}
	root.Map("routes")
	routes := root.Key("routes")
	list := routes.List()
	switch {
	case list == nil && routes.Any != nil: // said already
	case len(list) == 0:
		routes.Errorf("the table has no routes; add a list of them under routes")
	case len(list) > maxRules:
		routes.Errorf("the table has %d routes, and %d are allowed; join those that differ in their suffixes alone", len(list), maxRules)
		list = nil
	}
	rs := &Rules{Name: name, cache: render.NewCache()}
	words := 0
	p := parser{env: render.Language(false), names: map[string]*Rule{}}
	for i, v := range list {
		r := p.rule(v)
		r.order = root.Order("routes", strconv.Itoa(i), "state")
		rs.List = append(rs.List, r)
		words += r.words()
	}
	if words > maxAllWords {
		routes.Errorf("the lists of all routes have %d entries, and %d are allowed; say prefix, or a glob for buckets", words, maxAllWords)
	}
	if err := root.Err(); err != nil { // what rules are to each other is said of whole ones
		return nil, err
	}
	p.related(list, rs.List)
	if err := root.Err(); err != nil {
		return nil, err
	}
	return rs, nil
}

// Load reads the table in a file. The error holds everything that is wrong with it.
func Load(file string) (*Rules, error) {
	text, _, err := pipelines.ReadDocument(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s: a routing table is looked for there", file)
	}
	if err != nil {
		return nil, err
	}
	return Parse(filepath.Base(file), text)
}

func (p *parser) rule(v pipelines.Value) *Rule {
	if _, isMap := v.Any.(map[string]any); !isMap {
		v.Wrong("a map")
		return &Rule{}
	}
	foreignKeys(v)
	v.Map(ruleKeys()...)
	filled(v, append(matchKeys(), "customer"))
	r := &Rule{
		Description: v.Key("description").Text(),
		Pos:         v.Pos(),
		Buckets:     buckets(v.Key("bucket")),
		Prefix:      prefix(v.Key("prefix")),
		IgnoreCase:  v.Key("ignore_case").Bool(false),
		Events:      events(v.Key("events")),
		Sources:     sources(v.Key("sources")),
		MinSize:     size(v.Key("min_size"), 0),
		MaxSize:     size(v.Key("max_size"), -1),
		OutputsOf:   words(v.Key("outputs_of"), nil),
	}
	r.Name = p.name(v, r)
	if r.Suffixes = suffixes(v.Key("suffixes")); r.IgnoreCase {
		r.eachOnce(v.Key("suffixes"))
	}
	r.Regex, r.anchor = p.regex(v.Key("regex"))
	if r.MaxSize >= 0 && r.MinSize > r.MaxSize {
		v.Key("min_size").Errorf("min_size is more than max_size, which no object can meet")
	}
	r.job = jobOf(v)
	p.make(v, r)
	return r
}

// words is how many the lists of the rule have.
func (r *Rule) words() int {
	return len(r.Buckets) + len(r.Suffixes) + len(r.Events) + len(r.Sources) + len(r.OutputsOf) + len(r.Output.Suffixes)
}

// foreignKeys says what other systems' keys are called here.
func foreignKeys(v pipelines.Value) {
	m, _ := v.Any.(map[string]any)
	for foreign, ours := range map[string]string{
		"extension": "suffixes", "extensions": "suffixes", "inputExtensions": "suffixes", "suffix": "suffixes",
		"outputExtensions": "output.suffixes", "connectorName": "name", "buckets": "bucket", "event": "events",
		"customerId": "customer", "customer_id": "customer", "pattern": "regex", "id": "name",
	} {
		if _, has := m[foreign]; has {
			v.Key(foreign).Errorf("a route has no key %q: say %s", foreign, ours)
			delete(m, foreign)
		}
	}
}

func (p *parser) name(v pipelines.Value, r *Rule) string {
	const longest = 64
	at := v.Key("name")
	name := at.Text()
	switch {
	case name == "" && (at.Any == nil || at.Any == ""):
		v.Errorf("the route has no name; logs and the IDs of its jobs need one")
		return ""
	case name == "": // said already
		return ""
	case len(name) > longest || strings.Trim(name, nameSigns) != "" || strings.Trim(name[:1], "._-") == "":
		at.Errorf("%q can't be a route's name; use at most %d letters, digits, dots, dashes and _", pipelines.Shorten(name), longest)
	case p.names[name] != nil:
		at.Errorf("there are two routes called %q; give each a name of its own", name)
	}
	p.names[name] = r
	return name
}

const nameSigns = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// jobOf reads what a message could say too, by the same rules.
func jobOf(v pipelines.Value) *job.Job {
	m, _ := v.Any.(map[string]any)
	whole := map[string]any{"pipeline": "any"}
	if m["pipeline"] == nil {
		v.Errorf("the route says no pipeline; give the name of one in the catalogue")
	}
	for _, key := range jobKeys() {
		if m[key] == nil || !plain(v.Key(key)) {
			continue
		}
		fields := maps.Clone(whole)
		fields[key] = m[key]
		if _, err := decode(fields); err != nil {
			v.Key(key).Errorf("%v", err)
			continue
		}
		whole = fields
	}
	j, err := decode(whole)
	if err != nil {
		v.Errorf("%v", err)
		return &job.Job{}
	}
	j.ID = ""
	return j
}

func decode(fields map[string]any) (*job.Job, error) {
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("write a message: %w", err)
	}
	j, err := job.One(queue.Message{ID: "route", Body: body})
	if _, isText := fields["pipeline"].(string); !isText || err == nil && j.Inline != nil {
		return nil, errors.New("pipeline must be the name of one in the catalogue: a route brings none of its own")
	}
	return j, err
}

// closest adds what was probably meant to a sentence.
func closest(word string, known []string) string {
	if near := modules.Closest(word, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}
