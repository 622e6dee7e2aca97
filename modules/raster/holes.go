package raster

import (
	"github.com/millrace/millrace/modules/raster/mesh"
)

// holes say where a paint lets through what is behind it: in the samples of a pixel, as many as its alpha leaves open.
type holes struct {
	solid         float32
	cutoff        float32 // of a mask; negative is none
	width, height int     // of the picture; 0 is none
	alpha         []uint8
	shift         int // of the pattern: what lies behind one paint must not hide in the same samples
}

// newHoles is nil for a paint without holes.
func newHoles(p mesh.Paint) *holes {
	if p.Alpha == mesh.Opaque {
		return nil
	}
	h := &holes{solid: p.Solid, cutoff: -1}
	if p.Alpha == mesh.Mask {
		h.cutoff = p.Cutoff
	}
	if img := p.Picture; img != nil && !img.Rect.Empty() {
		h.width, h.height = img.Rect.Dx(), img.Rect.Dy()
		h.alpha = make([]uint8, 0, h.width*h.height)
		for y := range h.height {
			for x := range h.width {
				h.alpha = append(h.alpha, img.Pix[y*img.Stride+4*x+3])
			}
		}
	}
	return h
}

// open says whether a sample falls through at a place of the picture.
func (h *holes) open(u, v float32, x, y int) bool {
	a := h.solid
	if h.alpha != nil {
		px, py := wrap(float64(u)*float64(h.width), h.width), wrap(float64(v)*float64(h.height), h.height)
		a *= float32(h.alpha[py*h.width+px]) / 255
	}
	if h.cutoff >= 0 {
		return a < h.cutoff
	}
	return a*16 <= float32(bayer(x+h.shift, y+h.shift/4))+0.5
}

// bayer is a pattern of 4 by 4 whose values, 0 to 15, lie far apart.
func bayer(x, y int) int {
	x, y = x&3, y&3
	z := x ^ y
	return (z&1)<<3 | (y&1)<<2 | (z&2)<<0 | (y&2)>>1
}

// A sieve draws the faces that have holes, as they are seen along rays that meet in the eye or are parallel.
type sieve struct {
	scene    *Scene
	parallel bool
}

// holes are those of a face; nil is none.
func (v sieve) holes(face uint32) *holes {
	if v.scene.skins == nil {
		return nil
	}
	return v.scene.skins[v.scene.look[face]].holes
}

// fill is tile.fill of a face with holes.
func (v sieve) fill(t *tile, p [3]pin, face uint32, h *holes) {
	area := cross(p[0], p[1], p[2])
	if area == 0 {
		return
	}
	x0, x1, y0, y1 := t.reach(p[0], p[1], p[2])
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			at := pin{x: int32(x*subpixel + subpixel/2), y: int32(y*subpixel + subpixel/2)}
			var weights [3]float32
			for k := range weights {
				e := cross(p[(k+1)%3], p[(k+2)%3], at)
				weights[k] = float32(float64(e) / float64(area))
			}
			if min(weights[0], weights[1], weights[2]) < 0 {
				continue
			}
			near := weights[0]*p[0].near + weights[1]*p[1].near + weights[2]*p[2].near
			i := (y-t.top)*t.width + x - t.left
			if near > t.near[i] && !v.lets(h, face, p, weights, x, y) {
				t.near[i], t.face[i] = near, face
			}
		}
	}
}

// lets says whether a sample falls through a face, whose corners have these weights there.
func (v sieve) lets(h *holes, face uint32, p [3]pin, w [3]float32, x, y int) bool {
	if v.scene.places == nil {
		return h.open(0, 0, x, y)
	}
	var at [2]float32
	var sum float32
	for k, place := range v.scene.places[face] {
		weight := w[k]
		if !v.parallel { // what is farther away shrinks
			weight *= p[k].near
		}
		sum += weight
		at[0], at[1] = at[0]+place[0]*weight, at[1]+place[1]*weight
	}
	return h.open(at[0]/sum, at[1]/sum, x, y)
}
