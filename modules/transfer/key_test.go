package transfer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

// FuzzF38KeyToPath holds a plan of two objects to its promise: each file lies in the workspace below the destination, and
// two keys never mean one file, nor one the folder of the other.
func FuzzF38KeyToPath(f *testing.F) {
	for _, seed := range [][2]string{
		{"a", "a/b"},
		{"a/b", "a//b"},
		{"../x", "x"},
		{"%2e%2e/x", "x"},
		{`a\b`, "a/b"},
		{"-rf", "--"},
		{"a\n", "a"},
		{"A", "a"},
		{"/etc/passwd", "etc/passwd"},
		{strings.Repeat("k/", 511) + "k", strings.Repeat("k", 255)},
		{"ﬁ", "fi"},
		{"a/./b", "a/b"},
		{"a.", "a"},
		{"con", "nul"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == b {
			return // a listing has no key twice
		}
		dir, err := workspace.Open(t.TempDir(), workspace.Options{})
		require.NoError(t, err)
		defer dir.Close()
		items := []item{{key: "in/" + a}, {key: "in/" + b}}
		if err := place(items, "in/", "out"); err != nil {
			require.Equal(t, fault.Permanent, fault.Of(err))
			return
		}
		for _, it := range items {
			real, err := dir.Path(it.path)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(real, filepath.Join(dir.Real(), "out")+"/"), real)
			require.NoError(t, dir.Replace(it.path, func(f *os.File) error {
				_, err := f.WriteString(it.key)
				return err
			}))
		}
		for _, it := range items {
			b, err := dir.ReadFile(it.path)
			require.NoError(t, err)
			require.Equal(t, it.key, string(b))
		}
	})
}

func TestF38KeysThatCanNotBeFilesAreRefusedInOneSentence(t *testing.T) {
	for _, tt := range []struct {
		name string
		keys []string
		want string
	}{
		{"a way out", []string{"in/../../etc/passwd"}, `has a part ".."`},
		{"an empty part", []string{"in/a//b"}, "has an empty part"},
		{"a backslash", []string{`in/a\b`}, "has a backslash"},
		{"a line break", []string{"in/a\nb"}, "has a control character"},
		{"bytes that are no text", []string{"in/a\xff"}, "is not UTF-8"},
		{"a part no file system takes", []string{"in/" + strings.Repeat("a", 256)}, "has a part of more than 255 bytes"},
		{"a file in a file", []string{"in/a", "in/a-b", "in/a/b/c"}, `object key "in/a/b/c" would be a file in the file that "in/a" becomes`},
		{"many of them", []string{"in/a//1", "in/a//2", "in/a//3", "in/a//4", "in/a//5"}, "; and 2 more; rename"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var items []item
			for _, key := range tt.keys {
				items = append(items, item{key: key})
			}
			err := place(items, "in/", "out")
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "rename it, or leave it out with exclude")
			require.NotContains(t, err.Error(), "\n")
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestF38NothingInAKeyIsDecodedOrTakenForAnOption(t *testing.T) {
	items := []item{{key: "%2e%2e/x"}, {key: "a+b c"}, {key: "A"}, {key: "a"}, {key: "-rf"}}
	require.NoError(t, place(items, "", "."))
	var got []string
	for _, it := range items {
		got = append(got, it.path)
	}
	require.Equal(t, []string{"%2e%2e/x", "a+b c", "A", "a", "./-rf"}, got)
}

func TestAPatternMatchesPartByPart(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		yes, no []string
	}{
		{"*.png", []string{"a.png", ".png"}, []string{"a/b.png", "a.pngx"}},
		{"a/*/c", []string{"a/b/c"}, []string{"a/c", "a/b/b/c"}},
		{"a/**", []string{"a/b", "a/b/c"}, []string{"b/a"}},
		{"**/c", []string{"c", "a/c", "a/b/c"}, []string{"a/b/d"}},
		{"a/**/b/**/c", []string{"a/b/c", "a/x/b/y/z/c", "a/b/b/c"}, []string{"a/c", "a/b"}},
		{"[ab]?", []string{"ax", "b1"}, []string{"c1", "a"}},
	} {
		t.Run(tt.pattern, func(t *testing.T) {
			for _, name := range tt.yes {
				require.True(t, matches(tt.pattern, name), name)
			}
			for _, name := range tt.no {
				require.False(t, matches(tt.pattern, name), name)
			}
		})
	}
	hostile := strings.Repeat("a/", 500) + "b"
	require.False(t, matches(strings.Repeat("**/a/", 200)+"c", hostile), "and soon")
	require.False(t, wellFormed("a/[b/c"))
}

func TestAContentTypeIsThatOfTheExtension(t *testing.T) {
	for name, want := range map[string]string{
		"gear.glb": "model/gltf-binary", "GEAR.USDZ": "model/vnd.usdz+zip", "a/b.zip": "application/zip", "page.html": "text/html; charset=utf-8",
		"clip.mp4": "video/mp4", "none": "application/octet-stream", "glb": "application/octet-stream", "a.b/c": "application/octet-stream",
	} {
		require.Equal(t, want, ContentType(name), name)
	}
}
