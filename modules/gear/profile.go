package gear

import "math"

// Segments of each part of a tooth's outline.
const (
	flankSteps = 4
	rootFillet = 3
	tipSteps   = 2
	rootSteps  = 2

	pointsPerSide  = rootFillet + flankSteps + 1
	pointsPerTooth = 2*pointsPerSide + tipSteps - 1 + rootSteps - 1
)

// A profile is the outline of the teeth in the plane, counter-clockwise, pointsPerTooth for each tooth. It begins half a gap
// after the x axis.
type profile [][2]float64

// toothProfile draws involute teeth of standard height: one module above the pitch circle, 1.25 below.
func toothProfile(teeth int) profile {
	pitch := module * float64(teeth) / 2
	base := pitch * math.Cos(pressureAngle)
	tip, root := pitch+module, pitch-1.25*module
	involute := func(a float64) float64 { return math.Tan(a) - a }
	// half is the angle between a tooth's middle and its flank at a radius; below the base circle the flank is straight.
	half := func(radius float64) float64 {
		return math.Pi/(2*float64(teeth)) + involute(pressureAngle) - involute(math.Acos(min(1, base/radius)))
	}
	fillet := 0.35 * module
	var side [][2]float64 // angle from the tooth's middle and radius, from root to tip
	corner, rootStart := half(root), half(root)+fillet/root
	for i := range rootFillet {
		t := float64(i) / rootFillet
		side = append(side, [2]float64{
			(1-t)*(1-t)*rootStart + 2*t*(1-t)*corner + t*t*half(root+fillet),
			root + t*t*fillet,
		})
	}
	for i := range flankSteps + 1 {
		radius := root + fillet + (tip-root-fillet)*float64(i)/flankSteps
		side = append(side, [2]float64{half(radius), radius})
	}
	var out profile
	step := 2 * math.Pi / float64(teeth)
	add := func(angle, radius float64) {
		s, c := math.Sincos(angle)
		out = append(out, [2]float64{radius * c, radius * s})
	}
	for tooth := range teeth {
		middle := step * (float64(tooth) + 0.5)
		for _, p := range side {
			add(middle-p[0], p[1])
		}
		for i := 1; i < tipSteps; i++ {
			add(middle+half(tip)*(2*float64(i)/tipSteps-1), tip)
		}
		for i := range side {
			p := side[len(side)-1-i]
			add(middle+p[0], p[1])
		}
		for i := 1; i < rootSteps; i++ {
			add(middle+rootStart+(step-2*rootStart)*float64(i)/rootSteps, root)
		}
	}
	return out
}

func (p profile) at(z float64) ring {
	r := make(ring, len(p))
	for k, q := range p {
		r[k] = point{q[0], q[1], z}
	}
	return r
}

// inset moves the outline by d into the gear.
func (p profile) inset(d float64) profile {
	out := make(profile, len(p))
	for k, q := range p {
		before, after := p[(k+len(p)-1)%len(p)], p[(k+1)%len(p)]
		dx, dy := after[0]-before[0], after[1]-before[1]
		length := math.Hypot(dx, dy)
		out[k] = [2]float64{q[0] - d*dy/length, q[1] + d*dx/length}
	}
	return out
}

// circle has n points at even angles; those of a profile of n points lie near the same angles.
func circle(n, teeth int, radius, z float64) ring {
	step := 2 * math.Pi / float64(n)
	first := math.Pi/float64(teeth) - step*(pointsPerSide+float64(tipSteps)/2-1)
	r := make(ring, n)
	for k := range r {
		s, c := math.Sincos(first + step*float64(k))
		r[k] = point{radius * c, radius * s, z}
	}
	return r
}

// A keyway is a bore with a slot for the key, at +y.
type keyway struct{ radius, width, depth float64 }

// ring makes the bore larger all around by d. Its n points are at about even angles; the same ones mark the slot whatever
// d is.
func (w keyway) ring(n int, d, z float64) ring {
	radius, half, top := w.radius+d, w.width/2+d, w.radius+w.depth+d
	mouth := math.Asin(half / radius)
	step := 2 * math.Pi / float64(n)
	wall := max(1, int(math.Asin(w.width/2/w.radius)/step)) // points from the middle of the slot to its mouth
	roof := max(1, int(math.Atan(w.width/2/(w.radius+w.depth))/step))
	side := func(k int) (x, y float64) { // k points to the right of the slot's middle
		switch {
		case k <= roof:
			return half * float64(k) / float64(roof), top
		case k <= wall:
			t := float64(k-roof) / float64(wall-roof)
			return half, top + t*(radius*math.Cos(mouth)-top)
		}
		s, c := math.Sincos(mouth + (math.Pi-mouth)*float64(k-wall)/float64(n/2-wall))
		return radius * s, radius * c
	}
	r := make(ring, n)
	for k := range r {
		x, y := side(min(k, n-k))
		if k > n/2 {
			x = -x
		}
		r[(n-k+n/4)%n] = point{x, y, z}
	}
	return r
}
