package glb_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
)

// What Read lets through can be measured, read, written and read again, without a panic or a long wait; what it does not is
// refused for good.
func FuzzReadNeverPanicsAndWhatItTakesIsSound(f *testing.F) {
	triangle := append(floats(0, 0, 0, 1, 0, 0, 0, 1, 0), 0, 0, 1, 0, 2, 0)
	f.Add(pack(`{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0,"skin":0,"rotation":[0,0,0,1]},{"children":[]}],`+
		`"meshes":[{"primitives":[{"attributes":{"POSITION":0},"indices":1}]}],"skins":[{"joints":[1]}],`+
		`"accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"},{"bufferView":1,"componentType":5123,"count":3,"type":"SCALAR"},`+
		`{"componentType":5126,"count":3,"type":"SCALAR","sparse":{"count":1,"indices":{"bufferView":1,"componentType":5121},"values":{"bufferView":0}}}],`+
		`"bufferViews":[{"buffer":0,"byteLength":36,"byteStride":12},{"buffer":0,"byteOffset":36,"byteLength":6}],"buffers":[{"byteLength":42}]}`, triangle))
	f.Add(pack(`{"asset":{"version":"2.0"},"nodes":[{"mesh":0,"extensions":{"EXT_mesh_gpu_instancing":{"attributes":{"TRANSLATION":0}}}}],`+
		`"meshes":[{"primitives":[{"attributes":{"POSITION":0},"targets":[{"POSITION":0}]}]}],"images":[{"bufferView":0}],`+
		`"accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"}],`+
		`"bufferViews":[{"buffer":0,"byteLength":36},{"buffer":1,"byteLength":4,"extensions":{"EXT_meshopt_compression":{"buffer":0,"byteOffset":8,"byteLength":9}}}],`+
		`"buffers":[{"byteLength":42},{"byteLength":9,"extensions":{"EXT_meshopt_compression":{"fallback":true}}}]}`, triangle))
	f.Add([]byte(`{"asset":{"version":"2.0"},"images":[{"uri":"data:image/png;base64,iVBORw0KGgo="}],"textures":[{"source":0}]}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		limits := glb.Limits{Bytes: 1 << 20, Values: 1 << 16, Count: 1 << 12}
		d, err := glb.Read(bytes.NewReader(file), glb.Source{Limits: limits})
		if err != nil {
			if fault.Of(err) != fault.Permanent {
				t.Fatalf("not permanent: %v", err)
			}
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		before := d.Count()
		if _, err := d.Measure(ctx); err != nil && ctx.Err() != nil {
			t.Fatalf("it took too long: %v", err)
		}
		for i := range d.Accessors {
			if d.Accessors[i].Count < 1<<16 {
				_, _ = d.Floats(i)
				_, _ = d.Indices(i)
			}
		}
		var b bytes.Buffer
		if err := d.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := glb.Read(&b, glb.Source{})
		if err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		after := again.Count()
		if before.Triangles != after.Triangles || before.Nodes != after.Nodes || len(before.Pictures) != len(after.Pictures) {
			t.Fatalf("before %+v, after %+v", before, after)
		}
	})
}
