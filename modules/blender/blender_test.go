package blender_test

import (
	"context"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gltfcheck"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// models is where Debian's assimp-testmodels lie.
const models = "/usr/share/assimp/models"

// warm is a Blender that answers more than once.
func warm(t *testing.T) blender.Blender {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir()) // where runs keep their folders, so that what stays is seen
	b := blender.Blender{Tools: moduletest.Tools(t), Exec: &proc.Local{}, Env: []string{"PATH=/usr/bin:/bin"}, Warm: blender.NewWarm()}
	t.Cleanup(func() {
		b.Warm.Close()
		left, err := os.ReadDir(os.TempDir())
		require.NoError(t, err)
		require.Empty(t, left)
	})
	return b
}

func sniff(t *testing.T, file string) blender.Format {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return blender.Sniff(data[:min(len(data), blender.HeadLen)], int64(len(data)))
}

func job(t *testing.T, file string, write blender.Format) blender.Job {
	t.Helper()
	return blender.Job{
		Src: file, Format: sniff(t, file), Dest: filepath.Join(t.TempDir(), "out."+string(write)), Write: write,
		Roots: []string{models}, AllowMissing: true, Unchecked: write == blender.GLB,
	}
}

func TestEveryFBXOfTheTestModelsBecomesAValidGLB(t *testing.T) {
	triangles := map[string]int64{
		"animation_with_skeleton.fbx": 2112, "box.fbx": 12, "boxWithCompressedCTypeArray.FBX": 12, "boxWithUncompressedCTypeArray.FBX": 12,
		"box_orphant_embedded_texture.fbx": 12, "close_to_identity_transforms.fbx": 420, "cubes_nonames.fbx": 420,
		"cubes_with_mirroring_and_pivot.fbx": 420, "cubes_with_names.fbx": 420, "cubes_with_outofrange_float.fbx": 420,
		"embedded_ascii/box.FBX": 12, "embedded_ascii/box_embedded_texture_fragmented.fbx": 12, "global_settings.fbx": 1352, "huesitos.fbx": 120,
		"maxPbrMaterial_metalRough.fbx": 12, "maxPbrMaterial_specGloss.fbx": 12, "phong_cube.fbx": 12, "spider.fbx": 1368,
	}
	b := warm(t)
	seen := 0
	err := filepath.WalkDir(filepath.Join(models, "FBX"), func(file string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() || !strings.EqualFold(filepath.Ext(file), ".fbx") || d.Name() == "transparentTest.fbx" {
			return nil
		}
		seen++
		j := job(t, file, blender.GLB)
		require.Equal(t, blender.FBX, j.Format, file)
		r, _, err := b.Convert(t.Context(), j)
		require.NoError(t, err, file)
		name, _ := filepath.Rel(filepath.Join(models, "FBX"), file)
		require.Equal(t, triangles[name], r.Read.Triangles, file)
		v := gltfcheck.Validator{Tools: b.Tools, Exec: b.Exec, Env: b.Env}
		report, err := v.Check(t.Context(), gltfcheck.File{Path: j.Dest}, gltfcheck.Options{})
		require.NoError(t, err)
		require.Zero(t, report.Issues.Errors, "%s: %v", file, report.Issues.Messages)
		require.Positive(t, report.Info.Triangles)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 18, seen)
}

func TestWhatWasWrittenIsReadAgain(t *testing.T) {
	b := warm(t)
	for _, write := range []blender.Format{blender.USDA, blender.USDC, blender.USD, blender.ABC} {
		r, _, err := b.Convert(t.Context(), job(t, models+"/Collada/duck.dae", write))
		require.NoError(t, err, write)
		require.Equal(t, int64(4212), r.Written.Triangles)
		for i := range r.Read.Min {
			require.InDelta(t, r.Read.Min[i], r.Written.Min[i], 1e-4)
			require.InDelta(t, r.Read.Max[i], r.Written.Max[i], 1e-4)
		}
	}
}

func TestAWarmOneGoesOnAfterWhatItRefuses(t *testing.T) {
	b := warm(t)
	junk := filepath.Join(t.TempDir(), "junk.obj")
	data := make([]byte, 3000)
	_, err := rand.Read(data)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(junk, data, 0o600))
	for _, format := range blender.Readable() {
		require.NotEqual(t, format, sniff(t, junk))
		_, _, err := b.Convert(t.Context(), blender.Job{Src: junk, Format: format, Dest: filepath.Join(t.TempDir(), "o.glb"), Write: blender.GLB, Roots: []string{filepath.Dir(junk)}})
		require.Equal(t, fault.Permanent, fault.Of(err), "%s: %v", format, err)
	}
	r, used, err := b.Convert(t.Context(), job(t, models+"/OBJ/box.obj", blender.USDZ))
	require.NoError(t, err)
	require.Equal(t, int64(12), r.Written.Triangles, "nothing of what was before is in it")
	require.Positive(t, used.MaxMem, "of one that is kept, too")
}

// dying is a runner whose first program ends at once.
type dying struct {
	proc.Runner
	runs int
}

func (d *dying) Run(ctx context.Context, c proc.Cmd) (proc.Exit, error) {
	if d.runs++; d.runs == 1 {
		c.Path, c.Args = "/bin/sh", []string{"-c", "echo out of luck >&2; kill -9 $$"}
	}
	return d.Runner.Run(ctx, c)
}

func TestAWarmOneThatDiesIsReplaced(t *testing.T) {
	b := warm(t)
	b.Exec = &dying{Runner: b.Exec}
	_, _, err := b.Convert(t.Context(), job(t, models+"/OBJ/box.obj", blender.GLB))
	require.ErrorContains(t, err, "Blender was ended by signal")
	_, _, err = b.Convert(t.Context(), job(t, models+"/OBJ/box.obj", blender.GLB))
	require.NoError(t, err)
}

func TestARequestEndsWithItsContext(t *testing.T) {
	for _, kept := range []bool{true, false} {
		b := warm(t)
		if !kept {
			b.Warm = nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		b.Exec = &canceling{Runner: b.Exec, cancel: cancel}
		_, _, err := b.Convert(ctx, job(t, models+"/OBJ/box.obj", blender.GLB))
		require.ErrorIs(t, err, context.Canceled)
		if b.Warm == nil {
			b.Warm = blender.NewWarm() // for the end of the test
		}
	}
}

// canceling is a runner that ends what asked for a program as it starts.
type canceling struct {
	proc.Runner
	cancel func()
}

func (r *canceling) Run(ctx context.Context, c proc.Cmd) (proc.Exit, error) {
	r.cancel()
	return r.Runner.Run(ctx, c)
}

func TestAMachineWithoutBlenderIsTold(t *testing.T) {
	b := warm(t)
	b.Tools = &tool.Set{Path: "/nowhere"}
	_, _, err := b.Convert(t.Context(), job(t, models+"/OBJ/box.obj", blender.GLB))
	require.ErrorContains(t, err, "Blender is missing")
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func FuzzSniffNamesNothingThatIsNot(f *testing.F) {
	for _, seed := range []string{"v 0 0 0\n", "solid x\nfacet", "ply\n", "#usda 1.0\n", "<COLLADA>", "; FBX 7.4", "glTF", strings.Repeat("\x00", 84)} {
		f.Add([]byte(seed), int64(len(seed)))
	}
	f.Fuzz(func(t *testing.T, head []byte, size int64) {
		switch format := blender.Sniff(head, size); format {
		case "":
		case blender.OBJ:
			require.Contains(t, string(head), "v")
			require.NotContains(t, string(head), "\x00")
		default:
			require.Contains(t, blender.Readable(), format)
		}
	})
}
