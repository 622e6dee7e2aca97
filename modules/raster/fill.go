package raster

import "math"

const subpixel = 256 // positions are snapped to 1/256 of a sample, so that neighbours leave no gap

// nothing is the face of a sample that no face covers.
const nothing = math.MaxUint32

// A tile is a part of a picture, in samples: for each the nearest face, and how near that is.
type tile struct {
	left, top     int // of its first sample in the picture
	width, height int
	face          []uint32
	near          []float32 // grows towards the eye; 0 is infinitely far
}

func newTile(width, height int) *tile {
	t := &tile{width: width, height: height, face: make([]uint32, width*height), near: make([]float32, width*height)}
	t.clear()
	return t
}

func (t *tile) clear() {
	clear(t.near)
	for i := range t.face {
		t.face[i] = nothing
	}
}

// A pin is a corner of a face: where it is, in 1/256 of a sample, and how near.
type pin struct {
	x, y int32
	near float32
}

// fill draws one face, seen from either side, where it is nearest.
func (t *tile) fill(a, b, c pin, face uint32) {
	area := cross(a, b, c)
	if area == 0 {
		return
	}
	if area < 0 {
		b, c, area = c, b, -area
	}
	x0, x1, y0, y1 := t.reach(a, b, c)
	if x0 >= x1 || y0 >= y1 {
		return
	}
	first := pin{x: int32(x0*subpixel + subpixel/2), y: int32(y0*subpixel + subpixel/2)}
	edges := [3]edge{newEdge(b, c, first), newEdge(c, a, first), newEdge(a, b, first)}
	inverse := 1 / float64(area)
	weigh := func(ea, eb, ec int64) float32 {
		return float32((float64(ea)*float64(a.near) + float64(eb)*float64(b.near) + float64(ec)*float64(c.near)) * inverse)
	}
	nearX := weigh(edges[0].dx, edges[1].dx, edges[2].dx)
	for y := y0; y < y1; y++ {
		from, to := 0, x1-x0
		for i := range edges {
			from, to = edges[i].clip(from, to)
		}
		if from < to {
			n := int64(from)
			near := weigh(edges[0].at+n*edges[0].dx, edges[1].at+n*edges[1].dx, edges[2].at+n*edges[2].dx)
			row := (y-t.top)*t.width + x0 - t.left
			nears, faces := t.near[row+from:row+to], t.face[row+from:row+to]
			for i := range nears {
				if near > nears[i] {
					nears[i], faces[i] = near, face
				}
				near += nearX
			}
		}
		for i := range edges {
			edges[i].at += edges[i].dy
		}
	}
}

// reach is the samples of a tile that a face may cover: from x0 to before x1, from y0 to before y1.
func (t *tile) reach(a, b, c pin) (x0, x1, y0, y1 int) {
	x0 = max(samplesBefore(min(a.x, b.x, c.x)), t.left)
	x1 = min(samplesBefore(max(a.x, b.x, c.x)+1), t.left+t.width)
	y0 = max(samplesBefore(min(a.y, b.y, c.y)), t.top)
	y1 = min(samplesBefore(max(a.y, b.y, c.y)+1), t.top+t.height)
	return x0, x1, y0, y1
}

// samplesBefore counts the sample centres to the left of x, from 0.
func samplesBefore(x int32) int { return int((x + subpixel/2 - 1) >> 8) }

func cross(a, b, c pin) int64 {
	return int64(b.x-a.x)*int64(c.y-a.y) - int64(c.x-a.x)*int64(b.y-a.y)
}

// An edge knows how far inside of it a sample is: at, and by how much that grows per sample.
type edge struct{ at, dx, dy int64 }

func newEdge(from, to, first pin) edge {
	return edge{
		at: cross(from, to, first),
		dx: -int64(to.y-from.y) * subpixel,
		dy: int64(to.x-from.x) * subpixel,
	}
}

// clip narrows a range of samples in the current row to those that are inside.
func (e *edge) clip(from, to int) (int, int) {
	switch {
	case e.dx > 0:
		if e.at+int64(from)*e.dx < 0 {
			from = int((-e.at + e.dx - 1) / e.dx)
		}
	case e.dx < 0:
		if e.at+int64(to-1)*e.dx < 0 {
			if e.at < 0 {
				return 0, 0
			}
			to = int(e.at/-e.dx) + 1
		}
	case e.at < 0:
		return 0, 0
	}
	return from, to
}
