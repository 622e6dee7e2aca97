package raster

import (
	"math"
	"sync"
)

// A room is the light of three.js's RoomEnvironment around its middle, as its walls, boxes and lamps send it: what modules/blender
// (render.py) draws by is the same.
type room struct {
	even    panorama    // what a matt surface gets by its normal, by pi
	blurred [4]panorama // what a mirror shows, of the roughness of blurredAt
}

// blurredAt are the roughnesses of what is blurred beforehand.
func blurredAt() [4]float32 { return [4]float32{0.2, 0.42, 0.7, 1} }

// A panorama is light from all directions: rows from above, columns around y.
type panorama struct {
	width, height int
	light         []float32
}

// theRoom takes some ten milliseconds to build.
var theRoom = sync.OnceValue(func() *room {
	const width, height = 96, 48
	sharp := panorama{width, height, make([]float32, width*height)}
	for i := range sharp.light {
		sharp.light[i] = radiance(sharp.toward(i))
	}
	r := &room{even: sharp.spread(24, 12, 1)}
	for i, rough := range blurredAt() {
		alpha := float64(rough * rough)
		r.blurred[i] = sharp.spread(48, 24, 2/(alpha*alpha)) // the lobe of GGX, as a power of the cosine
	}
	return r
})

// toward is the direction of a pixel.
func (p panorama) toward(i int) [3]float64 {
	theta := (float64(i/p.width) + 0.5) / float64(p.height) * math.Pi
	phi := (float64(i%p.width) + 0.5) / float64(p.width) * 2 * math.Pi
	sinT, cosT := math.Sincos(theta)
	sinP, cosP := math.Sincos(phi)
	return [3]float64{sinT * cosP, cosT, sinT * sinP}
}

// spread is what surfaces get that take light in by a power of the cosine of its direction.
func (p panorama) spread(width, height int, power float64) panorama {
	out := panorama{width, height, make([]float32, width*height)}
	from := make([][3]float64, len(p.light))
	weight := make([]float64, len(p.light))
	for i := range from {
		from[i] = p.toward(i)
		weight[i] = math.Sin((float64(i/p.width) + 0.5) / float64(p.height) * math.Pi)
	}
	for i := range out.light {
		n := out.toward(i)
		var sum, all float64
		for k, d := range from {
			cos := n[0]*d[0] + n[1]*d[1] + n[2]*d[2]
			if cos <= 0 || power > 30 && cos < 0.7 {
				continue
			}
			w := weight[k] * cos
			if power != 1 {
				w = weight[k] * math.Pow(cos, power)
			}
			sum += w * float64(p.light[k])
			all += w
		}
		out.light[i] = float32(sum / all)
	}
	return out
}

// at is the light from a direction of length 1.
func (p panorama) at(d vec) float32 {
	theta := float32(math.Acos(float64(min(max(d.y, -1), 1)))) / math.Pi
	phi := float32(math.Atan2(float64(d.z), float64(d.x))) / (2 * math.Pi)
	y := theta*float32(p.height) - 0.5
	x := (phi+1)*float32(p.width) - 0.5
	top, left := int(math.Floor(float64(y))), int(x)
	fx, fy := x-float32(left), y-float32(top)
	pixel := func(dx, dy int) float32 {
		return p.light[min(max(top+dy, 0), p.height-1)*p.width+(left+dx)%p.width]
	}
	above := pixel(0, 0)*(1-fx) + pixel(1, 0)*fx
	below := pixel(0, 1)*(1-fx) + pixel(1, 1)*fx
	return above*(1-fy) + below*fy
}

// mirrored is what a mirror of a roughness shows in a direction.
func (r *room) mirrored(d vec, rough float32) float32 {
	at := blurredAt()
	for i := 1; i < len(at); i++ {
		if rough < at[i] || i == len(at)-1 {
			t := min(max((rough-at[i-1])/(at[i]-at[i-1]), 0), 1)
			return r.blurred[i-1].at(d)*(1-t) + r.blurred[i].at(d)*t
		}
	}
	return 0
}

// A crate is a box of the room: its middle, size and turn around y; glow is the light that it sends, 0 is that of the bulb on it.
type crate struct {
	middle, size [3]float64
	turn, glow   float64
}

func crates() []crate {
	return []crate{
		{[3]float64{-10.906, 2.009, 1.846}, [3]float64{2.328, 7.905, 4.651}, -0.195, 0},
		{[3]float64{-5.607, -0.754, -0.758}, [3]float64{1.970, 1.534, 3.955}, 0.994, 0},
		{[3]float64{6.167, 0.857, 7.803}, [3]float64{3.927, 6.285, 3.687}, 0.561, 0},
		{[3]float64{-2.017, 0.018, 6.124}, [3]float64{2.002, 4.566, 2.064}, 0.333, 0},
		{[3]float64{2.291, -0.756, -2.621}, [3]float64{1.546, 1.552, 1.496}, -0.286, 0},
		{[3]float64{-2.193, -0.369, -5.547}, [3]float64{3.875, 3.487, 2.986}, 0.516, 0},
		{[3]float64{-16.116, 14.37, 8.208}, [3]float64{0.1, 2.428, 2.739}, 0, 50},
		{[3]float64{-16.109, 18.021, -8.207}, [3]float64{0.1, 2.425, 2.751}, 0, 50},
		{[3]float64{14.904, 12.198, -1.832}, [3]float64{0.15, 4.265, 6.331}, 0, 17},
		{[3]float64{-0.462, 8.89, 14.520}, [3]float64{4.38, 5.441, 0.088}, 0, 43},
		{[3]float64{3.235, 11.486, -12.541}, [3]float64{2.5, 2.0, 0.1}, 0, 20},
		{[3]float64{0, 20, 0}, [3]float64{1, 0.1, 1}, 0, 100},
	}
}

// radiance is the light that comes from a direction to the middle, 3.5 above the room's zero.
func radiance(d [3]float64) float32 {
	walls := crate{middle: [3]float64{-0.757, 13.219, 0.717}, size: [3]float64{31.713, 28.305, 28.591}}
	_, nearest, normal := walls.meet(d)
	for k := range normal {
		normal[k] = -normal[k]
	}
	glow := 0.0
	for _, c := range crates() {
		if enter, leave, n := c.meet(d); enter > 0 && enter <= leave && enter < nearest {
			nearest, normal, glow = enter, n, c.glow
		}
	}
	if glow > 0 {
		return float32(glow)
	}
	return float32(bulb([3]float64{d[0] * nearest, 3.5 + d[1]*nearest, d[2] * nearest}, normal))
}

// meet is how far away a ray from the middle enters and leaves a crate, and the normal there: of the side where it enters, or
// leaves where it begins inside.
func (c crate) meet(d [3]float64) (enter, leave float64, normal [3]float64) {
	sin, cos := math.Sincos(c.turn)
	axes := [3][3]float64{{cos, 0, -sin}, {0, 1, 0}, {sin, 0, cos}}
	enter, leave = math.Inf(-1), math.Inf(1)
	var first, last [3]float64
	for k, axis := range axes {
		speed := axis[0]*d[0] + axis[1]*d[1] + axis[2]*d[2]
		from := -axis[0]*c.middle[0] + axis[1]*(3.5-c.middle[1]) - axis[2]*c.middle[2]
		one, two := (-c.size[k]/2-from)/speed, (c.size[k]/2-from)/speed
		side := 1.0
		if one < two {
			side = -1
		}
		out := [3]float64{axis[0] * side, axis[1] * side, axis[2] * side}
		if near := min(one, two); near > enter {
			enter, first = near, out
		}
		if far := max(one, two); far < leave {
			leave, last = far, [3]float64{-out[0], -out[1], -out[2]}
		}
	}
	if enter < 0 {
		return enter, leave, last
	}
	return enter, leave, first
}

// bulb is what a white surface sends on of the room's lamp.
func bulb(p, normal [3]float64) float64 {
	to := [3]float64{0.418 - p[0], 16.199 - p[1], 0.300 - p[2]}
	far := math.Sqrt(to[0]*to[0] + to[1]*to[1] + to[2]*to[2])
	facing := max(0, (normal[0]*to[0]+normal[1]*to[1]+normal[2]*to[2])/far)
	fade := max(0, 1-math.Pow(far/28, 4))
	return 900 / (far * far) * fade * fade * facing / math.Pi
}
