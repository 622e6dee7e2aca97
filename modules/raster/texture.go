package raster

import (
	"image"
	"math"

	"github.com/millrace/millrace/modules/raster/mesh"
)

// A skin is a paint made ready: its pictures at full size, half, a quarter and so on.
type skin struct {
	finish
	color, surface, glows []level // of the albedo and the glow, linear, and of roughness (green) and metal (blue); nil is none
	holes                 *holes
}

// A level is a picture.
type level struct {
	width, height int
	pixels        [][3]uint16
}

func newSkin(p mesh.Paint) skin {
	s := skin{finish: finish{albedo: fromMesh(p.Color), metal: p.Metal, rough: p.Rough, glow: fromMesh(p.Glow), flat: p.Flat}}
	s.color = levels(p.Picture, Linear)
	s.surface = levels(p.Surface, func(x float32) float32 { return x })
	s.glows = levels(p.GlowPicture, Linear)
	s.holes = newHoles(p)
	return s
}

// levels are a picture, whose values mean what curve makes of them, at all its sizes.
func levels(img *image.NRGBA, curve func(float32) float32) []level {
	if img == nil || img.Rect.Empty() {
		return nil
	}
	all := []level{firstLevel(img, curve)}
	for l := all[0]; l.width > 1 || l.height > 1; {
		l = l.half()
		all = append(all, l)
	}
	return all
}

func firstLevel(img *image.NRGBA, means func(float32) float32) level {
	var curve [256]uint16
	for i := range curve {
		curve[i] = uint16(means(float32(i)/255)*math.MaxUint16 + 0.5)
	}
	size := img.Rect.Size()
	l := level{size.X, size.Y, make([][3]uint16, size.X*size.Y)}
	for y := range size.Y {
		row := img.Pix[y*img.Stride:]
		for x := range size.X {
			l.pixels[y*size.X+x] = [3]uint16{curve[row[4*x]], curve[row[4*x+1]], curve[row[4*x+2]]}
		}
	}
	return l
}

// half is the mean of four pixels each.
func (l level) half() level {
	h := level{max(l.width/2, 1), max(l.height/2, 1), nil}
	h.pixels = make([][3]uint16, h.width*h.height)
	for y := range h.height {
		for x := range h.width {
			var sum [3]uint32
			for k := range 4 {
				p := l.pixels[min(2*y+k/2, l.height-1)*l.width+min(2*x+k%2, l.width-1)]
				for c, v := range p {
					sum[c] += uint32(v)
				}
			}
			h.pixels[y*h.width+x] = [3]uint16{uint16(sum[0] / 4), uint16(sum[1] / 4), uint16(sum[2] / 4)}
		}
	}
	return h
}

// at is the finish at a place; span is how much of the picture, of its area, one pixel on the screen covers.
func (s *skin) at(u, v, span float32) finish {
	f := s.finish
	if s.color != nil {
		f.albedo = f.albedo.mul(pick(s.color, span).at(u, v))
	}
	if s.surface != nil {
		part := pick(s.surface, span).at(u, v)
		f.rough, f.metal = f.rough*part.y, f.metal*part.z
	}
	if s.glows != nil {
		f.glow = f.glow.mul(pick(s.glows, span).at(u, v))
	}
	return f
}

// pick is the level that has about a pixel for each on the screen.
func pick(levels []level, span float32) *level {
	first := levels[0]
	texels := float64(span) * float64(first.width) * float64(first.height)
	n := 0
	if texels > 1 {
		n = int(min(math.Log2(texels)/2+0.5, float64(len(levels)-1))) // texels may be infinite
	}
	return &levels[n]
}

// at blends the four pixels around a place; the picture repeats.
func (l *level) at(u, v float32) vec {
	x, y := float64(u)*float64(l.width)-0.5, float64(v)*float64(l.height)-0.5
	left, top := math.Floor(x), math.Floor(y)
	fx, fy := float32(x-left), float32(y-top)
	pixel := func(dx, dy float64) vec {
		p := l.pixels[wrap(top+dy, l.height)*l.width+wrap(left+dx, l.width)]
		return vec{float32(p[0]), float32(p[1]), float32(p[2])}
	}
	above := pixel(0, 0).mix(pixel(1, 0), fx)
	below := pixel(0, 1).mix(pixel(1, 1), fx)
	return above.mix(below, fy).times(1.0 / math.MaxUint16)
}

// wrap is x modulo n, 0 to n-1, and 0 for what is no number.
func wrap(x float64, n int) int {
	x = math.Mod(x, float64(n))
	if !(math.Abs(x) < float64(n)) {
		return 0
	}
	if x < 0 {
		x += float64(n)
	}
	return min(int(x), n-1)
}

// paint is the finish of a face at a place of it: wa, wb and wc of its corners.
func (s *Scene) paint(face uint32, wa, wb, wc, span float32) finish {
	look := &s.skins[s.look[face]]
	if s.places == nil {
		return look.at(0, 0, span)
	}
	p := s.places[face]
	return look.at(p[0][0]*wa+p[1][0]*wb+p[2][0]*wc, p[0][1]*wa+p[1][1]*wb+p[2][1]*wc, span)
}

// span is how much of its picture a face shows per pixel on the screen.
func (p *picture) span(face uint32, a, b, c spot) float32 {
	if p.scene.places == nil {
		return 0
	}
	t := p.scene.places[face]
	shown := abs((t[1][0]-t[0][0])*(t[2][1]-t[0][1]) - (t[2][0]-t[0][0])*(t[1][1]-t[0][1]))
	area := abs((b.x-a.x)*(c.y-a.y)-(c.x-a.x)*(b.y-a.y)) * float32(p.options.Width) * float32(p.options.Width)
	return shown / max(area, 1e-6)
}
