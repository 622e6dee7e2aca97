package assetconverter_test

import (
	"crypto/rand"
	"flag"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/assetconverter"
	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
)

// models is where Debian's assimp-testmodels lie.
const models = "/usr/share/assimp/models"

var update = flag.Bool("update", false, "rewrite docs/conversions.md")

// warm is the Blender of all tests.
var warm = sync.OnceValue(blender.NewWarm)

// compiled is the folder of what TestMain compiled.
var compiled string

func TestMain(m *testing.M) {
	flag.Parse()
	var remove func()
	compiled, remove = moduletest.Compiled()
	code := m.Run()
	remove()
	warm().Close()
	os.Exit(code)
}

// real is a call that runs the real tools.
func real(t *testing.T) *modules.Call {
	t.Helper()
	c, _ := moduletest.Call(t)
	c.Exec, c.Tools, c.Blender = &proc.Local{}, moduletest.Tools(t), warm()
	c.Tools.Compiled = compiled
	return c
}

// put copies models into the workspace, with what lies beside them where more than one is given.
func put(t *testing.T, c *modules.Call, files ...string) (first string) {
	t.Helper()
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(models, file))
		require.NoError(t, err)
		require.NoError(t, c.Workspace.WriteFile(path.Base(file), data))
	}
	return path.Base(files[0])
}

func convert(t *testing.T, c *modules.Call, props map[string]any) map[string]any {
	t.Helper()
	out, err := assetconverter.Module.Run(t.Context(), c, props)
	require.NoError(t, err)
	return out
}

func TestConformance(t *testing.T) { moduletest.Conform(t, assetconverter.Module) }

// spider are an OBJ, its materials and its pictures.
func spider() []string {
	return []string{"OBJ/spider.obj", "OBJ/spider.mtl", "OBJ/SpiderTex.jpg", "OBJ/drkwood2.jpg", "OBJ/engineflare1.jpg", "OBJ/wal67ar_small.jpg", "OBJ/wal69ar_small.jpg"}
}

func TestEveryFormatBecomesEveryOther(t *testing.T) {
	// What is not green, and why.
	known := map[string]string{}
	c := real(t)
	sources := map[string]string{
		"stl": put(t, c, "STL/Spider_binary.stl"), "ply": put(t, c, "PLY/cube.ply"), "obj": put(t, c, spider()...),
		"dae": put(t, c, "Collada/duck.dae", "Collada/duckCM.tga"), "3ds": put(t, c, "3DS/fels.3ds"), "fbx": put(t, c, "FBX/animation_with_skeleton.fbx"),
		"glb": put(t, c, "glTF2/BoxTextured-glTF-Binary/BoxTextured.glb"), "usdz": "duck.usdz",
	}
	convert(t, c, map[string]any{"src": "duck.dae", "dest": "duck.usdz"})
	formats := []string{"stl", "ply", "obj", "dae", "3ds", "fbx", "glb", "usdz"}
	slots := make(chan struct{}, 2)
	var wg sync.WaitGroup
	var mu sync.Mutex
	by := map[string]string{} // what converts one into the other; guarded by mu
	for _, from := range formats {
		for _, to := range formats {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				out, err := assetconverter.Module.Run(t.Context(), c, map[string]any{"src": sources[from], "dest": "out/" + from + "/m." + to})
				why, odd := known[from+" "+to]
				switch {
				case err == nil && odd:
					t.Errorf("%s to %s works, and is said not to: %s", from, to, why)
				case err != nil && !odd:
					t.Errorf("%s to %s: %v", from, to, err)
				case err != nil && !strings.Contains(err.Error(), why):
					t.Errorf("%s to %s: %v; and not %q", from, to, err, why)
				case err == nil:
					t.Logf("%s to %s: %v %v triangles %v", from, to, out["converter"], out["triangles"], out["warnings"])
					mu.Lock()
					defer mu.Unlock()
					by[from+" "+to] = out["converter"].(string)
				}
			})
		}
	}
	wg.Wait()
	requirePage(t, formats, by, known)
}

// requirePage holds the table of docs/conversions.md against what was seen; -update writes it.
func requirePage(t *testing.T, formats []string, by, known map[string]string) {
	t.Helper()
	var table strings.Builder
	table.WriteString("| from \\ to | " + strings.Join(formats, " | ") + " |\n|" + strings.Repeat(" --- |", len(formats)+1) + "\n")
	for _, from := range formats {
		table.WriteString("| **" + from + "** |")
		for _, to := range formats {
			cell := by[from+" "+to]
			if why := known[from+" "+to]; why != "" {
				cell = "no: " + why
			}
			table.WriteString(" " + cell + " |")
		}
		table.WriteByte('\n')
	}
	const page, begin = "../../docs/conversions.md", "<!-- by the test of modules/assetconverter; go test -update writes it -->\n"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	_, tail, _ := strings.Cut(rest, "\n\n")
	want := head + begin + table.String() + "\n" + tail
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "docs/conversions.md is not what was seen: go test ./modules/assetconverter -run EveryFormat -update")
}

func TestRandomBytesAreRefusedUnderEveryExtension(t *testing.T) {
	c := real(t)
	junk := make([]byte, 3000)
	_, err := rand.Read(junk)
	require.NoError(t, err)
	for _, ext := range strings.Fields("fbx obj glb gltf stl usd usda usdc usdz step zip 3mf sat dae dwg dxf 3ds ipt catpart jt x_t prt igs rvt ply wrl x3d ac off lwo blend abc") {
		require.NoError(t, c.Workspace.WriteFile("junk."+ext, junk))
		for _, to := range []string{"glb", "usdz", "3ds"} {
			_, err := assetconverter.Module.Run(t.Context(), c, map[string]any{"src": "junk." + ext, "dest": "out." + to})
			require.ErrorContains(t, err, "it is no 3D file that is known here", ext)
		}
	}
	all, err := c.Workspace.Glob("out*")
	require.NoError(t, err)
	require.Empty(t, all)
}
