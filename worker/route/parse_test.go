package route_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/route"
)

// problems is what is wrong with a table, one line each.
func problems(t *testing.T, doc string) []string {
	t.Helper()
	_, err := route.Parse("r.yaml", []byte(doc))
	e, ok := errors.AsType[*pipelines.ParseError](err)
	require.True(t, ok, "%v", err)
	var all []string
	for _, p := range e.Problems {
		all = append(all, p.String())
	}
	return all
}

func TestEverythingWrongWithATableIsSaidAtOnceWithItsPlace(t *testing.T) {
	require.Equal(t, []string{
		`r.yaml:2:5: the route says no pipeline; give the name of one in the catalogue`,
		`r.yaml:3:5: prefix: keys do not begin with a slash; write "in/"`,
		`r.yaml:4:5: a route has no key "inputExtensions": say suffixes`,
		`r.yaml:5:14: events has no "create" (did you mean "created"?); there are created, deleted, restored, other, and events as their source calls them, such as ObjectCreated:Put`,
		`r.yaml:6:5: regex: invalid or unsupported Perl syntax: ` + "`(?!`" + `; RE2 looks neither ahead nor behind: say prefix or suffixes, or put a route for the exception before this one`,
		`r.yaml:7:5: "deadline" must be a positive duration as text, like "20m"`,
		`r.yaml:8:20: a: no variable is called "stam" (did you mean "stem"?); there are bucket, key, name, stem, extension, directory, size, etag, version, sequencer, event, kind, source, region, type, time, route, id, groups, now`,
		`r.yaml:8:30: state.inputFilename is where the upload lies, and set for every job; leave it out`,
		`r.yaml:9:14: name must begin with text of its own, by which results are told from inputs, such as "optimized_{{ stem }}"`,
		`r.yaml:10:5: there are two routes called "one"; give each a name of its own`,
		`r.yaml:11:5: routes[1] has no key "bucked", did you mean "bucket"?`,
	}, problems(t, `routes:
  - name: one
    prefix: /in/
    inputExtensions: [.stl]
    events: [create]
    regex: a(?!b)
    deadline: soon
    state: {a: "{{ stam }}", inputFilename: x}
    output: {name: "{{ stem }}"}
  - name: one
    bucked: models
    pipeline: p
`))
}

func TestWhatMatchedNothingOrTooMuchInOtherSystemsIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, rule, want string }{
		{"a list in one text", `suffixes: ".stl,.stp"`, `".stl,.stp" is one suffix, which hardly a key ends in; write a list: [.stl, .stp]`},
		{"an ending without its dot", `suffixes: [stl]`, `the suffix "stl" is met by names like newstl too; write ".stl"`},
		{"a pattern", `suffixes: ["*.stl"]`, `a suffix is no pattern; write ".stl", or say regex`},
		{"a suffix twice", `suffixes: [.stl, .stl]`, `suffixes has ".stl" twice; keep one of them`},
		{"no suffix", `suffixes: []`, `suffixes is empty; leave it out, or say what is meant`},
		{"suffixes without a value", `suffixes: `, `suffixes is empty; leave it out, or say what is meant`},
		{"no bucket", `bucket: []`, `bucket is empty; leave it out`},
		{"no event", `events: []`, `events is empty; leave it out`},
		{"no source", `sources: []`, `sources is empty; leave it out`},
		{"no suffix of results", `output: {suffixes: []}`, `suffixes is empty; leave it out`},
		{"a customer without a value", `customer: `, `customer is empty; leave it out`},
		{"a number for a suffix", `suffixes: [3]`, `the suffix "3" is met by names like new3 too; write ".3"`},
		{"a suffix twice but for case", `{suffixes: [.stl, .STL], ignore_case: true`, `the suffix ".STL" stands there twice, because ignore_case is true; keep one of them`},
		{"a pattern for a prefix", `prefix: "in/*"`, `prefix is no pattern, and "in/*" has * or ? in it; say regex for patterns`},
		{"a URL for a bucket", `bucket: "s3://models"`, `"s3://models" is no bucket's name`},
		{"a glob that is none", `bucket: "a["`, `"a[" is no glob`},
		{"a regex that is too long", `regex: "` + strings.Repeat("ab", 501) + `"`, "regex has 1002 bytes, and 1000 are allowed"},
		{"a regex that repeats too much", `regex: "[a-z]{900}[a-z]{900}[a-z]{900}[a-z]{900}[a-z]{900}[a-z]{900}"`, "regex repeats too much"},
		{"a group that there is not", `{regex: "(?P<who>a)", state: {a: "{{ groups.hwo }}"}`, `the regex has no group called "hwo" (did you mean "who"?)`},
		{"a filter that there is not", `state: {a: "{{ key | uper }}"}`, `filter "uper" is unknown`},
		{"a reserved key", `state: {__kafka: x}`, `state key "__kafka" is reserved for the operator`},
		{"a pipeline of its own, as text", `{pipeline: "{tasks: []}"`, "pipeline must be the name of one in the catalogue"},
		{"a pipeline of its own", `{pipeline: {tasks: []}`, "pipeline must be the name of one in the catalogue"},
		{"a customer that is none", `customer: "Acme Ltd"`, `"Acme Ltd" is no customer's name`},
		{"a customer that no ID can begin with", `customer: -acme`, `"-acme" is no customer's name`},
		{"a size that is none", `min_size: 5 MB`, `min_size must be a number of bytes`},
		{"sizes that no object has", `{min_size: 5, max_size: 4`, "no object can meet"},
		{"a source that there is not", `sources: [s4]`, `sources has no "s4" (did you mean "s3"?)`},
		{"a folder that leads out", `output: {prefix: "../x"}`, `"../x" is no folder of a bucket`},
		{"a template for a prefix", `prefix: "in/{{ name }}"`, `prefix is no template, and "in/{{ name }}" would be taken as it is; templates stand in state, output and customer`},
		{"a template for a bucket", `bucket: ["{{ x }}"]`, `bucket[0] is no template`},
		{"a template in a callback", `callback: {url: "https://example.com/{{ id }}"}`, `url is no template`},
		{"a template for a pipeline", `pipeline: "{{ name }}"`, `pipeline is no template`},
		{"a folder that leads out before a template", `output: {prefix: "out/../{{ stem }}"}`, `"out/../{{ stem }}" is no folder of a bucket`},
		{"a folder at the root before a template", `output: {prefix: "/out/{{ stem }}"}`, `"/out/{{ stem }}" is no folder of a bucket`},
		{"a folder in a name that is a template", `output: {name: "a/{{ stem }}"}`, "a result's name has no slash; say its folder in prefix"},
		{"results of nobody", `outputs_of: [nobody]`, `there is no route called "nobody"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rule := "{name: a, prefix: in/, pipeline: p, " + strings.TrimPrefix(tt.rule, "{") + "}"
			for _, key := range []string{"prefix: in/, ", "pipeline: p, "} {
				if strings.Contains(tt.rule, key[:6]) {
					rule = strings.Replace(rule, key, "", 1)
				}
			}
			require.Contains(t, strings.Join(problems(t, "routes: ["+rule+"]\n"), "\n"), tt.want)
		})
	}
}

func TestRoutesThatWouldGoOnForEverAreRefused(t *testing.T) {
	for _, tt := range []struct{ name, rules, want string }{
		{"a whole bucket", "{name: a, bucket: models, pipeline: p}", `route "a" would go on for ever`},
		{"results in the input's folder", "{name: a, prefix: in/, pipeline: p, output: {prefix: in/done}}", `route "a" would go on for ever`},
		{"a folder that a template makes", `{name: a, prefix: in/, pipeline: p, output: {prefix: "{{ directory }}"}}`, `route "a" would go on for ever`},
		{"a folder without its slash", "{name: a, prefix: in/, pipeline: p, output: {prefix: in}}", `route "a" would go on for ever`},
		{"a prefix without its slash", "{name: a, prefix: in, pipeline: p, output: {prefix: in/}}", `route "a" would go on for ever`},
		{"a prefix that ends in the results' names", "{name: a, prefix: in/opt, pipeline: p, output: {prefix: in}}", `route "a" would go on for ever`},
		{"a folder whose blanks a template takes away", `{name: a, prefix: in/, pipeline: p, output: {prefix: "in {{- '/' + stem }}"}}`, `route "a" would go on for ever`},
		{"results that end as inputs do", "{name: a, suffixes: [.glb], pipeline: p, output: {suffixes: [.GLB.glb]}}", `route "a" would go on for ever`},
		{"two rules", "{name: a, prefix: x/, pipeline: p, output: {prefix: y}}, {name: b, prefix: y/, pipeline: p, output: {prefix: x}}", `routes "a" → "b" → "a" would go on for ever`},
		{
			"three rules, by regex, of buckets that meet",
			"{name: a, bucket: 'm*', regex: '^x/', pipeline: p, output: {prefix: y}}, {name: b, bucket: models, prefix: y/, pipeline: p, output: {prefix: z}}, {name: c, prefix: z/, pipeline: p, output: {prefix: x}}",
			`routes "a" → "b" → "c" → "a" would go on for ever`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, strings.Join(problems(t, "routes: ["+tt.rules+"]\n"), "\n"), tt.want)
		})
	}
	for name, rules := range map[string]string{
		"another folder":     "{name: a, prefix: in/, pipeline: p}",
		"other endings":      "{name: a, suffixes: [.stl], pipeline: p, output: {suffixes: [.glb]}}",
		"a longer word":      "{name: a, prefix: input/, pipeline: p, output: {prefix: in}}",
		"other names":        "{name: a, prefix: in/raw_, pipeline: p, output: {prefix: in}}",
		"deletes alone":      "{name: a, events: [deleted], pipeline: p}",
		"deletes of S3":      "{name: a, events: ['s3:ObjectRemoved:*', Object Deleted], pipeline: p}",
		"uploads to us":      "{name: a, sources: [gateway], pipeline: p}",
		"a chain":            "{name: a, prefix: x/, pipeline: p, output: {prefix: y}}, {name: b, prefix: y/, pipeline: p, output: {prefix: z}}",
		"buckets apart":      "{name: a, bucket: one, prefix: x/, pipeline: p, output: {prefix: y}}, {name: b, bucket: two, prefix: y/, pipeline: p, output: {prefix: x}}",
		"a regex that stays": "{name: a, regex: '^in/', pipeline: p}",
	} {
		t.Run(name, func(t *testing.T) { parse(t, "routes: ["+rules+"]\n") })
	}
}

func TestARuleThatNeverFiresIsRefused(t *testing.T) {
	require.Equal(t, []string{`r.yaml:3:5: route "b" never fires: "a", on line 2, takes all that it would; put it before that, or remove it`}, problems(t, `routes:
  - {name: a, prefix: in/, suffixes: [.stl, .glb], ignore_case: true, pipeline: p}
  - {name: b, prefix: in/red/, suffixes: [.STL], min_size: 5, pipeline: p}
  - {name: c, prefix: in/red/, suffixes: [.obj], pipeline: p}
`))
}

func TestATableIsHeldAgainstTheCatalogueAndGoodWithoutIt(t *testing.T) {
	found := parse(t, `routes:
  - {name: good, prefix: in/, suffixes: [.stl], pipeline: stl_cad_to_glb, state: {tris: "{{ size }}"}}
  - {name: gone, prefix: in/, suffixes: [.obj], pipeline: stl_cad_to_gbl}
  - {name: wrong, prefix: in/, suffixes: [.stp], pipeline: stl_cad_to_glb, state: {tris: many}}
`).Check(pipelines.NewCatalogue(""))
	require.Len(t, found, 2)
	require.Contains(t, found[0].String(), `routes.yaml:3:5: route "gone": pipeline "stl_cad_to_gbl" is not in the catalogue, did you mean "stl_cad_to_glb"?`)
	require.Contains(t, found[1].String(), `routes.yaml:4:5: route "wrong": pipeline stl_cad_to_glb: param "tris" must be a whole number, and the job gives "many"`)
}

func TestATableThatWouldCostTooMuchIsRefused(t *testing.T) {
	for want, doc := range map[string]string{
		"r.yaml:1:1: the table has 201 routes, and 200 are allowed; join those that differ in their suffixes alone":                                                              tableOf(201, ""),
		"r.yaml:1:1: the lists of all routes have 10200 entries, and 3000 are allowed; say prefix, or a glob for buckets":                                                        tableOf(200, "suffixes: ["+listOf(50)+"]"),
		"r.yaml:6:42: regex: with those before it the table takes 12015 steps for each character of a key, and 10000 are allowed; use prefix and suffixes for what they can say": tableOf(5, "regex: '(?:[a-z]?){1000}(?:[a-z]?){200}@'"),
	} {
		require.Equal(t, []string{want}, problems(t, doc))
	}
	begin := time.Now() // the dearest that is allowed: all rules meet but for their suffixes
	problems(t, strings.ReplaceAll(tableOf(150, "ignore_case: true, suffixes: ["+listOf(10)+"], output: {suffixes: ["+strings.ReplaceAll(listOf(9), "s", "o")+"]}"), "prefix", "description"))
	require.Less(t, time.Since(begin), 5*time.Second)
}

// tableOf is n routes that have a key besides.
func tableOf(n int, key string) string {
	var b strings.Builder
	b.WriteString("routes:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {name: r%d, prefix: in/%d/, pipeline: p, %s}\n", i, i, key)
	}
	return b.String()
}

// listOf is n suffixes.
func listOf(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(".s%d", i))
	}
	return strings.Join(all, ", ")
}

func TestOneMistakeIsSaidOnce(t *testing.T) {
	for doc, want := range map[string]string{
		"":                  "r.yaml:1:1: the table has no routes; add a list of them under routes",
		"# nothing yet\n":   "r.yaml:1:1: the table has no routes; add a list of them under routes",
		"routes: {name: a}": "r.yaml:1:1: routes must be a list, got a map",
		"routes: [a]":       `r.yaml:1:10: routes[0] must be a map, got "a"`,
		"routes: [null]":    "r.yaml:1:10: routes[0] must be a map, got nothing",
		"routes: [{name: [x], pipeline: p, prefix: in/}]":                   "r.yaml:1:11: name must be text, got a list",
		"routes: [{name: a, pipeline: [p], prefix: in/}]":                   "r.yaml:1:20: pipeline must be the name of one in the catalogue: a route brings none of its own",
		"routes: [{name: a, pipeline: p, prefix: in/, suffixes: [[.stl]]}]": "r.yaml:1:57: suffixes[0] must be text, got a list",
	} {
		require.Equal(t, []string{want}, problems(t, doc), doc)
	}
}

func TestATableThatIsWrongOrMissingIsNotLoaded(t *testing.T) {
	_, err := route.Load(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorContains(t, err, "a routing table is looked for there")
	_, err = route.Parse("r.yaml", []byte("routes: []\n"))
	require.ErrorContains(t, err, "the table has no routes")
}

// Whatever a table and a key hold: no panic, an answer in time, and no job that a message can't carry.
func FuzzATableAndAKeyMakeAJobThatAMessageCarriesOrNone(f *testing.F) {
	f.Add(cad, "in/a.stl")
	f.Add("routes: [{name: a, regex: '(?P<g>.*)', customer: '{{ groups.g }}', pipeline: p, output: {prefix: 'o/{{ groups.g }}', suffixes: [.x]}, suffixes: [.y]}]", "a/../b.y")
	f.Add("routes: [{name: a, prefix: in/, pipeline: p@sha256:00, state: {a: [{b: '{{ key }}'}]}}]", "in/{{ key }}")
	f.Fuzz(func(t *testing.T, doc, key string) {
		rs, err := route.Parse("r.yaml", []byte(doc))
		if err != nil {
			return
		}
		begin := time.Now()
		u := put(key)
		if len(rs.List[0].Buckets) > 0 {
			u.Bucket = rs.List[0].Buckets[0]
		}
		j, why := rs.Route(u)
		require.Less(t, time.Since(begin), 10*time.Second)
		fires := 0
		for _, v := range rs.Explain(u) {
			require.NotEmpty(t, v.Why)
			if v.Fires {
				fires++
			}
		}
		if j == nil {
			require.NotEmpty(t, why)
			require.Zero(t, fires)
			return
		}
		require.Equal(t, 1, fires)
		require.Equal(t, j.ID, job.SafeID(j.ID))
		require.NotContains(t, strings.Split(j.State["stagingOutputPrefix"].(string), "/"), "..")
		if len(j.State) < 10 {
			_, err = job.Encode(j)
			require.NoError(t, err)
		}
	})
}
