package unzip_test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/unzip"
	"github.com/millrace/millrace/modules/workspace"
)

// A yard is a workspace that archives are unpacked in, with a folder beside it that nothing may get into.
type yard struct {
	base string
	dir  *workspace.Dir
}

func newYard(f *testing.F) *yard {
	f.Helper()
	base := f.TempDir()
	inside, outside := filepath.Join(base, "job"), filepath.Join(base, "outside")
	require.NoError(f, os.Mkdir(inside, 0o755))
	require.NoError(f, os.Mkdir(outside, 0o755))
	dir, err := workspace.Open(inside, workspace.Options{})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, dir.Close()) })
	return &yard{base: base, dir: dir}
}

// most is how many files and folders an archive may unpack to there.
const most = 100

// unpack runs the module on an archive and returns the files that it left, by their path below dest. It fails t when
// anything lies elsewhere than in dest, when a failure left anything, or when what it left is no plain file or folder.
func (y *yard) unpack(t *testing.T, archive []byte) (files []string, err error) {
	t.Helper()
	require.NoError(t, y.dir.WriteFile("a.zip", archive))
	require.NoError(t, os.Symlink("../outside", filepath.Join(y.dir.Real(), "link")))
	defer func() {
		require.NoError(t, y.dir.RemoveAll("out"))
		require.NoError(t, y.dir.Remove("link"))
	}()
	_, err = unzip.Module.Run(t.Context(), &modules.Call{Workspace: y.dir}, map[string]any{
		"src": "a.zip", "dest": "out", "config": map[string]any{"maxFiles": most, "maxSize": 1 << 20},
	})
	all := 0
	require.NoError(t, filepath.WalkDir(y.base, func(path string, e fs.DirEntry, werr error) error {
		if werr != nil {
			return werr
		}
		below := strings.TrimPrefix(strings.TrimPrefix(path, y.base), "/")
		name, unpacked := strings.CutPrefix(below, "job/out/")
		if unpacked {
			all++
		}
		switch {
		case below == "" || below == "job" || below == "outside" || below == "job/a.zip" || below == "job/link":
		case below == "job/out" && err == nil:
		case !unpacked || err != nil || !e.IsDir() && !e.Type().IsRegular():
			t.Errorf("%q is there", below)
		case !e.IsDir():
			files = append(files, name)
		}
		return nil
	}))
	require.LessOrEqual(t, all, most)
	return files, err
}

// Property: whatever an archive holds, it is refused and leaves nothing, or all that it leaves are files and folders of dest.
func FuzzUnzip(f *testing.F) {
	for _, seed := range [][]byte{
		forge(member{name: "a.txt", content: "hello"}, member{name: "b/c.txt", content: "world"}, member{name: "e/"}),
		forge(member{name: "../evil", content: "x"}),
		forge(member{name: "link", content: "/etc", host: 3, mode: 0o120777}, member{name: "link/passwd", content: "x"}),
		forge(member{name: "M_bel.txt", content: "x", extra: unicodeName("M_bel.txt", "Möbel.txt")}),
		forge(member{name: "zeros", method: 8, packed: deflate(f, 1<<16), size: 1 << 16}),
		large(forge(member{name: "a.txt", content: "hello"})),
		overlapping(),
	} {
		f.Add(seed)
	}
	for _, name := range []string{"plain.zip", "streamed.zip"} {
		seed, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(f, err)
		f.Add(seed)
	}
	y := newYard(f)
	f.Fuzz(func(t *testing.T, archive []byte) {
		files, err := y.unpack(t, archive)
		if err != nil {
			return
		}
		r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil { // what that reads is less than what people have
			return
		}
		require.LessOrEqual(t, len(files), len(r.File))
	})
}

// Property: whatever a file in an archive is called, the archive is refused, or one file lies in dest.
func FuzzArchiveName(f *testing.F) {
	for _, name := range []string{
		"a.txt", "../x", "a/../../x", "/etc/passwd", `..\x`, `C:\x`, "C:x", `\\server\share`, "a//./b", "a/", ".", "..", "", "/",
		"link/x", "../job/link/x", "con", "a:stream", "a\nb", "a\x00b", "caf\xe9", strings.Repeat("k/", 300), "~/x", "-rf", "\u2024\u2024/x",
	} {
		f.Add(name, false)
		f.Add(name, true)
	}
	y := newYard(f)
	f.Fuzz(func(t *testing.T, name string, marked bool) {
		if len(name) > 1<<16-1 {
			return
		}
		m := member{name: name, content: "x"}
		if marked { // as UTF-8
			m.flags = 1 << 11
		}
		files, err := y.unpack(t, forge(m))
		if err == nil {
			require.Len(t, files, 1)
		}
	})
}
