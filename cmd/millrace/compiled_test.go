package main

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/gltfpack"
)

func TestAWorkerCompilesOnceWhatItsJobsRun(t *testing.T) {
	run, err := openRun(t.TempDir())
	require.NoError(t, err)
	defer run.close()
	folder, stop, err := run.compile(slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	stop()
	files, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	p, err := gltfpack.New(t.Context(), gltfpack.Config{Compiled: folder})
	require.NoError(t, err)
	require.NoError(t, p.Close(t.Context()))
}
