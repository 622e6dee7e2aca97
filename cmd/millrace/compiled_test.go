//go:build linux

package main_test

import (
	"os"
	"os/exec"
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

func TestAWorkerTakesWhatItsImageHoldsCompiled(t *testing.T) {
	t.Parallel()
	tools := t.TempDir()
	said, err := exec.CommandContext(t.Context(), binary, "compile", filepath.Join(tools, "compiled")).CombinedOutput()
	require.NoError(t, err, string(said))
	built, err := filepath.Glob(filepath.Join(tools, "compiled", "*", "*"))
	require.NoError(t, err)
	require.Len(t, built, 1)
	require.NoError(t, os.WriteFile(filepath.Join(tools, "compiled", "of the image"), nil, 0o600))
	m := newMill(t)
	w := m.start("--debug", "--tools", tools)
	w.until("gltfpack compiled")
	files, err := filepath.Glob(filepath.Join(m.data, "run", "*", "compiled", "*", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Equal(t, filepath.Base(built[0]), filepath.Base(files[0]))
	require.FileExists(t, filepath.Join(filepath.Dir(filepath.Dir(files[0])), "of the image"))
	w.signal()
	w.end()
}
