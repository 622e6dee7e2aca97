package pipelines

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPipelineSaysWhatItsWorkerMustHave(t *testing.T) {
	p, err := Parse("p.yaml", []byte("requires: {class: gpu, GPU: l4, memory: 16Gi, cuda: 12.4, licence: true}\ntasks: []\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"class": "gpu", "gpu": "l4", "memory": "16Gi", "cuda": "12.4", "licence": "true"}, p.Requires)
	require.Equal(t, Pos{"p.yaml", 1, 24}, p.Positions["requires.GPU"])
	p, err = Parse("p.yaml", []byte("requires: {class: gpu}\nentries: {a: {tasks: []}}\n"))
	require.NoError(t, err)
	p, err = p.Select("a")
	require.NoError(t, err)
	require.Equal(t, "gpu", p.Requires["class"], "entries have what their document says")
}

func TestAKindIsAClass(t *testing.T) {
	p, err := Parse("p.yaml", []byte("requires: {Kind: gpu}\ntasks: []\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"class": "gpu"}, p.Requires)
}

func TestWhatNoWorkerCouldHaveIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, requires, want string }{
		{"a list", "[class=gpu]", "requires must be a map"},
		{"a name with a space", "{a b: c}", `"a b" is no name of a label`},
		{"nothing", "{class: }", "requires.class is empty"},
		{"a template", `{class: "{{ class }}"}`, "requires.class can't be a template"},
		{"a map", "{class: {is: gpu}}", "class must be text"},
		{"two words for one", "{kind: gpu, class: gpu}", `the label "class" stands there twice`},
		{"twice", "{Class: gpu, class: heavy}", `the label "class" stands there twice`},
		{"a long value", "{class: " + strings.Repeat("g", MaxLabel+1) + "}", "is longer than 253 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("p.yaml", []byte("requires: "+tt.requires+"\ntasks: []\n"))
			require.ErrorContains(t, err, tt.want)
		})
	}
}
