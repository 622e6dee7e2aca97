package raster

import (
	"context"
	"math"
)

// A View is the side from which a scene is seen, in degrees. Azimuth 0 looks at its front, from +z; 90 at its right, from
// +x. Elevation 90 looks straight down.
type View struct {
	Azimuth, Elevation float64
	// Turning says that the view is one of many around the y axis, from all of which the camera is as high and as far away: the
	// scene fills the widest picture of a whole turn.
	Turning bool
}

// ThreeQuarter is the view that shows most of a thing: from the front, the right and above.
func ThreeQuarter() View { return View{Azimuth: 32, Elevation: 22} }

// ViewNames are the words that NamedView takes.
func ViewNames() []string { return []string{"front", "back", "left", "right", "top", "bottom"} }

// NamedView returns the view of one of ViewNames.
func NamedView(name string) (v View, ok bool) {
	switch name {
	case "front":
		return View{}, true
	case "back":
		return View{Azimuth: 180}, true
	case "left":
		return View{Azimuth: -90}, true
	case "right":
		return View{Azimuth: 90}, true
	case "top":
		return View{Elevation: 90}, true
	case "bottom":
		return View{Elevation: -90}, true
	}
	return View{}, false
}

// Turntable returns n views all around, a little from above.
func Turntable(n int) []View {
	views := make([]View, n)
	for i := range views {
		views[i] = View{Azimuth: 360 * float64(i) / float64(n), Elevation: 18, Turning: true}
	}
	return views
}

const (
	halfField = 14 * math.Pi / 180 // of the shorter side of the picture
	filled    = 0.84               // how much of the picture the scene may take
	nearest   = 0.1                // between the camera and the scene
)

// A camera projects points. Its own axes are right, up and back (towards the eye).
type camera struct {
	right, up, back vec
	eye             vec
	focal           float32 // in widths of the picture
	aspect          float32 // width by height
}

// A spot is a point in the picture: x and y in widths of it from its middle, x to the right, y down; w is 1/distance.
type spot struct{ x, y, w float32 }

// newCamera stands where all of points just fill the picture, or the widest one of their turn.
func newCamera(ctx context.Context, v View, points []vec, width, height int) (*camera, error) {
	sinA, cosA := math.Sincos(v.Azimuth * math.Pi / 180)
	sinE, cosE := math.Sincos(v.Elevation * math.Pi / 180)
	c := &camera{
		right:  vec{float32(cosA), 0, float32(-sinA)},
		back:   vec{float32(sinA * cosE), float32(sinE), float32(cosA * cosE)},
		aspect: float32(width) / float32(height),
	}
	c.up = c.back.cross(c.right)
	half := float32(math.Tan(halfField)) * max(c.aspect, 1)
	c.focal = 0.5 / half
	if v.Turning {
		y, d := c.orbit(points, half)
		c.eye = c.up.times(y).add(c.back.times(d))
		return c, nil
	}

	var x, y float32 // of the camera, along right and up
	for range 3 {
		d := c.distance(points, x, y, half)
		c.eye = c.right.times(x).add(c.up.times(y)).add(c.back.times(d))
		left, right, top, bottom := c.extent(points)
		x += (left + right) / 2 / c.focal * d
		y -= (top + bottom) / 2 / c.focal * d
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	d := c.distance(points, x, y, half)
	c.eye = c.right.times(x).add(c.up.times(y)).add(c.back.times(d))
	return c, nil
}

// Camera is where the camera of a picture stands in the space of the mesh: its axes to the right, up and back, and its place,
// columns of a matrix.
func (s *Scene) Camera(ctx context.Context, o Options) ([16]float64, error) {
	c, err := newCamera(ctx, o.View, s.points, o.Width, o.Height)
	if err != nil {
		return [16]float64{}, err
	}
	wide := func(x float32, k int) float64 { return float64(x)*s.radius + s.middle[k] }
	return [16]float64{
		float64(c.right.x), float64(c.right.y), float64(c.right.z), 0,
		float64(c.up.x), float64(c.up.y), float64(c.up.z), 0,
		float64(c.back.x), float64(c.back.y), float64(c.back.z), 0,
		wide(c.eye.x, 0), wide(c.eye.y, 1), wide(c.eye.z, 2), 1,
	}, nil
}

// distance is how far back a camera at x, y must stand to see all points; half is the tangent of half its field.
func (c *camera) distance(points []vec, x, y, half float32) float32 {
	d := float32(0)
	wide, high := 1/(half*filled), c.aspect/(half*filled)
	for _, p := range points {
		z := p.dot(c.back)
		d = max(d, z+nearest, z+abs(p.dot(c.right)-x)*wide, z+abs(p.dot(c.up)-y)*high)
	}
	return d
}

// orbit is where, along up and back, a camera sees all points however they are turned around the y axis; half is as for distance.
func (c *camera) orbit(points []vec, half float32) (y, d float32) {
	wide, high := 1/(half*filled), c.aspect/(half*filled)
	sin, cos := c.back.y, c.up.y
	var above, below float32 // how far back the upper and the lower edge of the picture want it, where y is 0
	for _, p := range points {
		r := float32(math.Hypot(float64(p.x), float64(p.z)))
		d = max(d, p.y*sin+r*abs(cos)+nearest, p.y*sin+r*float32(math.Hypot(float64(cos), float64(wide))))
		above = max(above, p.y*(sin+high*cos)+r*abs(cos-high*sin))
		below = max(below, p.y*(sin-high*cos)+r*abs(cos+high*sin))
	}
	return (above - below) / (2 * high), max(d, (above+below)/2)
}

func (c *camera) extent(points []vec) (left, right, top, bottom float32) {
	for _, p := range points {
		s := c.project(p)
		left, right, top, bottom = min(left, s.x), max(right, s.x), min(top, s.y), max(bottom, s.y)
	}
	return left, right, top, bottom
}

func (c *camera) project(p vec) spot {
	p = p.sub(c.eye)
	w := -1 / p.dot(c.back)
	return spot{p.dot(c.right) * c.focal * w, -p.dot(c.up) * c.focal * w, w}
}

// ray is the direction from the eye through a place in the picture; it is 1 long along the axis of the camera.
func (c *camera) ray(x, y float32) vec {
	return c.right.times(x / c.focal).sub(c.up.times(y / c.focal)).sub(c.back)
}

func abs(x float32) float32 { return max(x, -x) }
