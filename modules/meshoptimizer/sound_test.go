package meshoptimizer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/meshoptimizer"
	"github.com/millrace/millrace/modules/moduletest"
)

// flatQuad is a glTF of one square of two triangles, with more said of it.
func flatQuad(more map[string]any) []byte {
	var bin []byte
	for _, x := range []float32{0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0} {
		bin = binary.LittleEndian.AppendUint32(bin, math.Float32bits(x))
	}
	for _, i := range []uint16{0, 1, 2, 0, 2, 3} {
		bin = binary.LittleEndian.AppendUint16(bin, i)
	}
	doc := map[string]any{
		"asset": map[string]any{"version": "2.0"}, "scene": 0, "scenes": []any{map[string]any{"nodes": []int{0}}},
		"nodes":  []any{map[string]any{"mesh": 0}},
		"meshes": []any{map[string]any{"primitives": []any{map[string]any{"attributes": map[string]any{"POSITION": 0}, "indices": 1}}}},
		"accessors": []any{
			map[string]any{"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": []int{0, 0, 0}, "max": []int{1, 1, 0}},
			map[string]any{"bufferView": 1, "componentType": 5123, "count": 6, "type": "SCALAR"},
		},
		"bufferViews": []any{map[string]any{"buffer": 0, "byteLength": 48}, map[string]any{"buffer": 0, "byteOffset": 48, "byteLength": 12}},
		"buffers":     []any{map[string]any{"byteLength": len(bin), "uri": "data:;base64," + base64.StdEncoding.EncodeToString(bin)}},
	}
	for key, v := range more {
		doc[key] = v
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return text
}

// probed is what Probe and Run make of a file.
func probed(t *testing.T, c *modules.Call, file []byte, dest string, config map[string]any) (map[string]any, error) {
	t.Helper()
	c.Tools.Compiled = compiled
	require.NoError(t, c.Workspace.WriteFile("in.gltf", file))
	w, err := modules.Probe(t.Context(), meshoptimizer.Module, c, map[string]any{"src": "in.gltf", "dest": dest, "config": config})
	if err != nil {
		return nil, err
	}
	return w.Run(t.Context())
}

func TestPointsWithoutNumberAreRefusedBeforeAnythingIsDone(t *testing.T) {
	point := []any{map[string]any{"primitives": []any{map[string]any{"attributes": map[string]any{"POSITION": 0}, "mode": 0}}}}
	list := map[string]any{"componentType": 5126, "count": 16 << 20, "type": "VEC3"}
	var nodes []any
	var roots []int
	for i := range 100 {
		nodes = append(nodes, map[string]any{"mesh": 0, "extensions": map[string]any{"EXT_mesh_gpu_instancing": map[string]any{"attributes": map[string]any{"TRANSLATION": 1}}}})
		roots = append(roots, i)
	}
	for _, tt := range []struct {
		name string
		more map[string]any
		want string
	}{
		{"shown often", map[string]any{"nodes": nodes, "scenes": []any{map[string]any{"nodes": roots}}, "meshes": point, "accessors": []any{list, list}}, "in.gltf has 28147497671065600 vertices, more than the 60000000 that are read"},
		{"shown never", map[string]any{"nodes": []any{map[string]any{}}, "meshes": []any{point[0], point[0], point[0], point[0]}, "accessors": []any{list}}, "in.gltf has 67108864 vertices"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := moduletest.Call(t)
			_, err := probed(t, c, flatQuad(tt.more), "out.glb", nil)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestScenesThatShareANodeAreTurned(t *testing.T) {
	c, _ := moduletest.Call(t)
	_, err := probed(t, c, flatQuad(map[string]any{
		"nodes":  []any{map[string]any{"mesh": 0}, map[string]any{"mesh": 0}},
		"scenes": []any{map[string]any{"nodes": []int{0, 1}}, map[string]any{"nodes": []int{1}}},
	}), "out.glb", map[string]any{"rotation": "90 0 0"})
	require.NoError(t, err)
	_, m := open(t, c, "out.glb")
	require.Equal(t, int64(4), m.Triangles)
	near(t, glb.Vec{1, 0, 1}, m.Bounds.Size(), 1e-6)
}

func TestTheLimitOfATextIsThatOfItsFile(t *testing.T) {
	noise := image.NewNRGBA(image.Rect(0, 0, 256, 256))
	for i := range noise.Pix {
		noise.Pix[i] = uint8(rand.Uint32())
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, noise))
	file := flatQuad(map[string]any{
		"images": []any{map[string]any{"uri": "data:;base64," + base64.StdEncoding.EncodeToString(b.Bytes())}}, "textures": []any{map[string]any{"source": 0}},
		"materials": []any{map[string]any{"pbrMetallicRoughness": map[string]any{"baseColorTexture": map[string]any{"index": 0}}}},
		"meshes":    []any{map[string]any{"primitives": []any{map[string]any{"attributes": map[string]any{"POSITION": 0}, "indices": 1, "material": 0}}}},
	})
	limit := int64(b.Len()) * 5 / 4 // the picture fits in bytes, and not as text
	for dest, side := range map[string]int{"out.glb": 256, "out.gltf": 128} {
		c, _ := moduletest.Call(t)
		out, err := probed(t, c, file, dest, map[string]any{"file_size_limit": fmt.Sprint(limit, "b")})
		require.NoError(t, err)
		require.Equal(t, []any{fmt.Sprintf("image/png %d×%d", side, side)}, out["textures"], dest)
		info, err := c.Workspace.Stat(dest)
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), limit)
		require.Equal(t, fmt.Sprint(info.Size()), out["size"])
	}
}

func TestALimitThatIsNoNumberIsRefused(t *testing.T) {
	c, _ := moduletest.Call(t)
	_, err := probed(t, c, flatQuad(nil), "out.glb", map[string]any{"file_size_limit": "nanb"})
	require.ErrorContains(t, err, `prop "config.file_size_limit" is "nanb"`)
}
