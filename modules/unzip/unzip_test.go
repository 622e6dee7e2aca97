package unzip_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/unzip"
)

// packed returns a call whose workspace holds an archive called a.zip.
func packed(t testing.TB, archive []byte) *modules.Call {
	t.Helper()
	c, _ := moduletest.Call(t.(*testing.T))
	require.NoError(t, c.Workspace.WriteFile("a.zip", archive))
	return c
}

func unpack(t *testing.T, c *modules.Call, config map[string]any) (map[string]any, error) {
	t.Helper()
	return unzip.Module.Run(t.Context(), c, map[string]any{"src": "a.zip", "dest": "out", "config": config})
}

// tree lists what lies below a folder: "a/" and "a/b=content".
func tree(t *testing.T, c *modules.Call, folder string) []string {
	t.Helper()
	var list []string
	require.NoError(t, c.Workspace.Walk(folder, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == folder {
			return err
		}
		below := strings.TrimPrefix(name, folder+"/")
		if e.IsDir() {
			list = append(list, below+"/")
			return nil
		}
		data, err := c.Workspace.ReadFile(name)
		list = append(list, below+"="+string(data))
		return err
	}))
	return list
}

// standard packs names, each with itself as content, as Go's own library does.
func standard(t *testing.T, method uint16, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		require.NoError(t, err)
		if !strings.HasSuffix(name, "/") {
			_, err = f.Write([]byte(name))
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.SetComment("made by a test"))
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestArchivesUnpackToWhatWasPacked(t *testing.T) {
	for _, tt := range []struct {
		name    string
		archive []byte
		want    []string
	}{
		{"deflated, with data descriptors", standard(t, zip.Deflate, "a.txt", "b/c.txt", "e/"), []string{"a.txt=a.txt", "b/", "b/c.txt=b/c.txt", "e/"}},
		{"stored", standard(t, zip.Store, "a.txt", "b/c/d.txt"), []string{"a.txt=a.txt", "b/", "b/c/", "b/c/d.txt=b/c/d.txt"}},
		{"empty", standard(t, zip.Store), nil},
		{"with the end of large ones", large(standard(t, zip.Deflate, "a.txt", "b.txt")), []string{"a.txt=a.txt", "b.txt=b.txt"}},
		{"behind a program", append(bytes.Repeat([]byte("#!"), 999), standard(t, zip.Store, "a.txt")...), []string{"a.txt=a.txt"}},
		{"the separator of Windows", forge(member{name: `dir\a.txt`, content: "x"}), []string{"dir/", "dir/a.txt=x"}},
		{"a name of DOS", forge(member{name: "M\x9abel.txt", content: "x"}), []string{"MÜbel.txt=x"}},
		{"a name in UTF-8, unmarked", forge(member{name: "Möbel.txt", content: "x"}), []string{"Möbel.txt=x"}},
		{"a name in an extra field", forge(member{name: "M_bel.txt", content: "x", extra: unicodeName("M_bel.txt", "Möbel.txt")}), []string{"Möbel.txt=x"}},
		{"slashes and dots too many", forge(member{name: "./a//./b.txt", content: "x"}, member{name: "./"}), []string{"a/", "a/b.txt=x"}},
		{"a folder named twice", forge(member{name: "a/"}, member{name: "a/"}, member{name: "a/b", content: "x"}), []string{"a/", "a/b=x"}},
		{"a mode of Unix", forge(member{name: "a", content: "x", host: 3, mode: 0o100755}, member{name: "b", host: 3, mode: 0o040755}), []string{"a=x", "b/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := packed(t, tt.archive)
			out, err := unpack(t, c, nil)
			require.NoError(t, err)
			require.Equal(t, tt.want, tree(t, c, "out"))
			size, files := 0, 0
			for _, line := range tt.want {
				if _, content, isFile := strings.Cut(line, "="); isFile {
					size, files = size+len(content), files+1
				}
			}
			require.Equal(t, fmt.Sprint(size), out["size"])
			require.Equal(t, int64(files), out["files"])
			require.Equal(t, map[string]any{"maxFiles": int64(100000), "maxSize": int64(20 << 30), "maxRatio": int64(250)}, out["config"])
			left, err := c.Workspace.Glob(".*")
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// large gives an archive the end record that archives of more than 4 GiB or 65,535 files have.
func large(archive []byte) []byte {
	at := bytes.LastIndex(archive, []byte("PK\x05\x06"))
	end := bytes.Clone(archive[at:])
	end64 := le.AppendUint32(nil, 0x06064b50)
	end64 = le.AppendUint64(end64, 44)
	end64 = append(end64, make([]byte, 20)...)
	end64 = le.AppendUint64(end64, uint64(le.Uint16(end[10:])))
	end64 = le.AppendUint64(end64, uint64(le.Uint32(end[12:])))
	end64 = le.AppendUint64(end64, uint64(le.Uint32(end[16:])))
	locator := le.AppendUint64(le.AppendUint32(le.AppendUint32(nil, 0x07064b50), 0), uint64(at))
	locator = le.AppendUint32(locator, 1)
	copy(end[8:], bytes.Repeat([]byte{0xff}, 12))
	return bytes.Join([][]byte{archive[:at], end64, locator, end}, nil)
}

func unicodeName(raw, name string) []byte {
	field := append([]byte{1}, binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(raw)))...)
	field = append(field, name...)
	return append(binary.LittleEndian.AppendUint16([]byte{0x75, 0x70}, uint16(len(field))), field...)
}

// The archives were made by Info-ZIP 3.0: `zip -r plain.zip in` and, with the sizes behind each file, `zip -r -fd streamed.zip in`.
func TestArchivesOfInfoZIPUnpack(t *testing.T) {
	for _, name := range []string{"plain.zip", "streamed.zip"} {
		archive, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		c := packed(t, archive)
		_, err = unpack(t, c, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"in/", "in/Möbel/", "in/Möbel/ä 1.txt=" + strings.Repeat("ä", 400), "in/a.txt=a", "in/empty/"}, tree(t, c, "out"))
	}
}

func TestAFolderThatIsThereKeepsWhatElseIsInIt(t *testing.T) {
	c := packed(t, standard(t, zip.Deflate, "a.txt", "b/c.txt"))
	require.NoError(t, c.Workspace.WriteFile("out/a.txt", []byte("old")))
	require.NoError(t, c.Workspace.WriteFile("out/b/d.txt", []byte("mine")))
	for range 2 {
		_, err := unpack(t, c, nil)
		require.NoError(t, err)
		require.Equal(t, []string{"a.txt=a.txt", "b/", "b/c.txt=b/c.txt", "b/d.txt=mine"}, tree(t, c, "out"))
	}
	_, err := unzip.Module.Run(t.Context(), c, map[string]any{"src": "a.zip", "dest": "."})
	require.NoError(t, err)
	data, err := c.Workspace.ReadFile("b/c.txt")
	require.NoError(t, err)
	require.Equal(t, "b/c.txt", string(data))
}

func TestNothingIsWrittenThroughWhatIsThere(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(out string) error
	}{
		{"a link where a folder goes", func(out string) error { return os.Symlink(t.TempDir(), filepath.Join(out, "b")) }},
		{"a link where a file goes", func(out string) error { return os.Symlink("/etc/passwd", filepath.Join(out, "a.txt")) }},
		{"a folder where a file goes", func(out string) error { return os.Mkdir(filepath.Join(out, "a.txt"), 0o755) }},
		{"a file where a folder goes", func(out string) error { return os.WriteFile(filepath.Join(out, "b"), nil, 0o644) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := packed(t, standard(t, zip.Deflate, "a.txt", "b/c.txt", "z.txt"))
			out := filepath.Join(c.Workspace.Real(), "out")
			require.NoError(t, os.Mkdir(out, 0o755))
			require.NoError(t, tt.make(out))
			_, err := unpack(t, c, nil)
			require.Error(t, err)
			require.Equal(t, fault.Permanent, fault.Of(err))
			there, err := os.ReadDir(out)
			require.NoError(t, err)
			require.Len(t, there, 1, "nothing was moved")
		})
	}
}

func TestACanceledRunLeavesNothingBehind(t *testing.T) {
	c := packed(t, standard(t, zip.Deflate, "a.txt"))
	lost := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(lost)
	_, err := unzip.Module.Run(ctx, c, map[string]any{"src": "a.zip", "dest": "out"})
	require.ErrorIs(t, err, lost)
	require.Equal(t, []string{"a.zip"}, names(t, c))
}

// names lists the workspace.
func names(t *testing.T, c *modules.Call) []string {
	t.Helper()
	entries, err := os.ReadDir(c.Workspace.Real())
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestTheDirectorySaysWhatItWillTake(t *testing.T) {
	archive := standard(t, zip.Deflate, "a.txt", "b/c.txt")
	c := packed(t, archive)
	d, err := modules.Probe(t.Context(), unzip.Module, c, map[string]any{"src": "a.zip", "dest": "out"})
	require.NoError(t, err)
	require.Equal(t, modules.Demand{Input: int64(len(archive)), Disk: 12 + 3*4096}, d.Demand)
	_, err = modules.Probe(t.Context(), unzip.Module, c, map[string]any{"src": "a.zip", "dest": "out", "config": map[string]any{"maxFiles": 1}})
	require.ErrorContains(t, err, "unpack a.zip: the archive holds 2 files, more than the 1 that are admitted (config.maxFiles)")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = modules.Probe(ended, unzip.Module, c, map[string]any{"src": "a.zip", "dest": "out"})
	require.ErrorIs(t, err, context.Canceled)
}
