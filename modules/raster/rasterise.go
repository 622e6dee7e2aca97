package raster

import "context"

// rasterise draws all faces into a picture of samples and hands it on in bands of rows, on all processors at once. Each
// band's tile is valid during the call. pins are the points of s in that picture; they must lie inside of it.
func (v sieve) rasterise(ctx context.Context, pins []pin, width, height, rows int, each func(*tile)) error {
	s := v.scene
	bands := (height + rows - 1) / rows
	binned := s.bin(pins, bands, rows)
	free := make(chan *tile, bands)
	return parallel(ctx, bands, func(band int) {
		var t *tile
		select {
		case t = <-free:
			t.clear()
		default:
			t = newTile(width, rows)
		}
		t.top = band * rows
		for i, f := range binned.of(uint32(band)) {
			if i%8192 == 0 && ctx.Err() != nil {
				return
			}
			a, b, c := pins[s.faces[f][0]], pins[s.faces[f][1]], pins[s.faces[f][2]]
			if h := v.holes(f); h != nil {
				v.fill(t, [3]pin{a, b, c}, f, h)
			} else {
				t.fill(a, b, c, f)
			}
		}
		each(t)
		free <- t
	})
}

// bin lists the faces that each band of rows may show.
func (s *Scene) bin(pins []pin, bands, rows int) *neighbours {
	n := &neighbours{first: make([]uint32, bands+2)}
	reach := func(face [3]uint32) (from, to int) {
		a, b, c := pins[face[0]].y, pins[face[1]].y, pins[face[2]].y
		from = max(samplesBefore(min(a, b, c)), 0) / rows
		to = max(samplesBefore(max(a, b, c)+1)-1, 0) / rows
		return from, min(to, bands-1)
	}
	for _, face := range s.faces {
		from, to := reach(face)
		for band := from; band <= to; band++ {
			n.first[band+2]++
		}
	}
	for band := range bands {
		n.first[band+2] += n.first[band+1]
	}
	n.faces = make([]uint32, n.first[bands+1])
	for i, face := range s.faces {
		from, to := reach(face)
		for band := from; band <= to; band++ {
			n.faces[n.first[band+1]] = uint32(i)
			n.first[band+1]++
		}
	}
	return n
}

// place pins all points by a function that says where they are, in samples, and how near.
func (s *Scene) place(ctx context.Context, where func(p vec) (x, y, near float32)) ([]pin, error) {
	pins := make([]pin, len(s.points))
	err := inChunks(ctx, len(pins), func(from, to int) {
		for i := from; i < to; i++ {
			x, y, near := where(s.points[i])
			pins[i] = pin{int32(x*subpixel + 0.5), int32(y*subpixel + 0.5), near}
		}
	})
	return pins, err
}

// A depthMap is how near the scene is, for each texel; 0 is nothing there.
type depthMap struct {
	width, height int
	near          []float32
	face          []uint32
}

func (v sieve) depth(ctx context.Context, width, height int, where func(p vec) (x, y, near float32)) (*depthMap, error) {
	pins, err := v.scene.place(ctx, where)
	if err != nil {
		return nil, err
	}
	d := &depthMap{width: width, height: height, near: make([]float32, width*height), face: make([]uint32, width*height)}
	err = v.rasterise(ctx, pins, width, height, 64, func(t *tile) {
		copy(d.near[t.top*width:], t.near)
		copy(d.face[t.top*width:], t.face)
	})
	return d, err
}
