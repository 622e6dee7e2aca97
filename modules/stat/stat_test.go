package stat_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/stat"
)

func TestItDescribesFilesFoldersAndNothing(t *testing.T) {
	c, _ := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("out/a.txt", []byte("hello")))
	changed := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	require.NoError(t, os.Chtimes(filepath.Join(c.Workspace.Real(), "out/a.txt"), changed, changed))

	out, err := stat.Module.Run(t.Context(), c, map[string]any{"path": "/home/workspace/out/a.txt"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"path": "/home/workspace/out/a.txt", "stats": map[string]any{
		"exists": true, "size": int64(5), "isFile": true, "isDirectory": false, "mtime": "2024-05-06T07:08:09Z", "mode": "0644",
	}}, out)

	out, err = stat.Module.Run(t.Context(), c, map[string]any{"path": "out"})
	require.NoError(t, err)
	require.Equal(t, true, out["stats"].(map[string]any)["isDirectory"])

	out, err = stat.Module.Run(t.Context(), c, map[string]any{"path": "missing"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"exists": false, "size": int64(0), "isFile": false, "isDirectory": false, "mtime": "", "mode": "",
	}, out["stats"])
}

func TestItDoesNotLookOutside(t *testing.T) {
	c, _ := moduletest.Call(t)
	_, err := stat.Module.Run(t.Context(), c, map[string]any{"path": "/etc/passwd"})
	require.EqualError(t, err, `path "/etc/passwd" is outside the workspace; use a relative path or one under /home/workspace`)
	require.Equal(t, fault.Permanent, fault.Of(err))
}
