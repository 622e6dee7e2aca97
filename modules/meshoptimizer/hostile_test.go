package meshoptimizer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/meshoptimizer"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/tool"
)

func TestWhatCannotBeOptimizedIsRefusedForGoodAndLeavesNothing(t *testing.T) {
	noise := make([]byte, 3000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	many := `{"asset":{"version":"2.0"},"nodes":[{"mesh":0,"extensions":{"EXT_mesh_gpu_instancing":{"attributes":{"TRANSLATION":0}}}}],` +
		`"meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],"accessors":[{"componentType":5126,"count":16000000,"type":"VEC3"}]}`
	for _, tt := range []struct {
		name  string
		file  []byte
		props map[string]any
		want  string
	}{
		{"noise", noise, nil, "read in.glb: it is neither glTF nor OBJ, which are read here; AssetConverter reads others"},
		{"noise that begins like a GLB", append([]byte("glTF\x02\x00\x00\x00"), noise...), nil, "the GLB is truncated"},
		{"an FBX by another name", []byte("Kaydara FBX Binary  \x00\x1a\x00"), nil, "neither glTF nor OBJ"},
		{"too many triangles", []byte(many), nil, "draws 85333328000000 triangles, more than the 20000000 that are read"},
		{"a file outside", []byte(`{"asset":{"version":"2.0"},"images":[{"uri":"../../x.png"}]}`), nil, "outside"},
		{"a missing file", noise, map[string]any{"src": "missing.glb"}, "missing.glb"},
		{"a folder", noise, map[string]any{"src": "folder"}, "it is not a regular file"},
		{"another dest", noise, map[string]any{"dest": "out.fbx"}, `prop "dest" must end in .glb or .gltf`},
		{"an option there is not", noise, map[string]any{"config": map[string]any{"trix": 1}}, `prop "config.trix" is unknown, did you mean "tris"?`},
		{"a centre there is not", noise, map[string]any{"config": map[string]any{"reset_center": []any{"center", "left", "min"}}}, `prop "config.reset_center" is "left"`},
		{"a turn that is none", noise, map[string]any{"config": map[string]any{"rotation": "90 0"}}, `prop "config.rotation" must be three numbers`},
		{"an expression that is none", noise, map[string]any{"config": map[string]any{"remove_geometry_material_regex": "("}}, "missing closing"},
		{"a size that is none", noise, map[string]any{"config": map[string]any{"file_size_limit": "5 apples"}}, `prop "config.file_size_limit" is "5 apples"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := moduletest.Call(t)
			require.NoError(t, c.Workspace.WriteFile("in.glb", tt.file))
			require.NoError(t, c.Workspace.MkdirAll("folder"))
			props := map[string]any{"src": "in.glb", "dest": "out.glb"}
			for key, v := range tt.props {
				props[key] = v
			}
			w, err := modules.Probe(t.Context(), meshoptimizer.Module, c, props)
			if err == nil {
				_, err = w.Run(t.Context())
			}
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			var names []string
			require.NoError(t, c.Workspace.Walk(".", func(name string, _ fs.DirEntry, err error) error {
				names = append(names, name)
				return err
			}))
			require.Equal(t, []string{".", "folder", "in.glb"}, names)
		})
	}
}

func TestAPictureThatLiesIsRefused(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))))
	for _, tt := range []struct{ name, want string }{{"bomb", "it is 65536×65536 pixels, more than the 64 Mi that are read"}, {"cut", "it can't be read"}} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := moduletest.Call(t)
			require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS(filepath.Dir(box))))
			picture := bytes.Clone(b.Bytes())
			if tt.name == "bomb" {
				copy(picture[16:], []byte{0, 1, 0, 0, 0, 1, 0, 0})
				sum := crc(picture[12:29])
				copy(picture[29:], sum[:])
			} else {
				picture = picture[:45]
			}
			names, err := c.Workspace.Glob("*.png")
			require.NoError(t, err)
			require.NoError(t, c.Workspace.WriteFile(names[0], picture))
			props := map[string]any{"src": filepath.Base(box), "dest": "out.glb", "config": map[string]any{"max_tex_size": 1}}
			_, err = meshoptimizer.Module.Run(t.Context(), c, props)
			require.ErrorContains(t, err, tt.want)
			if _, probed := modules.Probe(t.Context(), meshoptimizer.Module, c, props); tt.name == "bomb" {
				require.ErrorContains(t, probed, "65536×65536 pixels")
			}
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestAFileThatIsTooLargeIsNotRead(t *testing.T) {
	c, _ := moduletest.Call(t)
	f, err := c.Workspace.Create("in.glb")
	require.NoError(t, err)
	_, err = f.WriteString("glTF")
	require.NoError(t, err)
	require.NoError(t, f.Truncate(1<<40))
	require.NoError(t, f.Close())
	_, err = modules.Probe(t.Context(), meshoptimizer.Module, c, map[string]any{"src": "in.glb", "dest": "out.glb"})
	require.ErrorContains(t, err, "it is more than the 1024 MiB that are read")
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestEveryKeyOfOlderPipelinesIsTaken(t *testing.T) {
	var known []string
	for _, f := range meshoptimizer.Module.Spec().Props {
		for _, key := range f.Fields {
			known = append(known, key.Name)
		}
	}
	for _, key := range strings.Fields(`tris force_poly_count c c0 c3 transform_op reset_scaling scale_size reset_center rotation
		remove_obstructed_geometry bake_small_features detect_instances ignore_parallel_geometry skip_inner_edge_welding
		skip_degen_fixing skip_degen_poly_normal_fixing ignore_polygon_intersections allow_anti_aligned_polygons
		skip_geometry_ops_material_regex remove_geometry_material_regex remove_animations remove_morph_animations sanitize_normals
		dont_export_tangents dont_export_flat_normals skip_normal_baking skip_ao_baking max_tex_size target_tex_density
		tex_opt_compression norm_opt_compression pot_textures skip_tex_opt lossless_tex_opt use_ktx max_baking_resolution
		skip_texel_density aggressive_alpha_removal skip_material_visibility skip_doublesided_from_visibility output_fbx output_usdz
		output_obj fbx_pbr fbx_pbr_input draco_encode allow_draco_decode file_size_limit force_file_size_limit skip_scene_validation
		hoops_bin_path`) {
		require.Contains(t, known, key)
	}
}

func TestEveryKeyIsServedOrNamed(t *testing.T) {
	seen := reflect.TypeFor[meshoptimizer.Unserved]()
	config := map[string]any{}
	for f := range seen.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch f.Type.Kind() {
		case reflect.Bool:
			config[name] = true
		case reflect.String:
			config[name] = "x"
		default:
			config[name] = 3
		}
	}
	r := optimize(t, box, config)
	said := fmt.Sprint(r.out["warnings"])
	for f := range seen.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !strings.HasPrefix(f.Tag.Get("doc"), "What is done anyway") {
			require.Contains(t, said, "config."+name+" was not applied: ")
		}
	}
}

func TestAnOBJIsOptimizedIntoText(t *testing.T) {
	c, _ := moduletest.Call(t)
	c.Tools.Compiled = compiled
	require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS("/usr/share/assimp/models/OBJ")))
	out, err := meshoptimizer.Module.Run(t.Context(), c, map[string]any{
		"src": "spider.obj", "dest": "spider.gltf", "config": map[string]any{"tris": "500", "reset_center": "center"},
	})
	require.NoError(t, err)
	require.Equal(t, []any{"the materials that spider.obj names were not read; AssetConverter reads them"}, out["warnings"])
	_, m := open(t, c, "spider.gltf")
	require.InDelta(t, 500, m.Triangles, 10)
	require.Empty(t, validate(t, filepath.Join(c.Workspace.Real(), "spider.gltf")))
	text, err := c.Workspace.ReadFile("spider.gltf")
	require.NoError(t, err)
	require.True(t, json.Valid(text))
}

func TestASecondRunReadsTheModelAgain(t *testing.T) {
	c, _ := moduletest.Call(t)
	c.Tools.Compiled = compiled
	require.NoError(t, os.CopyFS(c.Workspace.Real(), os.DirFS(filepath.Dir(skinned))))
	w, err := modules.Probe(t.Context(), meshoptimizer.Module, c, map[string]any{
		"src": filepath.Base(skinned), "dest": "out.glb", "config": map[string]any{"scale_size": 1, "tris": 4},
	})
	require.NoError(t, err)
	first, err := w.Run(t.Context())
	require.NoError(t, err)
	second, err := w.Run(t.Context())
	require.NoError(t, err)
	for _, key := range []string{"size", "originalSize", "originalTriangles", "triangles", "warnings"} {
		require.Equal(t, first[key], second[key], key)
	}
}

func TestARunEndsSoonAfterItsContext(t *testing.T) {
	c, _ := moduletest.Call(t)
	c.Tools.Compiled = compiled
	data, err := os.ReadFile(engine)
	require.NoError(t, err)
	require.NoError(t, c.Workspace.WriteFile("in.glb", data))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = meshoptimizer.Module.Run(ctx, c, map[string]any{"src": "in.glb", "dest": "out.glb", "config": map[string]any{"tris": 100}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoFileExists(t, filepath.Join(c.Workspace.Real(), "out.glb"))
}

// crc is the check of a PNG's chunk, from its name on.
func crc(chunk []byte) (sum [4]byte) {
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE(chunk))
	return sum
}

func TestAnExtensionThatNobodyKnowsNamesWhatIsNotThere(t *testing.T) {
	for _, text := range []string{
		`"materials":[{"extensions":{"X_y":{"aTexture":{"index":9},"bTexture":{"index":-9}}}}]`,
		`"materials":[{"pbrMetallicRoughness":{"baseColorTexture":{"index":0}}}],"textures":[{"extensions":{"X_y":{"source":9}}}]`,
		`"materials":[{"pbrMetallicRoughness":{"baseColorTexture":{"index":0}}}],"textures":[{"extensions":{"EXT_texture_webp":{"SOURCE":9,"source":0}}}]`,
	} {
		c, _ := moduletest.Call(t)
		c.Tools = &tool.Set{Compiled: compiled}
		require.NoError(t, c.Workspace.WriteFile("in.gltf", []byte(`{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[]}],`+text+
			`,"images":[{"uri":"data:image/png;base64,iVBORw0KGgo="}]}`)))
		_, err := meshoptimizer.Module.Run(t.Context(), c, map[string]any{"src": "in.gltf", "dest": "out.glb", "config": map[string]any{"target_tex_density": 1}})
		require.NoError(t, err)
	}
}
