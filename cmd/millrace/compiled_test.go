//go:build linux

package main_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/gltfpack"
)

func TestAWorkerCompilesOnceWhatItsJobsRun(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	w := m.start("--debug")
	w.until("gltfpack compiled")
	files, err := filepath.Glob(filepath.Join(m.data, "run", "*", "compiled", "*", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	p, err := gltfpack.New(t.Context(), gltfpack.Config{Compiled: filepath.Dir(filepath.Dir(files[0]))})
	require.NoError(t, err)
	require.NoError(t, p.Close(t.Context()))
	w.signal()
	w.end()
}
