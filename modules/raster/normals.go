package raster

import (
	"context"
	"math"

	"github.com/millrace/millrace/modules/raster/mesh"
)

const (
	creaseCosine = 0.819 // 35 degrees
	maxSmooth    = 256   // faces around one point; more are drawn flat there, lest one point cost the square of them
)

// cornerNormals returns the normal at every corner of every face: those given, or else the mean of the faces around the
// point that make no crease with this one, weighted by their area and their angle there.
func cornerNormals(ctx context.Context, faces [][3]uint32, points []vec, given [][3]mesh.Vec) ([][3]vec, error) {
	flat := make([]vec, len(faces))
	shares := make([][3]float32, len(faces))
	normals := make([][3]vec, len(faces))
	err := inChunks(ctx, len(faces), func(from, to int) {
		for i := from; i < to; i++ {
			flat[i], shares[i] = measure(faces[i], points)
		}
	})
	if err != nil {
		return nil, err
	}
	around := facesAround(faces, len(points))
	err = inChunks(ctx, len(faces), func(from, to int) {
		for i := from; i < to; i++ {
			for k, p := range faces[i] {
				normals[i][k] = smooth(flat, shares, faces, around.of(p), flat[i], p)
				if given == nil {
					continue
				}
				if n := fromMesh(given[i][k]).unit(); n != (vec{}) {
					normals[i][k] = n
				}
			}
		}
	})
	return normals, err
}

// measure returns the normal of a face and its share in the normals at its corners; both are 0 where it has no area. Area
// keeps large flat faces flat beside a narrow rounding, and angle makes it not matter how they are cut into triangles.
func measure(face [3]uint32, points []vec) (normal vec, shares [3]float32) {
	a, b, c := points[face[0]], points[face[1]], points[face[2]]
	ab, bc, ca := b.sub(a).unit(), c.sub(b).unit(), a.sub(c).unit()
	normal = b.sub(a).cross(c.sub(a))
	area := sqrt(normal.dot(normal))
	if area == 0 {
		return vec{}, shares
	}
	between := func(u, v vec) float32 { return area * float32(math.Acos(float64(min(max(-u.dot(v), -1), 1)))) }
	return normal.times(1 / area), [3]float32{between(ab, ca), between(ab, bc), between(bc, ca)}
}

func smooth(flat []vec, shares [][3]float32, faces [][3]uint32, around []uint32, own vec, p uint32) vec {
	if len(around) > maxSmooth {
		return own
	}
	var sum vec
	for _, j := range around {
		if flat[j].dot(own) < creaseCosine {
			continue
		}
		for k, q := range faces[j] {
			if q == p {
				sum = sum.add(flat[j].times(shares[j][k]))
			}
		}
	}
	if sum == (vec{}) {
		return own
	}
	return sum.unit()
}

// neighbours lists the faces around each point, one list behind the other.
type neighbours struct {
	first []uint32 // where the list of a point begins
	faces []uint32
}

func (n *neighbours) of(p uint32) []uint32 { return n.faces[n.first[p]:n.first[p+1]] }

func facesAround(faces [][3]uint32, points int) *neighbours {
	n := &neighbours{first: make([]uint32, points+2), faces: make([]uint32, 3*len(faces))}
	for _, face := range faces {
		for _, p := range face {
			n.first[p+2]++
		}
	}
	for p := range points {
		n.first[p+2] += n.first[p+1]
	}
	for i, face := range faces {
		for _, p := range face {
			n.faces[n.first[p+1]] = uint32(i)
			n.first[p+1]++
		}
	}
	return n
}

// Normals are those at the corners of each triangle, as they are drawn.
func (s *Scene) Normals() [][3]mesh.Vec {
	all := make([][3]mesh.Vec, len(s.normals))
	for i, face := range s.normals {
		for k, n := range face {
			all[i][k] = mesh.Vec{n.x, n.y, n.z}
		}
	}
	return all
}
