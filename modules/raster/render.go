package raster

import (
	"context"
	"fmt"
	"image"
	"image/color"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/threejs"
)

const (
	// MaxSide is the largest width and height of a picture, in pixels.
	MaxSide = 8192
	// MaxPixels is the largest area of a picture.
	MaxPixels = 1 << 25

	perSide = 4 // samples along each side of a pixel
	rows    = 16
)

// Options say what picture to make of a scene.
type Options struct {
	Width, Height int         // pixels, 1 to MaxSide
	View          View        // the zero View is the front
	Background    color.NRGBA // the zero value is transparent
	Look          threejs.Look
}

// Render draws s. It is done when ctx ends, if not before: then the error is the cause of that.
func (s *Scene) Render(ctx context.Context, o Options) (*image.RGBA, error) {
	if o.Width < 1 || o.Height < 1 || o.Width > MaxSide || o.Height > MaxSide || o.Width*o.Height > MaxPixels {
		return nil, fault.As(fault.Permanent, fmt.Errorf("a picture of %d x %d pixels can't be drawn: choose 1 to %d a side and at most %d megapixels",
			o.Width, o.Height, MaxSide, MaxPixels>>20))
	}
	p, err := s.picture(ctx, o)
	if err != nil {
		return nil, err
	}
	pins, err := s.place(ctx, func(v vec) (x, y, near float32) {
		spot := p.studio.camera.project(v)
		x, y = p.sample(spot)
		return x, y, spot.w
	})
	if err != nil {
		return nil, err
	}
	err = sieve{scene: s}.rasterise(ctx, pins, o.Width*perSide, o.Height*perSide, rows*perSide, func(t *tile) {
		for y := t.top / perSide; y < min(t.top/perSide+rows, o.Height); y++ {
			for x := range o.Width {
				p.out.SetRGBA(x, y, p.pixel(t, x, y))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return p.out, nil
}

// A picture is all that is known when its pixels are made.
type picture struct {
	scene     *Scene
	studio    *studio
	occlusion *occlusionMap
	ground    *ground
	options   Options
	backdrop  vec // the background, 0 to 255 an sRGB
	out       *image.RGBA
}

func (s *Scene) picture(ctx context.Context, o Options) (*picture, error) {
	c, err := newCamera(ctx, o.View, s.points, o.Width, o.Height)
	if err != nil {
		return nil, err
	}
	p := &picture{scene: s, options: o, studio: newStudio(c, o.Look), out: image.NewRGBA(image.Rect(0, 0, o.Width, o.Height))}
	p.backdrop = vec{float32(o.Background.R), float32(o.Background.G), float32(o.Background.B)}
	if len(p.studio.lamps) > 0 {
		if p.studio.shadows, err = s.shadows(ctx, p.studio.lamps[0].to); err != nil {
			return nil, err
		}
	}
	if p.occlusion, err = s.occlusion(ctx, c, o.Width, o.Height); err != nil {
		return nil, err
	}
	p.ground, err = s.ground(ctx)
	return p, err
}

// sample turns a place into samples from the top left, place the other way round, from pixels.
func (p *picture) sample(at spot) (x, y float32) {
	w, h := float32(p.options.Width), float32(p.options.Height)
	return (at.x*w + w/2) * perSide, (at.y*w + h/2) * perSide
}

func (p *picture) place(x, y float32) spot {
	w, h := float32(p.options.Width), float32(p.options.Height)
	return spot{x: (x - w/2) / w, y: (y - h/2) / w}
}

// A patch is the part of a pixel that one face covers.
type patch struct {
	face    uint32
	samples int32
	x, y    int32 // sums of their positions, for the middle
}

// pixel mixes the faces in a pixel: each is lit once, in the middle of what is seen of it.
func (p *picture) pixel(t *tile, x, y int) color.RGBA {
	var patches [perSide * perSide]patch
	n := 0
	for sy := range perSide {
		row := (y*perSide+sy-t.top)*t.width + x*perSide
	samples:
		for sx, face := range t.face[row : row+perSide] {
			if face == nothing {
				continue
			}
			for i := range patches[:n] {
				if q := &patches[i]; q.face == face {
					q.samples, q.x, q.y = q.samples+1, q.x+int32(sx), q.y+int32(sy)
					continue samples
				}
			}
			patches[n] = patch{face, 1, int32(sx), int32(sy)}
			n++
		}
	}
	var sum vec
	covered := int32(0)
	for _, q := range patches[:n] {
		middle := func(at int, sum int32) float32 {
			return float32(at) + (float32(sum)/float32(q.samples)+0.5)/perSide
		}
		sum = sum.add(p.surface(q.face, p.place(middle(x, q.x), middle(y, q.y))).times(float32(q.samples)))
		covered += q.samples
	}
	const all = perSide * perSide
	if covered == all {
		sum = sum.times(1.0 / all)
		return color.RGBA{round(display(sum.x)), round(display(sum.y)), round(display(sum.z)), 255}
	}
	return p.mix(sum, float32(covered)/all, x, y)
}

// mix lays what covers a part of a pixel over the background and the shadow on it.
func (p *picture) mix(sum vec, covered float32, x, y int) color.RGBA {
	at := p.place(float32(x)+0.5, float32(y)+0.5)
	c := p.studio.camera
	shadow := p.ground.shade(c.eye, c.ray(at.x, at.y))
	alpha := float32(p.options.Background.A) / 255
	back := p.backdrop.times(alpha * (1 - shadow))
	alpha = shadow + alpha*(1-shadow)
	var front vec
	if covered > 0 {
		mean := sum.times(1 / (covered * perSide * perSide))
		front = vec{display(mean.x), display(mean.y), display(mean.z)}
	}
	out := front.times(covered).add(back.times(1 - covered))
	return color.RGBA{round(out.x), round(out.y), round(out.z), round(255 * (covered + alpha*(1-covered)))}
}

func round(x float32) uint8 { return uint8(x + 0.5) }

// surface is the colour of a face at a place of the picture, linear 0 to 1.
func (p *picture) surface(face uint32, at spot) vec {
	s, c := p.scene, p.studio.camera
	f := s.faces[face]
	corners := [3]spot{c.project(s.points[f[0]]), c.project(s.points[f[1]]), c.project(s.points[f[2]])}
	wa, wb, wc := weights(corners[0], corners[1], corners[2], at)
	blend := func(a, b, c vec) vec { return a.times(wa).add(b.times(wb)).add(c.times(wc)) }

	position := blend(s.points[f[0]], s.points[f[1]], s.points[f[2]])
	normal := blend(s.normals[face][0], s.normals[face][1], s.normals[face][2]).unit()
	if s.flatNormal(face).dot(c.eye.sub(position)) < 0 {
		normal = normal.times(-1)
	}
	look := steel()
	if s.skins != nil {
		look = s.paint(face, wa, wb, wc, p.span(face, corners[0], corners[1], corners[2]))
	}
	if s.albedo != nil {
		tint := blend(s.albedo[f[0]], s.albedo[f[1]], s.albedo[f[2]])
		if s.skins != nil {
			tint = tint.mul(look.albedo)
		}
		look.albedo = tint
	}
	at = c.project(position)
	lit := float32(1)
	if p.studio.shadows != nil {
		t := newTurn(noise(int(at.x*float32(p.options.Width)*2), int(at.y*float32(p.options.Width)*2)))
		lit = p.studio.shadows.lit(position, normal, t)
	}
	return p.studio.develop(p.studio.light(position, normal, look, p.occlusion.at(at), lit))
}

// weights are how much of each corner of a face is in a place of the picture, in the scene and not in the picture: what
// is farther away shrinks.
func weights(a, b, c, at spot) (wa, wb, wc float32) {
	area := func(p, q spot) float32 { return (p.x-at.x)*(q.y-at.y) - (q.x-at.x)*(p.y-at.y) }
	wa, wb, wc = area(b, c)*a.w, area(c, a)*b.w, area(a, b)*c.w
	sum := wa + wb + wc
	if sum == 0 {
		return 1, 0, 0
	}
	wa, wb, wc = max(wa/sum, 0), max(wb/sum, 0), max(wc/sum, 0)
	sum = wa + wb + wc
	return wa / sum, wb / sum, wc / sum
}
