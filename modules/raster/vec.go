package raster

import (
	"math"

	"github.com/millrace/millrace/modules/raster/mesh"
)

// A vec is a struct, unlike mesh.Vec, because the compiler keeps small structs in registers and arrays in memory.
type vec struct{ x, y, z float32 }

func fromMesh(v mesh.Vec) vec { return vec{v[0], v[1], v[2]} }

func (a vec) add(b vec) vec            { return vec{a.x + b.x, a.y + b.y, a.z + b.z} }
func (a vec) sub(b vec) vec            { return vec{a.x - b.x, a.y - b.y, a.z - b.z} }
func (a vec) times(s float32) vec      { return vec{a.x * s, a.y * s, a.z * s} }
func (a vec) mul(b vec) vec            { return vec{a.x * b.x, a.y * b.y, a.z * b.z} }
func (a vec) dot(b vec) float32        { return a.x*b.x + a.y*b.y + a.z*b.z }
func (a vec) mix(b vec, t float32) vec { return a.add(b.sub(a).times(t)) }
func (a vec) cross(b vec) vec {
	return vec{a.y*b.z - a.z*b.y, a.z*b.x - a.x*b.z, a.x*b.y - a.y*b.x}
}

// unit has length 1, or is 0 where a is, or has no direction: it is infinite, no number, or too large to be measured.
func (a vec) unit() vec {
	length := sqrt(a.dot(a))
	if !(length > 0 && length <= math.MaxFloat32) {
		return vec{}
	}
	return a.times(1 / length)
}

func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }
