package pipelines_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/callbacks"
	"github.com/millrace/millrace/modules/standard"
	"github.com/millrace/millrace/pipelines"
)

// A mistake of one kind must not hide those of another.
func TestCheckFindsMistakesOfAllKindsAtOnce(t *testing.T) {
	mods, err := modules.NewRegistry(standard.Modules()...)
	require.NoError(t, err)
	cbs, err := modules.NewRegistry(callbacks.Modules()...)
	require.NoError(t, err)
	var got []string
	for _, p := range pipelines.Check("four.yaml", []byte(`name: four
tasks:
  - name: a
    modul: Shell
  - name: b
    module: Shel
  - name: c
    module: Stat
    props: {pth: x, path: y}
  - name: d
    module: Zip
    props: {src: a, dest: "{{ b | }}", config: {level: high}}
    retry: often
`), pipelines.LintOptions{Modules: mods, Callbacks: cbs}) {
		got = append(got, p.String())
	}
	require.Len(t, got, 7)
	for i, want := range []string{
		"four.yaml:3:5: ", `four.yaml:4:5: `, `four.yaml:6:5: `, `four.yaml:9:13: `, `four.yaml:12:`, `four.yaml:12:`, `four.yaml:13:`,
	} {
		require.Contains(t, got[i], want)
	}
}
