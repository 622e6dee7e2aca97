// Package mesh reads triangle meshes from STL and OBJ files that nobody vouches for. It knows nothing of pictures or jobs.
//
// Errors about what a file holds are permanent (package fault) and name the triangle or line; errors from the reader are
// passed on as they came.
package mesh

import (
	"fmt"
	"image"
	"io"
	"math"

	"github.com/millrace/millrace/modules/fault"
)

// A Vec is a point, a direction or a colour.
type Vec [3]float32

// A Mesh is triangles over shared positions.
type Mesh struct {
	Positions []Vec
	Triangles [][3]uint32 // indices into Positions, counter-clockwise seen from outside
	Normals   [][3]Vec    // one per corner of each triangle, any length; nil when the file has none
	Colors    []Vec       // one per position, sRGB from 0 to 1; nil when the file has none
	Materials bool        // the file names materials, which are not read

	// What a mesh of a GLB has beside that. Where there are Paints, Looks has one of their indices for each triangle, and Places
	// where its corners lie in the paint's picture, which repeats: 0, 0 is its top left, 1, 1 its bottom right.
	Paints []Paint
	Looks  []uint32
	Places [][3][2]float32
}

// A Paint is how a surface looks, as the materials of glTF say it.
type Paint struct {
	Color   Vec          // linear; the picture is multiplied by it
	Picture *image.NRGBA // nil is none, as below

	Metal, Rough float32      // 0 to 1
	Surface      *image.NRGBA // multiplies Rough by its green and Metal by its blue
	Glow         Vec          // light of its own, linear
	GlowPicture  *image.NRGBA // is multiplied by it
	Flat         bool         // it looks the same in any light

	Alpha  AlphaMode
	Solid  float32 // 0 to 1: is multiplied by the picture's alpha
	Cutoff float32 // of Mask
}

// An AlphaMode says what a paint's alpha does.
type AlphaMode uint8

const (
	Opaque AlphaMode = iota // nothing
	Mask                    // less than the cutoff is a hole
	Blend                   // lets through what is behind
)

// Beyond so many triangles, each must have taken so many bytes, as any has whose corners are counted in 32 bits, or in as many digits.
// It is polygons that say the same again and again that have less, and a small file of them would fill all memory.
const (
	freeTriangles = 1 << 22
	leastBytes    = 4
)

// A counted counts what is read.
type counted struct {
	r io.Reader
	n int64 // bytes
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// holds says why what was read can't hold the triangles of m.
func (c *counted) holds(m *Mesh) error {
	if n := len(m.Triangles); n > freeTriangles && int64(n)*leastBytes > c.n {
		return malformed("%d bytes of the file make %d triangles: its polygons repeat", c.n, n)
	}
	return nil
}

// finite reports whether v has neither NaN nor an infinity in it.
func (v Vec) finite() bool {
	const exponent = 0x7f800000
	for _, x := range v {
		if math.Float32bits(x)&exponent == exponent {
			return false
		}
	}
	return true
}

// malformed is an error about what a file holds: reading it again will not help.
func malformed(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}
