package main_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/tool"
)

// toolLine is what --check --json says of a tool.
type toolLine struct {
	Name, Path, Version, Missing, Get string
	Modules, Extras                   []string
}

// withTools lets the program find what `make tools` installed.
func withTools(t *testing.T, p *place) {
	t.Helper()
	p.env = append(p.env, "MILLRACE_TOOLS="+toolsHere(t))
}

func toolsHere(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../.tools")
	require.NoError(t, err)
	return dir
}

func TestEveryToolIsThereAfterMakeTools(t *testing.T) {
	p := newPlace(t)
	withTools(t, p)
	for _, tool := range decoded[[]toolLine](t, p.succeeds("modules", "--check", "--json")) {
		require.Empty(t, tool.Missing, tool.Name)
		require.NotEmpty(t, tool.Version, tool.Name)
		require.NotEmpty(t, append(tool.Modules, tool.Extras...), tool.Name)
		require.FileExists(t, tool.Path, tool.Name)
	}
	text := p.succeeds("modules", "--check", "--all")
	require.Regexp(t, `(?m)^ImageMagick +\d[^ ]* +/[^ ]+ +for ImageMagick$`, text)
	require.Equal(t, len(strings.Split(strings.TrimSpace(text), "\n")), strings.Count(text, "\n"), "one line each")
}

// Jobs of strangers, and tests run by root, start them.
func TestNobodyElseMayWriteToAToolThatMakeToolsInstalled(t *testing.T) {
	folder, err := filepath.EvalSymlinks("../../.tools")
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s is %s", name, info.Mode())
		}
		return err
	}))
}

func TestAToolThatModulesCanDoWithoutIsMissedWhenAllAreAskedFor(t *testing.T) {
	p := newPlace(t)
	p.env = append(p.env, "MILLRACE_TOOLS="+t.TempDir())
	r := p.millrace("modules", "--check")
	require.Regexp(t, `(?m)^OpenUSD +missing, usdchecker can do without: .+; use the heavy image, or run`, r.stdout)
	require.Contains(t, r.stderr, "3 of the tools that modules need are missing") // Blender, FBX2glTF, ONNX Runtime
	r = p.millrace("modules", "--check", "--all")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "6 of the tools are missing")
	require.Equal(t, 2, p.millrace("modules", "--all").code)
}

// withoutImageMagick is an environment that has every other tool, and echo.
func withoutImageMagick(t *testing.T) []string {
	t.Helper()
	bin := t.TempDir()
	names := []string{"echo"}
	for _, there := range tool.All() {
		if there.Name != tool.ImageMagick().Name {
			names = append(names, there.Programs...)
		}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil && filepath.Base(name) == name {
			require.NoError(t, os.Symlink(path, filepath.Join(bin, name)))
		}
	}
	folder, err := filepath.Abs("../../.tools")
	require.NoError(t, err)
	return []string{"PATH=" + bin, "MILLRACE_TOOLS=" + folder}
}

func TestATakenToolIsOneSentenceAndTheRestWorks(t *testing.T) {
	p := newPlace(t)
	p.env = append(p.env, withoutImageMagick(t)...)
	const sentence = "no program magick or convert-im7.q16 or convert-im6.q16 or convert is in PATH; use the heavy image, or as root on Debian 12: apt-get install imagemagick"
	r := p.millrace("modules", "--check")
	require.Equal(t, 1, r.code)
	require.Equal(t, 1, strings.Count(r.stdout, "missing, for ImageMagick: "+sentence), r.stdout)
	require.Contains(t, r.stderr, "1 of the tools that modules need is missing")

	p.write("thumb.yaml", "tasks:\n  - module: ImageMagick\n    props: {dest: a.png, args: '-size 9x9 xc:red'}\n")
	r = p.millrace("run", "thumb.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout+r.stderr, "ImageMagick is missing: "+sentence)
	require.Equal(t, "Hello Modelops!!!\n", p.succeeds("run", "hello_world", "name=Modelops"))

	p.env = append(p.env, "PATH="+os.Getenv("PATH"))
	p.succeeds("run", "thumb.yaml")
	require.FileExists(t, filepath.Join(p.dir, "a.png"))
}

func TestAToolIsNamedByHand(t *testing.T) {
	p := newPlace(t)
	p.env = append(p.env, "MILLRACE_TOOL_IMAGEMAGICK=/bin/ls")
	r := p.millrace("modules", "--check")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "/bin/ls is another program: asked for its version, it does not say that it is ImageMagick")
}

func TestAWorkerSaysWhatIsMissing(t *testing.T) {
	p := newPlace(t)
	p.env = append(p.env, withoutImageMagick(t)...)
	r := p.millrace("work", "--exit-when-idle", "1ms")
	require.Equal(t, 0, r.code, r.stderr)
	require.Regexp(t, `(?m)^.*tool missing.*ImageMagick.*no program magick.*$`, r.stderr)
	require.Equal(t, 1, strings.Count(r.stderr, "tool missing"), r.stderr)
}

func TestAConfinedJobRunsItsTools(t *testing.T) {
	p := newPlace(t)
	withTools(t, p)
	p.write("thumb.yaml", `tasks:
  - module: ImageMagick
    props: {dest: a.png, args: "-size 64x64 gradient:red-blue"}
  - module: ImageMagick
    props: {src: a.png, dest: outputs/b.jpg, args: ["-resize 50%"]}
`)
	p.succeeds("jobs", "run", "./thumb.yaml")
	p.work()
	require.Contains(t, p.succeeds("jobs", "list"), "SUCCEEDED")
}
