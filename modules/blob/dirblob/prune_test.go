package dirblob_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPruneRemovesFoldersWithoutObjectsAndNoOthers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, key := range []string{"artifacts/a/1/deep/x", "artifacts/a/2/y", "artifacts/b/1/z"} {
		require.NoError(t, s.Create(t.Context(), key, nil))
	}
	require.NoError(t, s.Delete(t.Context(), "artifacts/a/1/deep/x"))
	require.NoError(t, s.Prune(t.Context(), "artifacts/a"))
	require.NoDirExists(t, filepath.Join(dir, "artifacts/a/1"))
	require.FileExists(t, filepath.Join(dir, "artifacts/a/2/y"))

	require.NoError(t, s.Delete(t.Context(), "artifacts/a/2/y"))
	require.NoError(t, s.Prune(t.Context(), "artifacts/a"))
	require.NoDirExists(t, filepath.Join(dir, "artifacts/a"))
	require.FileExists(t, filepath.Join(dir, "artifacts/b/1/z"))
	require.NoError(t, s.Prune(t.Context(), "artifacts/a"), "there is none")
	require.NoError(t, s.Prune(t.Context(), "artifacts/b/1/z"), "it is an object")
	require.ErrorContains(t, s.Prune(t.Context(), "../elsewhere"), "prune folder")
}

func TestAPrunedFolderIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	require.NoError(t, a.Create(t.Context(), "jobs/x/1", nil))
	require.NoError(t, b.Delete(t.Context(), "jobs/x/1"))
	require.NoError(t, b.Prune(t.Context(), "jobs/x"))
	require.NoError(t, a.Create(t.Context(), "jobs/x/2", []byte("again")))
	text, err := os.ReadFile(filepath.Join(dir, "jobs/x/2"))
	require.NoError(t, err)
	require.Equal(t, "again", string(text))
}
