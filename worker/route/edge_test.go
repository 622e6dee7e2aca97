package route_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/job"
)

func TestANameWithoutAStemOrAFolderWithoutANameIsNoWorseThanOthers(t *testing.T) {
	rs := parse(t, "routes: [{name: a, bucket: models, pipeline: p, suffixes: [.stl], output: {suffixes: [.glb]}}]")
	j, why := rs.Route(put("in/.stl"))
	require.NotNil(t, j, why)
	require.Equal(t, []any{".stl", "optimized_.stl"}, []any{j.State["inputFilename"], j.State["outputStem"]})
	_, why = rs.Route(put("/a.stl"))
	require.Contains(t, why, "the key is a slash and a name")
}

func TestWhatLiesInAnotherBucketIsNoResult(t *testing.T) {
	rs := parse(t, `
routes:
  - {name: cad, bucket: models, prefix: in/, pipeline: p, output: {prefix: stage}}
  - {name: all, bucket: [models, other], prefix: stage/, pipeline: p}
`)
	u := put("stage/optimized_a.glb")
	require.Contains(t, rs.Explain(u)[1].Why, `a result of the route "cad"`)
	u.Bucket = "other"
	require.True(t, rs.Explain(u)[1].Fires)
}

func TestAJobThatCantBeIsSaidWithItsCause(t *testing.T) {
	long := strings.Repeat("a", 300)
	for _, tt := range []struct{ name, rule, key, source, want string }{
		{"a state that no message holds", `state: {a: "` + strings.Repeat("x", 140<<10) + `"}`, "in/a", "s3", "its state comes to"},
		{"a name that no file has", "", "in/" + long, "s3", "output.name comes to"},
		{"a folder that no key has", `output: {prefix: "o/{{ directory }}/{{ directory }}/{{ directory }}/{{ directory }}"}`, "in/" + long + "/a", "s3", "it comes to 1217 bytes, and a key has 1024 at most"},
		{"a result in the place of its input", `suffixes: [.stl], output: {prefix: "{{ directory }}", name: "o{{ stem | replace('o', '') }}", suffixes: [.glb]}`, "in/ox.stl", "gateway", "which it would overwrite"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := put(tt.key)
			u.Source = tt.source
			_, _, err := parse(t, "routes: [{name: a, prefix: in/, pipeline: p, "+tt.rule+"}]").Make(u)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestAJobIsItsOwn(t *testing.T) {
	rs := parse(t, "routes: [{name: a, prefix: in/, pipeline: p, class: gpu, keep_outputs: 36h, callback: {url: 'https://example.com/a'}, state: {list: [1], map: {k: v}}}]")
	first, _ := rs.Route(put("in/" + strings.Repeat("ü/", 120) + "a"))
	require.Equal(t, 201, len([]rune(first.Title)), "a title is cut for people")
	first.Requires["class"], first.Callback.URL, *first.KeepOutputs = "heavy", "", 0
	first.State["list"].([]any)[0], first.State["map"].(map[string]any)["k"] = 2, "w"
	second, _ := rs.Route(put("in/b"))
	require.Equal(t, map[string]string{"class": "gpu"}, second.Requires)
	require.Equal(t, "https://example.com/a", second.Callback.URL)
	require.NotZero(t, *second.KeepOutputs)
	require.Equal(t, []any{[]any{int64(1)}, map[string]any{"k": "v"}}, []any{second.State["list"], second.State["map"]})
}

func TestTwoRulesAndTwoServicesMakeTwoJobs(t *testing.T) {
	rs := parse(t, cad)
	here, _ := rs.Route(put("in/a.stl"))
	u := put("in/a.stl")
	u.Endpoint = "https://elsewhere.example"
	there, _ := rs.Route(u)
	other, _ := parse(t, strings.Replace(cad, "name: cad", "name: dac", 1)).Route(put("in/a.stl"))
	require.NotEqual(t, here.ID, there.ID)
	require.NotEqual(t, here.ID, other.ID)
}

func TestARuleThatFiresNowAndThenIsTaken(t *testing.T) {
	for name, rules := range map[string]string{
		"smaller ones": "{name: a, prefix: in/, min_size: 10, pipeline: p}, {name: b, prefix: in/, pipeline: p}",
		"larger ones":  "{name: a, prefix: in/, max_size: 10, pipeline: p}, {name: b, prefix: in/, max_size: 11, pipeline: p}",
		"any source":   "{name: a, prefix: in/, sources: [s3], pipeline: p}, {name: b, prefix: in/, pipeline: p}",
		"any case":     "{name: a, prefix: in/, suffixes: [.stl], pipeline: p}, {name: b, prefix: in/, suffixes: [.stl], ignore_case: true, pipeline: p}",
		"its results":  "{name: a, prefix: in/, pipeline: p, output: {prefix: out}}, {name: b, prefix: out/, pipeline: p}, {name: c, prefix: out/, outputs_of: [a], pipeline: p}",
	} {
		t.Run(name, func(t *testing.T) { parse(t, "routes: ["+rules+"]\n") })
	}
}

func TestWhatRulesSayOfEachOtherIsHeldAgainstThem(t *testing.T) {
	for _, tt := range []struct{ name, rules, want string }{
		{"its own results", "{name: a, prefix: in/, pipeline: p, outputs_of: [a]}", "a route can't take its own results"},
		{"results that it does not take", "{name: a, prefix: in/, pipeline: p}, {name: b, prefix: x/, pipeline: p, outputs_of: [a]}", `this route takes nothing of what "a" makes`},
		{"an ID that is made of itself", "{name: a, prefix: in/, pipeline: p, customer: '{{ id }}'}", "it can't say id"},
		{"results that may end in more than it says", "{name: a, suffixes: [.low.glb], pipeline: p, output: {suffixes: [.glb]}}", "would go on for ever"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Contains(t, strings.Join(problems(t, "routes: ["+tt.rules+"]\n"), "\n"), tt.want)
		})
	}
}

func TestAVersionAndAnEntryAreHeldAgainstTheCatalogue(t *testing.T) {
	found := parse(t, `routes:
  - {name: old, prefix: in/, suffixes: [.a], pipeline: "hello_world@sha256:`+strings.Repeat("0", 64)+`"}
  - {name: none, prefix: in/, suffixes: [.b], pipeline: hello_world, entry: nowhere}
`).Check(pipelines.NewCatalogue(""))
	require.Len(t, found, 2)
	require.Contains(t, found[0].String(), "routes.yaml:2:5: route \"old\": the pipeline hello_world of the catalogue has the version sha256:")
	require.Contains(t, found[1].String(), "routes.yaml:3:5: route \"none\": ")
	require.Contains(t, found[1].String(), "nowhere")
}

func TestAnEventOfAnyKindIsTakenByItsName(t *testing.T) {
	rs := parse(t, "routes: [{name: a, events: ['ObjectTagging:*', restored], prefix: in/, pipeline: p}]")
	u := put("in/a")
	for _, tt := range []struct {
		event string
		kind  job.Change
		fires bool
	}{{"ObjectTagging:Put", job.Other, true}, {"ObjectRestore:Completed", job.Restored, true}, {"ObjectAcl:Put", job.Other, false}, {"ObjectCreated:Put", job.Created, false}} {
		u.Event, u.Kind = tt.event, tt.kind
		require.Equal(t, tt.fires, rs.Explain(u)[0].Fires, tt.event)
	}
}
