package route_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/route"
)

func parse(t *testing.T, doc string) *route.Rules {
	t.Helper()
	rs, err := route.Parse("routes.yaml", []byte(doc))
	require.NoError(t, err)
	return rs
}

// put is an upload as S3 tells of it.
func put(key string) job.Upload {
	return job.Upload{
		Source: "s3", Event: "ObjectCreated:Put", Kind: job.Created, Bucket: "models", Key: key, ETag: "d41d8cd98f00b204e9800998ecf8427e",
		Sequencer: "0055AED6DCD90281E5", Size: 1048576, Region: "eu-west-1", Time: time.Date(2025, 3, 4, 10, 11, 12, 0, time.UTC),
	}
}

const cad = `
routes:
  - name: cad
    bucket: models
    prefix: in/
    suffixes: [.stl, .stp, .step]
    ignore_case: true
    pipeline: stl_cad_to_glb
    state: {tris: 50000}
`

func TestAnUploadBecomesTheJobOfTheRuleThatTakesIt(t *testing.T) {
	j, why := parse(t, cad).Route(put("in/red/chair (1)+ü.STL"))
	require.NotNil(t, j, why)
	require.Equal(t, "stl_cad_to_glb", j.Pipeline)
	require.Equal(t, map[string]any{
		"tris":          int64(50000),
		"stagingBucket": "models", "stagingInputPrefix": "in/red", "stagingOutputPrefix": "outputs/in/red",
		"inputFilename": "chair (1)+ü.STL", "outputStem": "optimized_chair (1)+ü",
	}, j.State)
	require.Equal(t, []string{"tris", "stagingBucket", "stagingInputPrefix", "stagingOutputPrefix", "inputFilename", "outputStem"}, j.StateOrder.Keys)
	require.Equal(t, "cad", j.Name)
	require.Equal(t, "models/in/red/chair (1)+ü.STL", j.Title)
	require.Equal(t, j.ID, job.SafeID(j.ID))
	require.True(t, strings.HasPrefix(j.ID, "u-"))
}

func TestARuleSaysWhyItDoesNotTakeAnUpload(t *testing.T) {
	const rules = `
routes:
  - {name: any, prefix: in/, suffixes: [.stl], min_size: 10, max_size: 1Mi, bucket: "mod*", sources: [s3], regex: "^in/[a-z]+", pipeline: p}
`
	for _, tt := range []struct {
		name   string
		change func(u *job.Upload)
		why    string
	}{
		{"another bucket", func(u *job.Upload) { u.Bucket = "other" }, `the bucket is "other", and the route takes "mod*"`},
		{"another prefix", func(u *job.Upload) { u.Key = "out/a.stl" }, `the key does not begin with "in/"`},
		{"another suffix", func(u *job.Upload) { u.Key = "in/a.glb" }, `the key does not end in ".stl"`},
		{"another case", func(u *job.Upload) { u.Key = "in/a.STL" }, `the key does not end in ".stl"; it would with ignore_case: true`},
		{"no match of the regex", func(u *job.Upload) { u.Key = "in/1.stl" }, `the key does not match the regex "^in/[a-z]+"`},
		{"too small", func(u *job.Upload) { u.Size = 9 }, "the object has 9 bytes, and the route wants 10 at least"},
		{"too large", func(u *job.Upload) { u.Size = 1<<20 + 1 }, "the object has 1048577 bytes, and the route takes 1048576 at most"},
		{"a size nobody says", func(u *job.Upload) { u.Size = -1 }, "the event does not say how large the object is, and the route wants to know"},
		{"a delete", func(u *job.Upload) { u.Kind, u.Event = job.Deleted, "ObjectRemoved:Delete" }, `the event is "ObjectRemoved:Delete" (deleted), and the route takes "created"`},
		{"another source", func(u *job.Upload) { u.Source = "cos" }, `the event comes from "cos", and the route takes those of "s3"`},
		{"a folder", func(u *job.Upload) { u.Key, u.Size = "in/a/", 0 }, "the key ends in a slash: it is a folder's, and holds no file"},
		{"dots for a name", func(u *job.Upload) { u.Key = "in/.." }, `the key ends in "..", which can't be a file's name`},
		{"a NUL", func(u *job.Upload) { u.Key = "in/a\x00.stl" }, "the key is no text: it holds a NUL, or is not UTF-8"},
		{"a long key", func(u *job.Upload) { u.Key = "in/" + strings.Repeat("a", 1022) }, "the key is longer than 1024 bytes, which no bucket takes"},
		{"its own result", func(u *job.Upload) { u.Bucket, u.Key = "models", "outputs/in/optimized_a.stl" }, `the key does not begin with "in/"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := put("in/a.stl")
			tt.change(&u)
			rs := parse(t, rules)
			require.Equal(t, []route.Verdict{{Rule: "any", Why: tt.why}}, rs.Explain(u))
			j, why := rs.Route(u)
			require.Nil(t, j)
			require.Contains(t, why, tt.why)
		})
	}
}

func TestASuffixIsMetInEitherCaseOfAnyScript(t *testing.T) {
	rs := parse(t, "routes: [{name: a, prefix: in/, suffixes: [.größe, .σας, .k], ignore_case: true, pipeline: p}]\n")
	for _, key := range []string{"in/a.GRÖSSE", "in/a.gro\u0308ße", "in/öße", "in/σας"} {
		j, _ := rs.Route(put(key))
		require.Nil(t, j, key)
	}
	for _, key := range []string{"in/a.GRÖßE", "in/a.GRÖẞE", "in/a.ΣΑΣ", "in/.σασ", "in/a.\u212a", "in/.k"} {
		j, why := rs.Route(put(key))
		require.NotNil(t, j, why)
	}
}

func TestTheFirstRuleThatTakesAnUploadMakesItsJobAndTheOthersSayWhyTheyDoNot(t *testing.T) {
	rs := parse(t, `
routes:
  - {name: gone, bucket: models, events: [deleted], pipeline: p}
  - {name: put, prefix: in/, events: ["s3:ObjectCreated:Put"], pipeline: p}
  - {name: all, prefix: in/, events: ["ObjectCreated:*"], pipeline: p}
`)
	verdicts := rs.Explain(put("in/a.stl"))
	require.Equal(t, []bool{false, true, false}, []bool{verdicts[0].Fires, verdicts[1].Fires, verdicts[2].Fires})
	require.Equal(t, `it would take the upload, but "put" stands before it`, verdicts[2].Why)
	u := put("in/a.stl")
	u.Event = "ObjectCreated:CompleteMultipartUpload"
	j, _ := rs.Route(u)
	require.Equal(t, "all", j.Name)
}

// A message that comes again, to a worker or a gateway, by S3 itself or by EventBridge, must find the job that there is.
func TestTheIDOfAJobIsThatOfTheChangeAndItsRule(t *testing.T) {
	rs := parse(t, cad)
	id := func(change func(u *job.Upload)) string {
		u := put("in/a.stl")
		change(&u)
		j, why := rs.Route(u)
		require.NotNil(t, j, why)
		return j.ID
	}
	first := id(func(*job.Upload) {})
	require.Equal(t, first, id(func(u *job.Upload) { u.Event, u.Region, u.Time = "Object Created", "", u.Time.Add(time.Second) }))
	seen := map[string]bool{first: true}
	for name, change := range map[string]func(u *job.Upload){
		"key":       func(u *job.Upload) { u.Key = "in/b.stl" },
		"version":   func(u *job.Upload) { u.Version = "v2" },
		"etag":      func(u *job.Upload) { u.ETag = "00" },
		"sequencer": func(u *job.Upload) { u.Sequencer = "0055AED6DCD90281E6" },
		"event":     func(u *job.Upload) { u.Sequencer, u.ID = "", "e-1" },
		"second":    func(u *job.Upload) { u.ID = "e-2" }, // of the same second, which is all that its sequencer says
		"time":      func(u *job.Upload) { u.Sequencer = "" },
	} {
		other := id(change)
		require.False(t, seen[other], name)
		seen[other] = true
	}
}

func TestTemplatesSeeTheUploadAndKeepTheirTypes(t *testing.T) {
	j, why := parse(t, `
routes:
  - name: tenants
    regex: ^in/(?P<customer>[^/]+)/(?P<lod>\d+)?
    suffixes: .stl
    pipeline: gear
    entry: small
    customer: "{{ groups.customer }}"
    state:
      size: "{{ size }}"
      list: ["{{ name }}", "{{ 1 + 1 }}", {deep: "{{ extension | upper }}"}]
      text: "{{ bucket }}/{{ key }} {{ event }} {{ region }}"
      lod: "{{ groups.lod or 3 }}"
    output: {prefix: "out/{{ groups.customer }}/{{ id }}/", name: "small_{{ stem }}", suffixes: [.glb]}
    requires: {class: gpu}
    deadline: 20m
    max_attempts: 2
    priority: 3
    keep_outputs: 36h
    callback: {url: "https://example.com/done"}
`).Route(put("in/acme/{{ 7 * 7 }}.stl"))
	require.NotNil(t, j, why)
	require.True(t, strings.HasPrefix(j.ID, "acme.u-"), j.ID)
	require.Equal(t, "acme", j.Customer)
	require.Equal(t, map[string]any{
		"size": int64(1048576), "list": []any{"{{ 7 * 7 }}.stl", int64(2), map[string]any{"deep": ".STL"}},
		"text": "models/in/acme/{{ 7 * 7 }}.stl ObjectCreated:Put eu-west-1", "lod": int64(3),
		"stagingBucket": "models", "stagingInputPrefix": "in/acme", "stagingOutputPrefix": "out/acme/" + j.ID,
		"inputFilename": "{{ 7 * 7 }}.stl", "outputStem": "small_{{ 7 * 7 }}",
	}, j.State)
	require.Equal(t, map[string]string{"class": "gpu"}, j.Requires)
	require.Equal(t, "https://example.com/done", j.Callback.URL)
	require.Equal(t, []any{"gear", "small", 20 * time.Minute, 2, 3, 36 * time.Hour}, []any{j.Pipeline, j.Entry, j.Deadline, j.MaxAttempts, j.Priority, *j.KeepOutputs})
	_, err := job.Encode(j)
	require.NoError(t, err)
}

func TestResultsAreTakenByNoRuleThatDoesNotAskForThem(t *testing.T) {
	rs := parse(t, `
routes:
  - {name: cad, prefix: in/, suffixes: [.stl], pipeline: p, output: {prefix: stage, suffixes: [.glb]}}
  - {name: web, suffixes: [.glb], pipeline: p, output: {prefix: web, suffixes: [.usdz]}}
  - {name: next, prefix: stage/, suffixes: [.glb, .obj], outputs_of: [cad], pipeline: p, output: {prefix: next, suffixes: [.html]}}
`)
	result := put("stage/optimized_a.glb")
	verdicts := rs.Explain(result)
	require.Equal(t, `the object is a result of the route "cad", by its folder and name; to take those too say outputs_of: [cad]`, verdicts[1].Why)
	require.True(t, verdicts[2].Fires, verdicts[2].Why)
	j, _ := rs.Route(put("stage/mine.glb"))
	require.Equal(t, "web", j.Name, "what a person put there is no result")
	result.Source = "gateway"
	j, _ = rs.Route(result)
	require.Equal(t, "web", j.Name, "what was uploaded to a gateway is no result")
	require.Contains(t, rs.Explain(put("web/optimized_a.glb"))[1].Why, "a result of this route")
}

func TestResultsOfUploadsToAGatewayAreTakenByNoRule(t *testing.T) {
	rs := parse(t, "routes: [{name: up, prefix: uploads/, pipeline: p}]")
	for _, key := range []string{"uploads/j/outputs/optimized_a.glb", "uploads/j/outputs/frames/optimized_1.png"} {
		require.Contains(t, rs.Explain(put(key))[0].Why, "a result of this route", key)
	}
	for _, key := range []string{"uploads/j/inputs/optimized_a.glb", "uploads/outputs/optimized_a.glb", "uploads/j/outputs/a.glb"} {
		require.True(t, rs.Explain(put(key))[0].Fires, key)
	}
}

func TestWhatWasUploadedToAGatewayHasItsResultsBesideItsInputs(t *testing.T) {
	u := put("uploads/j-1/inputs/a.stl")
	u.Source, u.ID = "gateway", "j-1-2"
	rs := parse(t, "routes: [{name: up, sources: [gateway], suffixes: [.stl], pipeline: p, state: {of: '{{ id }}'}}]\n")
	j, why := rs.Route(u)
	require.NotNil(t, j, why)
	require.Equal(t, []any{"j-1-2", "j-1-2"}, []any{j.ID, j.State["of"]})
	require.Equal(t, "uploads/j-1/inputs", j.State["stagingInputPrefix"])
	require.Equal(t, "uploads/j-1/outputs", j.State["stagingOutputPrefix"])
}

func TestAKeyLeadsNoResultOutOfItsFolder(t *testing.T) {
	_, why := parse(t, "routes: [{name: a, prefix: in/, pipeline: p}]\n").Route(put("in/../../b.stl"))
	require.Contains(t, why, "a folder can't have a part that is empty or dots alone")
}
