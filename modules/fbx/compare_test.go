package fbx

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
)

const printed = `node 0: /RootNode
Material 0: Wood [shading: Phong]
Material 1: Glass [shading: Phong]
    8 vertices
    12 triangles
      3 textures
      2 animations
Warning: animation 'y' has zero channels. Skipping.
Animation 'x' has 1 channels:
`

func TestWhatIsWrittenMustBeWhatWasRead(t *testing.T) {
	model := func(triangles int64, materials, animations, pictures int) *glb.Document {
		d := &glb.Document{
			Meshes:    []glb.Mesh{{Primitives: []glb.Primitive{{Attributes: map[string]int{"POSITION": 0}}}}},
			Accessors: []glb.Accessor{{Component: glb.Float, Type: "VEC3", Count: 3 * triangles}},
			Materials: make([]glb.Material, materials), Animations: make([]glb.Animation, animations), Images: make([]glb.Image, pictures),
		}
		for i := range d.Images {
			d.Images[i].View = new(d.AddView([]byte("picture")))
		}
		return d
	}
	for _, tt := range []struct {
		name    string
		doc     *glb.Document
		missing int
		want    string
	}{
		{"all of it", model(12, 2, 1, 1), 2, ""},
		{"materials of its own too", model(12, 3, 1, 1), 2, ""},
		{"no picture, where none was there", model(12, 2, 1, 0), 3, ""},
		{"fewer triangles", model(11, 2, 1, 1), 2, "FBX2glTF read 12 triangles, and wrote 11"},
		{"more triangles", model(13, 2, 1, 1), 2, "FBX2glTF read 12 triangles, and wrote 13"},
		{"a material less", model(12, 1, 1, 1), 2, "FBX2glTF read 2 materials, and wrote 1"},
		{"no animation", model(12, 2, 0, 1), 2, "FBX2glTF read 1 animations, and wrote 0"},
		{"no picture", model(12, 2, 1, 0), 2, "FBX2glTF read 1 textures, and wrote none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSaid()
			_, err := s.Write([]byte(printed))
			require.NoError(t, err)
			err = s.read.differs(tt.doc, tt.missing)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
	s := newSaid()
	_, err := s.Write([]byte(strings.Replace(printed, "12 triangles", "", 1)))
	require.NoError(t, err)
	require.ErrorContains(t, s.read.differs(model(12, 2, 1, 1), 0), "does not say what it read")
}
