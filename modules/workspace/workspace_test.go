package workspace_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

// open returns a workspace and, beside it, a folder it must never reach that holds secret.txt.
func open(t *testing.T, o workspace.Options) (d *workspace.Dir, outside string) {
	t.Helper()
	base := t.TempDir()
	outside = filepath.Join(base, "outside")
	require.NoError(t, os.Mkdir(outside, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret.txt"), []byte("secret"), 0o600))
	inside := filepath.Join(base, "job")
	require.NoError(t, os.Mkdir(inside, 0o755))
	d, err := workspace.Open(inside, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, outside
}

func TestRelativeAliasedAndRealNamesAreTheSameFile(t *testing.T) {
	d, _ := open(t, workspace.Options{})
	require.NoError(t, d.WriteFile("/home/workspace/out/a.txt", []byte("x")))
	for _, name := range []string{"out/a.txt", "./out//a.txt", "/home/workspace/out/../out/a.txt", filepath.Join(d.Real(), "out/a.txt")} {
		got, err := d.ReadFile(name)
		require.NoError(t, err, name)
		require.Equal(t, "x", string(got))
		path, err := d.Path(name)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(d.Real(), "out/a.txt"), path)
	}
}

func TestPathsThatLeadOutAreRefusedInOneSentence(t *testing.T) {
	d, outside := open(t, workspace.Options{})
	require.NoError(t, os.Symlink(outside, filepath.Join(d.Real(), "link")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret.txt"), filepath.Join(d.Real(), "file")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "new.txt"), filepath.Join(d.Real(), "dangling")))
	for _, name := range []string{
		"/etc/passwd", "../outside/secret.txt", "a/../../outside/secret.txt", "/home/workspace/../../etc/passwd",
		"/home/workspace-2/x", filepath.Join(outside, "secret.txt"), "link/secret.txt", "file",
	} {
		_, err := d.Open(name)
		require.EqualError(t, err, `path "`+name+`" is outside the workspace; use a relative path or one under /home/workspace`)
		require.Equal(t, fault.Permanent, fault.Of(err))
		_, err = d.Path(name)
		require.ErrorContains(t, err, "is outside the workspace", name)
		require.ErrorContains(t, d.WriteFile(name, nil), "is outside the workspace", name)
		_, err = d.Stat(name)
		require.ErrorContains(t, err, "is outside the workspace", name)
	}
	require.ErrorContains(t, d.WriteFile("dangling", nil), "is outside the workspace")
	_, err := d.Path("dangling")
	require.Error(t, err)
	require.NoFileExists(t, filepath.Join(outside, "new.txt"))
	for _, name := range []string{"", "a\x00b"} {
		_, err := d.Open(name)
		require.Equal(t, fault.Permanent, fault.Of(err), "%q", name)
	}
}

func TestALinkThatStaysInsideIsFollowed(t *testing.T) {
	d, _ := open(t, workspace.Options{})
	require.NoError(t, d.WriteFile("real/a.txt", []byte("x")))
	require.NoError(t, os.Symlink("real", filepath.Join(d.Real(), "link")))
	got, err := d.ReadFile("link/a.txt")
	require.NoError(t, err)
	require.Equal(t, "x", string(got))
	_, err = d.Path("link/new.txt")
	require.NoError(t, err)
}

func TestOddNamesAreOrdinaryFiles(t *testing.T) {
	d, _ := open(t, workspace.Options{})
	for _, name := range []string{`a\b`, "%2e%2e/x", "-rf", "new\nline", "..hidden", strings.Repeat("k", 200)} {
		require.NoError(t, d.WriteFile(name, []byte("x")), "%q", name)
		path, err := d.Path(name)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(path, d.Real()+"/"), "%q", path)
	}
}

func TestAMissingFileIsNamedAsItWasWritten(t *testing.T) {
	d, _ := open(t, workspace.Options{})
	_, err := d.Open("/home/workspace/in.stl")
	require.EqualError(t, err, `there is no file "/home/workspace/in.stl"; check the path and the task that should have written it`)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.NoError(t, d.MkdirAll("folder"))
	_, err = d.ReadFile("folder")
	require.EqualError(t, err, `read "folder": is a directory`)
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestAPipeIsNotWaitedFor(t *testing.T) {
	d, _ := open(t, workspace.Options{})
	require.NoError(t, syscall.Mkfifo(filepath.Join(d.Real(), "pipe"), 0o600))
	_, err := d.Open("pipe")
	require.ErrorContains(t, err, "it is a pipe, a socket or a device, and no file")
	require.Equal(t, fault.Permanent, fault.Of(err))
	_, err = d.ReadFile("pipe")
	require.ErrorContains(t, err, "and no file")
}

func TestAPersonMayAdmitPathsOutside(t *testing.T) {
	base := t.TempDir()
	given := filepath.Join(base, "gift", "in.txt")
	require.NoError(t, os.MkdirAll(filepath.Dir(given), 0o755))
	require.NoError(t, os.WriteFile(given, []byte("x"), 0o600))

	d, outside := open(t, workspace.Options{Admit: []string{given}})
	got, err := d.ReadFile(given)
	require.NoError(t, err)
	require.Equal(t, "x", string(got))
	path, err := d.Path(given)
	require.NoError(t, err)
	require.Equal(t, given, path)
	_, err = d.Open(filepath.Join(filepath.Dir(given), "other.txt"))
	require.ErrorContains(t, err, "is outside the workspace")
	_, err = d.Open(filepath.Join(outside, "secret.txt"))
	require.ErrorContains(t, err, "is outside the workspace")

	all, outside := open(t, workspace.Options{Admit: []string{"/"}})
	_, err = all.ReadFile(filepath.Join(outside, "secret.txt"))
	require.NoError(t, err)
	_, err = all.ReadFile("../outside/secret.txt")
	require.NoError(t, err)
	require.NoError(t, all.Rename(filepath.Join(outside, "secret.txt"), "got/it.txt"))
	require.NoError(t, all.WriteFile(filepath.Join(outside, "new", "out.txt"), nil))
}

func TestReplaceNeverShowsHalfAFile(t *testing.T) {
	d, _ := open(t, workspace.Options{})
	require.NoError(t, d.WriteFile("out/a.txt", []byte("old")))
	boom := errors.New("boom")
	err := d.Replace("out/a.txt", func(f *os.File) error {
		_, werr := f.WriteString("half")
		require.NoError(t, werr)
		return boom
	})
	require.ErrorIs(t, err, boom)
	got, err := d.ReadFile("out/a.txt")
	require.NoError(t, err)
	require.Equal(t, "old", string(got))

	require.NoError(t, d.Replace("out/a.txt", func(f *os.File) error { _, err := f.WriteString("new"); return err }))
	got, err = d.ReadFile("out/a.txt")
	require.NoError(t, err)
	require.Equal(t, "new", string(got))
	names, err := d.Glob("out/*")
	require.NoError(t, err)
	require.Equal(t, []string{"out/a.txt"}, names)
	names, err = d.Glob("out/.*")
	require.NoError(t, err)
	require.Empty(t, names, "no temporary file stays behind")
}

func TestWalkAndGlobYieldNamesThatOpenTakes(t *testing.T) {
	d, _ := open(t, workspace.Options{})
	require.NoError(t, d.WriteFile("m/b.txt", nil))
	require.NoError(t, d.WriteFile("m/a.txt", nil))
	var names []string
	require.NoError(t, d.Walk("/home/workspace/m", func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	}))
	require.Equal(t, []string{"m", "m/a.txt", "m/b.txt"}, names)
	names, err := d.Glob("/home/workspace/m/*.txt")
	require.NoError(t, err)
	require.Equal(t, []string{"m/a.txt", "m/b.txt"}, names)
	_, err = d.Glob("m/[")
	require.ErrorContains(t, err, "not well formed")
	_, err = d.Glob("/etc/*")
	require.ErrorContains(t, err, "is outside the workspace")
	require.NoError(t, d.RemoveAll("m"))
	_, err = d.Lstat("m")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Error(t, d.RemoveAll("."), "the workspace itself stays")
}

func TestPathsInTextAreReplacedAtTheirBoundaries(t *testing.T) {
	d, _ := open(t, workspace.Options{})
	real := d.Real()
	for _, tt := range []struct{ name, in, want string }{
		{"alone", "/home/workspace", real},
		{"below", "/home/workspace/a", real + "/a"},
		{"in a flag", "--out=/home/workspace/a", "--out=" + real + "/a"},
		{"in a URL", "file:///home/workspace/a", "file://" + real + "/a"},
		{"twice", "/home/workspace/a:/home/workspace/b", real + "/a:" + real + "/b"},
		{"at the end of a sentence", "saved in /home/workspace.", "saved in " + real + "."},
		{"another folder", "/home/workspace-2/a", "/home/workspace-2/a"},
		{"another name", "/home/workspaces", "/home/workspaces"},
		{"an extension", "/home/workspace.bak", "/home/workspace.bak"},
		{"the tail of a longer path", "/mnt/home/workspace/a", "/mnt/home/workspace/a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, d.Unalias(tt.in))
			require.Equal(t, tt.in, d.Alias(tt.want))
		})
	}
	require.Equal(t, "/home/workspace/a", d.Show(real+"/a"))
	require.Equal(t, "/etc/passwd", d.Show("/etc/passwd"))
}

func TestAWorkspaceBelowItsAliasIsNotReplacedTwice(t *testing.T) {
	alias := t.TempDir()
	slot := filepath.Join(alias, "slot-1")
	require.NoError(t, os.Mkdir(slot, 0o755))
	d, err := workspace.Open(slot, workspace.Options{Alias: alias})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	once := d.Unalias(alias + "/a " + slot + "/b")
	require.Equal(t, slot+"/a "+slot+"/b", once)
	require.Equal(t, once, d.Unalias(once))
	path, err := d.Path(slot + "/b")
	require.NoError(t, err)
	require.Equal(t, slot+"/b", path)
}

func TestTheAliasWriterReplacesPathsHoweverTheTextIsSplit(t *testing.T) {
	d, _ := open(t, workspace.Options{})
	text := "reading " + d.Real() + "/in.stl\nwrote " + d.Real() + "/out.obj"
	for i := range len(text) {
		var out bytes.Buffer
		w := d.AliasWriter(&out)
		for _, part := range []string{text[:i], text[i:]} {
			_, err := w.Write([]byte(part))
			require.NoError(t, err)
		}
		require.NoError(t, w.Flush())
		require.Equal(t, "reading /home/workspace/in.stl\nwrote /home/workspace/out.obj", out.String())
	}
}

func TestTheAliasWriterHoldsBackLittleOfAnEndlessLine(t *testing.T) {
	d, _ := open(t, workspace.Options{})
	var out bytes.Buffer
	w := d.AliasWriter(&out)
	for range 100 {
		_, err := w.Write(bytes.Repeat([]byte("x"), 1000))
		require.NoError(t, err)
	}
	require.Greater(t, out.Len(), 60_000)
}
