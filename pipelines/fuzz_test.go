package pipelines_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/lint"
)

func FuzzParseAndLintNeverPanic(f *testing.F) {
	for _, glob := range []string{"*.yaml", "testdata/*"} {
		files, err := filepath.Glob(glob)
		require.NoError(f, err)
		for _, name := range files {
			if src, err := os.ReadFile(name); err == nil {
				f.Add(src)
			}
		}
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("params: {n: {type: int, default: 2, enum: [1, 2]}, k: {required: true}}\nsettings: {parallel: 2}\n" +
		"entries: {a: {params: {m: {type: map}}, tasks: [{id: b, after: c, module: x}, {name: c, depends_on: [b], module: x, gpu: {memory: 1Gi}}]}}"))
	f.Add([]byte("tasks: [{module: x, <<: [{a: 1}, 2]}]\nsettings: {retry: 1e9}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := pipelines.Parse("fuzz", src)
		require.NotEqual(t, err == nil, p == nil, "a pipeline or an error, never both")
		if err == nil {
			lint.Document("fuzz", src, lint.Options{})
			_, _ = p.Bind(map[string]any{"n": "7", "k": nil, "m": []any{}})
			for _, e := range p.Entries {
				chosen, err := p.Select(e.Name)
				require.NoError(t, err)
				require.Equal(t, e.Name, chosen.Entry)
			}
			return
		}
		parse, ok := errors.AsType[*pipelines.ParseError](err)
		require.True(t, ok)
		require.NotEmpty(t, parse.Problems)
	})
}
