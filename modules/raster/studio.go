package raster

import (
	"math"
	"sync"

	"github.com/millrace/millrace/modules/threejs"
)

// A studio is the light that a scene stands in, that of three.js with the shadows of its first lamp. It turns with the camera, so
// that every side is shown well.
type studio struct {
	camera  *camera
	room    *room
	bright  float32 // the room
	turned  [2]vec  // the room's x and z
	even    vec     // light from all sides
	lamps   []lamp
	shadows *shadowMap // of the first lamp; nil where there is none
	film    threejs.Film
}

// A lamp is far away.
type lamp struct {
	to    vec // of length 1
	light vec
}

func newStudio(c *camera, look threejs.Look) *studio {
	s := &studio{camera: c, room: theRoom(), bright: float32(look.Room()), film: look.Film()}
	s.turned = [2]vec{c.right, c.right.cross(vec{0, 1, 0})}
	for _, l := range look.Lamps() {
		color := l.Linear()
		light := vec{float32(color[0]), float32(color[1]), float32(color[2])}.times(float32(l.Intensity / math.Pi))
		if l.Type == "ambient" {
			s.even = s.even.add(light)
			continue
		}
		to := [3]float64{0, 0, 1}
		if l.Position != nil {
			to = *l.Position
		}
		along := c.right.times(float32(to[0])).add(c.up.times(float32(to[1]))).add(c.back.times(float32(to[2])))
		s.lamps = append(s.lamps, lamp{along.unit(), light})
	}
	return s
}

// A finish is what a surface does with light.
type finish struct {
	albedo       vec
	metal, rough float32
	glow         vec
	flat         bool // it shows its albedo in any light
}

// steel is the finish of what has none: between clay and steel.
func steel() finish { return finish{albedo: vec{0.43, 0.46, 0.50}, metal: 0.55, rough: 0.42} }

// into turns a direction into the room's axes.
func (s *studio) into(d vec) vec { return vec{d.dot(s.turned[0]), d.y, d.dot(s.turned[1])} }

// light is the colour that a surface sends to the eye, linear. open and lit are how much it sees of the room and of the first lamp.
func (s *studio) light(p, n vec, f finish, open, lit float32) vec {
	if f.flat {
		return f.albedo
	}
	toEye := s.camera.eye.sub(p).unit()
	if n.dot(toEye) < 0.02 { // a smooth normal may lean away from the eye
		n = n.add(toEye.times(0.02 - n.dot(toEye))).unit()
	}
	facing := min(n.dot(toEye), 1)
	rough := max(f.rough, 0.09)
	diffuse := f.albedo.times(1 - f.metal)
	mirror := vec{0.04, 0.04, 0.04}.mix(f.albedo, f.metal)

	reflected := n.times(2 * facing).sub(toEye)
	around := s.even.add(white().times(s.bright * s.room.even.at(s.into(n))))
	seen := s.even.add(white().times(s.bright * s.room.mirrored(s.into(reflected), rough)))
	once, often := shine(mirror, facing, rough)
	total := once.add(often)
	matt := diffuse.times(1 - min(max(total.x, total.y, total.z), 1))
	out := f.glow.add(matt.add(often).mul(around).times(0.4 + 0.6*open)) // what is hidden gets light from what hides it
	out = out.add(once.mul(seen).times(0.5 + 0.5*open*open))
	for i, l := range s.lamps {
		toLight := n.dot(l.to)
		shown := 0.4 + 0.6*open
		if i == 0 {
			shown = lit
		}
		if toLight <= 0 || shown == 0 {
			continue
		}
		half := l.to.add(toEye).unit()
		edge := 1 - min(max(half.dot(toEye), 0), 1)
		edge = edge * edge * edge * edge * edge
		fresnel := mirror.add(white().sub(mirror).times(edge))
		sent := diffuse.add(fresnel.times(specular(n.dot(half), facing, toLight, rough)))
		out = out.add(sent.mul(l.light).times(toLight * shown))
	}
	return out
}

func white() vec { return vec{1, 1, 1} }

// shine is how much of the light around a surface reflects to the eye (the fit of Karis 2014), and how much does so after it was
// reflected between its bumps, from all sides (Fdez-Agüera 2019).
func shine(mirror vec, facing, rough float32) (once, often vec) {
	x, y, z, w := 1-rough, 0.0425-0.0275*rough, 1.04-0.572*rough, 0.022*rough-0.04
	a := min(x*x, float32(math.Exp2(float64(-9.28*facing))))*x + y
	scale, bias := z-1.04*a, w+1.04*a
	once = mirror.times(scale).add(white().times(bias))
	lost := 1 - scale - bias
	each := func(once, mirror float32) float32 {
		mean := mirror + (1-mirror)/21
		return once * mean / (1 - lost*mean) * lost
	}
	return once, vec{each(once.x, mirror.x), each(once.y, mirror.y), each(once.z, mirror.z)}
}

// specular is the GGX lobe with Schlick's masking, without Fresnel's factor, times pi.
func specular(half, facing, toLight, rough float32) float32 {
	alpha2 := rough * rough * rough * rough
	k := (rough + 1) * (rough + 1) / 8
	d := half*half*(alpha2-1) + 1
	return min(alpha2/(d*d)/4/((facing*(1-k)+k)*(toLight*(1-k)+k)), 1000)
}

// develop maps light of any strength to 0 to 1.
func (s *studio) develop(c vec) vec {
	r, g, b := s.film.Tone(float64(c.x), float64(c.y), float64(c.z))
	return vec{float32(r), float32(g), float32(b)}
}

const displaySteps = 4096

// display encodes linear 0 to 1 as sRGB 0 to 255; what is no number is 0.
func display(x float32) float32 {
	if !(x > 0) {
		return 0
	}
	curve := displayCurve()
	at := min(x, 1) * (displaySteps - 1)
	i := int(at)
	return curve[i] + (curve[i+1]-curve[i])*(at-float32(i))
}

var displayCurve = sync.OnceValue(func() *[displaySteps + 1]float32 {
	var curve [displaySteps + 1]float32
	for i := range curve {
		x := float64(i) / (displaySteps - 1)
		y := 12.92 * x
		if x > 0.0031308 {
			y = 1.055*math.Pow(x, 1/2.4) - 0.055
		}
		curve[i] = float32(255 * min(y, 1))
	}
	return &curve
})
