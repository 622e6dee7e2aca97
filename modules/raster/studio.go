package raster

import (
	"math"
	"sync"
)

// A studio is the light that a scene stands in. It turns with the camera, so that every side is shown well.
type studio struct {
	camera         *camera
	key, fill, rim vec // directions towards the lights
	shadows        *shadowMap
}

func newStudio(c *camera) *studio {
	along := func(right, up, back float32) vec {
		return c.right.times(right).add(c.up.times(up)).add(c.back.times(back)).unit()
	}
	return &studio{
		camera: c,
		key:    along(-0.68, 0.62, 0.78),
		fill:   along(0.95, 0.15, 0.55),
		rim:    along(0.35, 0.75, -0.9),
	}
}

const (
	roughness = 0.42
	metal     = 0.55 // between clay and steel
)

// steel is the colour of what has none.
func steel() vec { return vec{0.43, 0.46, 0.50} }

// light is the colour that a surface sends to the eye, linear. open and lit are how much it sees of the sky and of the key
// light.
func (s *studio) light(p, n, albedo vec, open, lit float32) vec {
	toEye := s.camera.eye.sub(p).unit()
	if n.dot(toEye) < 0.02 { // a smooth normal may lean away from the eye
		n = n.add(toEye.times(0.02 - n.dot(toEye))).unit()
	}
	facing := n.dot(toEye)
	diffuse := albedo.times(1 - metal)
	mirror := vec{0.04, 0.04, 0.04}.mix(albedo, metal)
	edge := 1 - facing
	edge = edge * edge * edge * edge * edge
	fresnel := mirror.add(vec{1 - mirror.x, 1 - mirror.y, 1 - mirror.z}.times(edge * (1 - roughness)))

	reflected := n.times(2 * facing).sub(toEye)
	out := diffuse.mul(s.sky(n)).times(open)
	out = out.add(fresnel.mul(s.softboxes(reflected)).times(0.35 + 0.65*open*open))
	for _, l := range [3]struct {
		to    vec
		color vec
		lit   float32
	}{
		{s.key, vec{2.55, 2.45, 2.30}, lit},
		{s.fill, vec{0.42, 0.50, 0.62}, 0.4 + 0.6*open},
		{s.rim, vec{0.80, 0.86, 0.95}, open},
	} {
		toLight := n.dot(l.to)
		if toLight <= 0 || l.lit == 0 {
			continue
		}
		shine := diffuse.add(fresnel.times(specular(n, l.to, toEye, facing, toLight)))
		out = out.add(shine.mul(l.color).times(toLight * l.lit))
	}
	return out
}

// specular is the GGX lobe with Schlick's masking, without Fresnel's factor.
func specular(n, toLight, toEye vec, facing, lightCos float32) float32 {
	const alpha2 = roughness * roughness * roughness * roughness
	const k = (roughness + 1) * (roughness + 1) / 8
	half := n.dot(toLight.add(toEye).unit())
	d := half*half*(alpha2-1) + 1
	spread := alpha2 / (d * d) / 4
	return min(spread/((facing*(1-k)+k)*(lightCos*(1-k)+k)), 12)
}

// sky is the light from all sides that a surface with normal n gets: cool from above, warm from the ground.
func (s *studio) sky(n vec) vec {
	up := n.y*0.5 + 0.5
	return vec{0.34, 0.32, 0.30}.mix(vec{0.86, 0.92, 1.02}, up*up*(3-2*up))
}

// softboxes is what a rough mirror sees of the studio: a ceiling, two tall lamps, and the floor.
func (s *studio) softboxes(d vec) vec {
	right, back := d.dot(s.camera.right), d.dot(s.camera.back)
	base := vec{0.22, 0.21, 0.20}.mix(vec{0.62, 0.66, 0.72}, step(-0.5, 0.5, d.y))
	lamp := step(0.25, 1, d.dot(s.key)) * 1.5
	strip := step(0.35, 0.9, right) * step(-0.7, 0.1, d.y) * 0.55
	horizon := step(0.5, 0, abs(d.y+0.05)) * step(0.3, -0.6, back) * 0.35
	return base.add(vec{1, 0.98, 0.94}.times(lamp)).add(vec{0.9, 0.96, 1.05}.times(strip + horizon))
}

// film maps light of any strength to 0 to 1: straight in the shadows, with a long shoulder, and bends colours to white
// where they burn out.
func film(c vec) vec {
	const exposure = 0.92
	curve := func(x float32) float32 {
		x *= exposure
		return min(x*(1+x/9)/(1+x*0.82), 1)
	}
	return vec{curve(c.x), curve(c.y), curve(c.z)}
}

const displaySteps = 4096

// display encodes linear 0 to 1 as sRGB 0 to 255.
func display(x float32) float32 {
	curve := displayCurve()
	at := min(max(x, 0), 1) * (displaySteps - 1)
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
