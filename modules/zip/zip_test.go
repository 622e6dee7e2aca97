package zip_test

import (
	stdzip "archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/zip"
)

// filled returns a call whose workspace holds a few files, each with its own name as content.
func filled(t *testing.T) *modules.Call {
	t.Helper()
	c, _ := moduletest.Call(t)
	for _, name := range []string{"out/b.txt", "out/a.txt", "out/deep/c.obj", "other/a.txt", "x.obj", "y.obj", "odd[1].txt"} {
		require.NoError(t, c.Workspace.WriteFile(name, []byte(name)))
	}
	return c
}

// unpack returns name=content of each file in the archive, in order.
func unpack(t *testing.T, c *modules.Call, name string) []string {
	t.Helper()
	data, err := c.Workspace.ReadFile(name)
	require.NoError(t, err)
	r, err := stdzip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	var list []string
	for _, f := range r.File {
		in, err := f.Open()
		require.NoError(t, err)
		content, err := io.ReadAll(in)
		require.NoError(t, err)
		require.NoError(t, in.Close())
		list = append(list, f.Name+"="+string(content))
	}
	return list
}

func TestEverySourcePacksInAFixedOrder(t *testing.T) {
	for _, tt := range []struct {
		name string
		src  any
		want []string
	}{
		{"a file", "out/a.txt", []string{"a.txt=out/a.txt"}},
		{"a folder", "/home/workspace/out", []string{"a.txt=out/a.txt", "b.txt=out/b.txt", "deep/c.obj=out/deep/c.obj"}},
		{"a pattern", "*.obj", []string{"x.obj=x.obj", "y.obj=y.obj"}},
		{"a name that looks like a pattern", "odd[1].txt", []string{"odd[1].txt=odd[1].txt"}},
		{"a list", []any{"y.obj", "out/deep", "other"}, []string{"deep/c.obj=out/deep/c.obj", "other/a.txt=other/a.txt", "y.obj=y.obj"}},
		{"the same file twice", []any{"x.obj", "*.obj"}, []string{"x.obj=x.obj", "y.obj=y.obj"}},
		{"everything", ".", []string{
			"odd[1].txt=odd[1].txt", "other/a.txt=other/a.txt", "out/a.txt=out/a.txt", "out/b.txt=out/b.txt",
			"out/deep/c.obj=out/deep/c.obj", "x.obj=x.obj", "y.obj=y.obj",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := filled(t)
			out, err := zip.Module.Run(t.Context(), c, map[string]any{"src": tt.src, "dest": "new/all.zip"})
			require.NoError(t, err)
			require.Equal(t, tt.want, unpack(t, c, "new/all.zip"))
			info, err := c.Workspace.Stat("new/all.zip")
			require.NoError(t, err)
			require.Equal(t, strconv.FormatInt(info.Size(), 10), out["size"])
			require.Equal(t, int64(len(tt.want)), out["files"])
			require.Positive(t, out["stats"].(map[string]any)["maxmem"])
			require.Equal(t, map[string]any{"level": int64(6)}, out["config"])
		})
	}
}

func TestTheArchiveIsNotPackedIntoItself(t *testing.T) {
	c := filled(t)
	props := map[string]any{"src": "out", "dest": "out/all.zip"}
	for range 2 {
		_, err := zip.Module.Run(t.Context(), c, props)
		require.NoError(t, err)
		require.Len(t, unpack(t, c, "out/all.zip"), 3)
	}
}

func TestLinksAndSpecialFilesAreLeftOut(t *testing.T) {
	c := filled(t)
	real := c.Workspace.Real()
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(real, "out", "link")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(real, "out", "pipe"), 0o600))
	out, err := zip.Module.Run(t.Context(), c, map[string]any{"src": "out", "dest": "all.zip"})
	require.NoError(t, err)
	require.Equal(t, []any{"out/link", "out/pipe"}, out["skipped"])
	require.Len(t, unpack(t, c, "all.zip"), 3)
	_, err = zip.Module.Run(t.Context(), c, map[string]any{"src": "out/link", "dest": "all.zip"})
	require.ErrorContains(t, err, "is a symbolic link")
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestLevelsTradeTimeForSize(t *testing.T) {
	c := filled(t)
	require.NoError(t, c.Workspace.WriteFile("big", []byte(strings.Repeat("abc", 10_000))))
	sizes := map[int]int{}
	for _, level := range []int{0, 9} {
		out, err := zip.Module.Run(t.Context(), c, map[string]any{
			"src": "big", "dst": "big.zip", "config": map[string]any{"level": level},
		})
		require.NoError(t, err)
		sizes[level], err = strconv.Atoi(out["size"].(string))
		require.NoError(t, err)
	}
	require.Greater(t, sizes[0], 30_000)
	require.Less(t, sizes[9], 1_000)
}

// Files are packed in parts of a MiB, several at once: the lengths are those around the parts.
func TestFilesOfManyPartsComeOutAsTheyWere(t *testing.T) {
	const part = 1 << 20
	text := []byte(strings.Repeat("v 1.25 -3.5 0.75\nvn 0 0 1\n", 3*part/26))
	noise := make([]byte, part+1)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	c, _ := moduletest.Call(t)
	var want []string
	for i, content := range [][]byte{{}, noise[:9], text[:part-1], text[:part], text[:part+1], text[:2*part], text, noise} {
		name := strconv.Itoa(i)
		require.NoError(t, c.Workspace.WriteFile("in/"+name, content))
		want = append(want, name+"="+string(content))
	}
	for _, level := range []int{0, 6} {
		_, err := zip.Module.Run(t.Context(), c, map[string]any{"src": "in", "dest": "all.zip", "config": map[string]any{"level": level}})
		require.NoError(t, err)
		require.True(t, slices.Equal(want, unpack(t, c, "all.zip")), "level %d", level)
	}
}

func TestTheArchiveTakesNoMoreThanItIsSaidToBefore(t *testing.T) {
	noise := make([]byte, 1<<20+1)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	c := filled(t)
	require.NoError(t, c.Workspace.WriteFile("out/noise", noise))
	require.NoError(t, c.Workspace.WriteFile("out/empty", nil))
	for _, level := range []int{0, 6} {
		props := map[string]any{"src": "out", "dest": "all.zip", "config": map[string]any{"level": level}}
		d, err := modules.Probe(t.Context(), zip.Module, c, props)
		require.NoError(t, err)
		require.Equal(t, int64(len(noise)+len("out/a.txtout/b.txtout/deep/c.obj")), d.Input)
		_, err = zip.Module.Run(t.Context(), c, props)
		require.NoError(t, err)
		info, err := c.Workspace.Stat("all.zip")
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), d.Disk)
	}
	_, err := modules.Probe(t.Context(), zip.Module, c, map[string]any{"src": "no.txt", "dest": "a.zip"})
	require.ErrorContains(t, err, `pack no.txt: there is no file "no.txt"`)
}

func TestWhatDoesNotShrinkIsStored(t *testing.T) {
	noise := make([]byte, 10_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	c, _ := moduletest.Call(t)
	require.NoError(t, c.Workspace.WriteFile("noise", noise))
	_, err := zip.Module.Run(t.Context(), c, map[string]any{"src": "noise", "dest": "noise.zip"})
	require.NoError(t, err)
	path, err := c.Workspace.Path("noise.zip")
	require.NoError(t, err)
	r, err := stdzip.OpenReader(path)
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, stdzip.Store, r.File[0].Method)
}

func TestBadSourcesAreRefusedForGood(t *testing.T) {
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  string
	}{
		{"missing file", map[string]any{"src": "no.txt", "dest": "a.zip"}, `pack no.txt: there is no file "no.txt"; check the path`},
		{"no match", map[string]any{"src": "*.glb", "dest": "a.zip"}, `nothing matches "*.glb"`},
		{"outside", map[string]any{"src": "/etc", "dest": "a.zip"}, `path "/etc" is outside the workspace`},
		{"dest outside", map[string]any{"src": "x.obj", "dest": "../a.zip"}, `path "../a.zip" is outside the workspace`},
		{"same names", map[string]any{"src": []any{"out/a.txt", "other/a.txt"}, "dest": "a.zip"}, `"other/a.txt" and "out/a.txt" would both be called "a.txt"`},
		{
			"not a name",
			map[string]any{"src": []any{int64(1)}, "dest": "a.zip", "config": map[string]any{"level": 12}},
			`prop "src" must be a file, a folder, a pattern or a list of those; prop "config.level" must be 0 to 9, got 12`,
		},
		{"unknown option", map[string]any{"src": "x.obj", "dest": "a.zip", "config": map[string]any{"levle": 1}}, `prop "config.levle" is unknown, did you mean "level"?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := filled(t)
			_, err := zip.Module.Run(t.Context(), c, tt.props)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestACanceledRunLeavesNothingBehind(t *testing.T) {
	c := filled(t)
	lost := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(lost)
	_, err := zip.Module.Run(ctx, c, map[string]any{"src": "out", "dest": "new/all.zip"})
	require.ErrorIs(t, err, lost)
	names, err := c.Workspace.Glob("new/*")
	require.NoError(t, err)
	require.Empty(t, names)
}
