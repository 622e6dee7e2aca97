package blender_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
)

func TestWhatIsWrittenMustBeWhatWasRead(t *testing.T) {
	read := blender.Scene{Triangles: 12, Max: [3]float64{1, 2, 2}, Materials: 2, Textures: 3, Animations: 1}
	for _, tt := range []struct {
		name   string
		change func(*blender.Scene)
		lacks  []string
		want   string
	}{
		{"the same", func(*blender.Scene) {}, nil, ""},
		{"within a thousandth", func(s *blender.Scene) { s.Max[0] += 0.002 }, nil, ""},
		{"a texture less, which others share", func(s *blender.Scene) { s.Textures = 1 }, nil, ""},
		{"a triangle less", func(s *blender.Scene) { s.Triangles-- }, nil, "12 triangles were read, and 11 written"},
		{"a triangle more", func(s *blender.Scene) { s.Triangles++ }, nil, "12 triangles were read, and 13 written"},
		{"larger", func(s *blender.Scene) { s.Max[1] += 0.01 }, nil, "what was read lies between [0 0 0] and [1 2 2], and what was written between [0 0 0] and [1 2.01 2]"},
		{"elsewhere", func(s *blender.Scene) { s.Min[2] -= 0.01 }, nil, "and what was written between [0 0 -0.01]"},
		{"nowhere", func(s *blender.Scene) { s.Min[2] = math.NaN() }, nil, "and what was written between [0 0 NaN]"},
		{"a material less", func(s *blender.Scene) { s.Materials-- }, nil, "2 materials were read, and 1 written"},
		{"no texture", func(s *blender.Scene) { s.Textures = 0 }, nil, "3 textures were read, and none written"},
		{"no animation", func(s *blender.Scene) { s.Animations = 0 }, nil, "1 animations were read, and none written"},
		{"what the format can't hold", func(s *blender.Scene) { s.Materials, s.Textures, s.Animations = 0, 0, 0 }, blender.Lacks(blender.STL), ""},
		{"animations that it can't hold, and materials that it can", func(s *blender.Scene) { s.Materials, s.Animations = 0, 0 }, blender.Lacks(blender.OBJ), "2 materials were read, and 0 written"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made := read
			tt.change(&made)
			err := made.Differs(read, tt.lacks...)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}
