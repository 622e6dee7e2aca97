package route

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/job"
)

func TestTheSchemaOffersTheKeysThatARuleMayHave(t *testing.T) {
	t.Parallel()
	properties := ruleSchema()["properties"].(map[string]any)
	require.ElementsMatch(t, ruleKeys(), slices.Collect(maps.Keys(properties)))
	output := properties["output"].(map[string]any)["properties"].(map[string]any)
	require.ElementsMatch(t, outputKeys(), slices.Collect(maps.Keys(output)))
	for key, schema := range properties {
		require.NotEmpty(t, schema.(map[string]any)["description"], key)
	}
}

func TestWhatEveryKeyOfARegexBeginsWithIsKnownOrNothing(t *testing.T) {
	t.Parallel()
	rs, err := Parse("r.yaml", []byte(`routes:
  - {name: a, regex: '^in/a', pipeline: p}
  - {name: b, regex: '(?i)^in/b', prefix: b/, pipeline: p}
  - {name: c, regex: in/c, prefix: c/, pipeline: p}
  - {name: d, regex: '^(in|d)/', prefix: d/, pipeline: p}
`))
	require.NoError(t, err)
	var got []string
	for _, r := range rs.List {
		got = append(got, r.anchor)
	}
	require.Equal(t, []string{"in/a", "", "", ""}, got)
}

func BenchmarkAnUploadIsRouted(b *testing.B) {
	rs, err := Parse("r.yaml", []byte("routes: [{name: a, prefix: in/, regex: '^in/(?P<who>[^/]+)/', suffixes: [.stl], pipeline: p, state: {who: '{{ groups.who }}', n: '{{ size }}'}}]\n"))
	require.NoError(b, err)
	u := upload("in/acme/chair.stl")
	for b.Loop() {
		if j, why := rs.Route(u); j == nil {
			b.Fatal(why)
		}
	}
}

func upload(key string) job.Upload {
	return job.Upload{Source: "s3", Event: "ObjectCreated:Put", Kind: job.Created, Bucket: "models", Key: key, Sequencer: "01", Size: 1}
}
