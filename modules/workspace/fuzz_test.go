package workspace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/workspace"
)

// Property: whatever a name looks like, it is refused or it lies below the workspace.
func FuzzNamesNeverLeaveTheWorkspace(f *testing.F) {
	for _, name := range []string{
		"../x", "a/../../x", "/etc/passwd", "//etc/passwd", `..\x`, "%2e%2e/x", "-rf", "a\nb", "link/x", "/home/workspace/../x",
		"/home/workspace/link/../x", "./../job/x", "..", ".", "/", "~/x", strings.Repeat("k/", 300), "a\x00b",
	} {
		f.Add(name)
	}
	base := f.TempDir()
	inside, outside := filepath.Join(base, "job"), filepath.Join(base, "outside")
	require.NoError(f, os.Mkdir(inside, 0o755))
	require.NoError(f, os.Mkdir(outside, 0o755))
	require.NoError(f, os.Symlink(outside, filepath.Join(inside, "link")))
	d, err := workspace.Open(inside, workspace.Options{})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, d.Close()) })
	f.Fuzz(func(t *testing.T, name string) {
		if path, err := d.Path(name); err == nil {
			require.True(t, path == d.Real() || strings.HasPrefix(path, d.Real()+"/"), "%q became %q", name, path)
		}
		if err := d.WriteFile(name, []byte("x")); err == nil {
			require.NoError(t, d.Remove(name))
		}
		left, err := os.ReadDir(outside)
		require.NoError(t, err)
		require.Empty(t, left)
		beside, err := os.ReadDir(base)
		require.NoError(t, err)
		require.Len(t, beside, 2)
	})
}
