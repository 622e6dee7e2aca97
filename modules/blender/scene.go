package blender

import (
	"fmt"
	"math"
	"slices"

	"github.com/millrace/millrace/modules/fault"
)

// Lacks are what a format can't hold, or is not written into it here: of materials, textures and animations.
func Lacks(f Format) []string {
	switch f {
	case STL, PLY, ABC:
		return []string{"materials", "textures", "animations"}
	case OBJ:
		return []string{"animations"}
	}
	return nil
}

// Differs is a permanent error where a scene that was written is not the one that was read: triangles to the one, bounds to a
// thousandth of their diagonal, and all materials, some textures and some animations but for what it lacks.
func (s Scene) Differs(read Scene, lacks ...string) error {
	refuse := func(format string, args ...any) error { return fault.As(fault.Permanent, fmt.Errorf(format, args...)) }
	if s.Triangles != read.Triangles {
		return refuse("%d triangles were read, and %d written", read.Triangles, s.Triangles)
	}
	diagonal := 0.0
	for i := range read.Min {
		diagonal += math.Pow(read.Max[i]-read.Min[i], 2)
	}
	allowed := 1e-3*math.Sqrt(diagonal) + 1e-9
	for i := range read.Min {
		if !(math.Abs(s.Min[i]-read.Min[i]) <= allowed && math.Abs(s.Max[i]-read.Max[i]) <= allowed) { // what is no number is not within
			return refuse("what was read lies between %.4g and %.4g, and what was written between %.4g and %.4g", read.Min, read.Max, s.Min, s.Max)
		}
	}
	has := func(what string) bool { return !slices.Contains(lacks, what) }
	switch {
	case s.Materials < read.Materials && has("materials"):
		return refuse("%d materials were read, and %d written", read.Materials, s.Materials)
	case s.Textures == 0 && read.Textures > 0 && has("textures"):
		return refuse("%d textures were read, and none written", read.Textures)
	case s.Animations == 0 && read.Animations > 0 && has("animations"):
		return refuse("%d animations were read, and none written", read.Animations)
	}
	return nil
}
