// Package gear makes the model of the demo: a spur gear with involute teeth, a hub, a bore with a keyway, and six holes.
package gear

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	holes         = 6
	spokeSteps    = 10 // segments along the line between two holes
	filletSteps   = 4
	module        = 2.0 // millimetres of pitch diameter per tooth
	pressureAngle = 20 * math.Pi / 180
)

// Options say which gear. The zero value is the demo's: 30 teeth, 64 mm across, some 53,000 triangles.
type Options struct {
	Teeth int // a multiple of 6 from 18 to 120; 0 is 30
}

// STL writes the gear as a binary STL, in millimetres, its axis along z, and returns how many triangles it has. The surface
// is closed: every edge is shared by two triangles, and all face outwards.
func STL(w io.Writer, o Options) (triangles int, err error) {
	if o.Teeth == 0 {
		o.Teeth = 30
	}
	if o.Teeth < 18 || o.Teeth > 120 || o.Teeth%holes != 0 {
		return 0, fmt.Errorf("a gear of %d teeth can't be made: teeth must be a multiple of %d from 18 to 120", o.Teeth, holes)
	}
	ts := build(o.Teeth)
	if err := write(w, ts); err != nil {
		return 0, fmt.Errorf("write gear: %w", err)
	}
	return len(ts), nil
}

func write(w io.Writer, ts []triangle) error {
	bw := bufio.NewWriter(w)
	var head [84]byte
	copy(head[:80], "a spur gear, made by millrace")
	binary.LittleEndian.PutUint32(head[80:], uint32(len(ts)))
	_, err := bw.Write(head[:])
	var b []byte
	for i := range ts {
		b = b[:0]
		for _, v := range [4]point{ts[i].normal(), ts[i][0], ts[i][1], ts[i][2]} {
			for _, x := range v {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x)))
			}
		}
		_, werr := bw.Write(append(b, 0, 0))
		err = errors.Join(err, werr)
		if err != nil {
			return err
		}
	}
	return errors.Join(err, bw.Flush())
}

type (
	point    [3]float64
	triangle [3]point
	ring     []point // closed, counter-clockwise seen from +z; neighbours in a strip have equally many points
)

func (t *triangle) normal() point {
	var a, b point
	for k := range 3 {
		a[k], b[k] = t[1][k]-t[0][k], t[2][k]-t[0][k]
	}
	n := point{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
	length := math.Sqrt(n[0]*n[0] + n[1]*n[1] + n[2]*n[2])
	return point{n[0] / length, n[1] / length, n[2] / length}
}

// A builder gathers the upper half of the gear; every triangle is mirrored at z = 0.
type builder struct{ triangles []triangle }

// strips joins each ring to the next. Going from the rim inwards over the top, the triangles face outwards.
func (b *builder) strips(rings ...ring) {
	for i := range len(rings) - 1 {
		from, to := rings[i], rings[i+1]
		for k := range from {
			next := (k + 1) % len(from)
			b.add(triangle{from[k], from[next], to[next]})
			b.add(triangle{from[k], to[next], to[k]})
		}
	}
}

func (b *builder) add(t triangle) {
	mirrored := triangle{t[0], t[2], t[1]}
	for i := range mirrored {
		mirrored[i][2] = 0 - mirrored[i][2]
	}
	b.triangles = append(b.triangles, t, mirrored)
}

// build makes the triangles of a gear. Lengths are those of the gear of 30 teeth, scaled.
func build(teeth int) []triangle {
	scale := float64(teeth) / 30
	var (
		rimHeight, webHeight, hubHeight = 5 * scale, 2.1 * scale, 7 * scale // above the middle plane
		rimRadius, hubRadius            = 23.2 * scale, 11 * scale          // inside of the rim, outside of the hub
		bore                            = keyway{radius: 6 * scale, width: 4 * scale, depth: 2 * scale}
		fillet, chamfer                 = 1.4 * scale, 0.3 * min(scale, 1)
	)
	profile := toothProfile(teeth)
	circle := func(radius, z float64) ring { return circle(len(profile), teeth, radius, z) }

	webOuter, webInner := circle(rimRadius-fillet, webHeight), circle(hubRadius+fillet, webHeight)
	b := &builder{}
	b.strips(
		profile.at(0), profile.at(rimHeight-chamfer), profile.inset(chamfer).at(rimHeight),
		circle(rimRadius+chamfer, rimHeight), circle(rimRadius, rimHeight-chamfer),
	)
	rings := []ring{circle(rimRadius, rimHeight-chamfer)}
	for i := range filletSteps {
		s, c := math.Sincos(math.Pi / 2 * float64(i) / filletSteps)
		rings = append(rings, circle(rimRadius-fillet*(1-c), webHeight+fillet*(1-s)))
	}
	b.strips(append(rings, webOuter)...)
	b.web(webOuter, webInner, 3.75*scale, chamfer)
	rings = []ring{webInner}
	for i := range filletSteps {
		s, c := math.Sincos(math.Pi / 2 * float64(i+1) / filletSteps)
		rings = append(rings, circle(hubRadius+fillet*(1-s), webHeight+fillet*(1-c)))
	}
	b.strips(append(rings, circle(hubRadius, hubHeight-chamfer), circle(hubRadius-chamfer, hubHeight))...)
	b.strips(
		circle(hubRadius-chamfer, hubHeight),
		bore.ring(len(profile), chamfer, hubHeight),
		bore.ring(len(profile), 0, hubHeight-chamfer),
		bore.ring(len(profile), 0, 0),
	)
	return b.triangles
}

// web fills the flat between two rings, in sectors with a round hole each.
func (b *builder) web(outer, inner ring, radius, chamfer float64) {
	n := len(outer) / holes
	spoke := func(k, i int) point { // i counts from the rim to the hub
		k %= len(outer)
		t := float64(i) / spokeSteps
		return point{
			outer[k][0] + t*(inner[k][0]-outer[k][0]),
			outer[k][1] + t*(inner[k][1]-outer[k][1]),
			outer[k][2],
		}
	}
	for s := range holes {
		var edge ring
		for k := s * n; k < (s+1)*n; k++ {
			edge = append(edge, outer[k])
		}
		for i := range spokeSteps {
			edge = append(edge, spoke((s+1)*n, i))
		}
		for k := (s + 1) * n; k > s*n; k-- {
			edge = append(edge, inner[k%len(inner)])
		}
		for i := spokeSteps; i > 0; i-- {
			edge = append(edge, spoke(s*n, i))
		}
		middle := spoke(s*n+n/2, spokeSteps/2)
		z := middle[2]
		b.strips(edge, edge.around(middle, radius+chamfer, z), edge.around(middle, radius, z-chamfer), edge.around(middle, radius, 0))
	}
}

// around is a circle whose points lie towards those of r.
func (r ring) around(middle point, radius, z float64) ring {
	circle := make(ring, len(r))
	for k, p := range r {
		s, c := math.Sincos(math.Atan2(p[1]-middle[1], p[0]-middle[0]))
		circle[k] = point{middle[0] + radius*c, middle[1] + radius*s, z}
	}
	return circle
}
