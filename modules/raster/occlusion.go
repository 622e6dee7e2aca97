package raster

import "context"

const (
	occlusionTexels  = 1024 // along the longer side of the picture, at most
	occlusionSamples = 18
	occlusionReach   = 0.30 // of the scene's radius
	occlusionDepth   = 1.3  // how dark it gets
	occlusionBlur    = 3    // texels to each side
)

// An occlusionMap says for places of the picture how open the surface there is to light from all sides.
type occlusionMap struct {
	*depthMap
	perWidth float32 // texels across the picture
	open     []float32
	around   disc
}

// occlusion estimates from the depths around each texel how much of the sky its surface sees: the scalable ambient
// obscurance of McGuire, Mara and Luebke (2012), without its hierarchy of depths. width and height are the picture's.
func (s *Scene) occlusion(ctx context.Context, c *camera, width, height int) (*occlusionMap, error) {
	if longer := max(width, height); longer > occlusionTexels {
		width = (width*occlusionTexels + longer - 1) / longer
		height = (height*occlusionTexels + longer - 1) / longer
	}
	o := &occlusionMap{
		perWidth: float32(width),
		open:     make([]float32, width*height),
		around:   newDisc(occlusionSamples, 7.0/occlusionSamples, func(t float64) float64 { return t }),
	}
	var err error
	o.depthMap, err = sieve{scene: s}.depth(ctx, width, height, func(p vec) (x, y, near float32) {
		spot := c.project(p)
		return o.texel(spot.x, float32(width)), o.texel(spot.y, float32(height)), spot.w
	})
	if err != nil {
		return nil, err
	}
	if err = parallel(ctx, height, func(y int) { o.row(s, c, y) }); err != nil {
		return nil, err
	}
	return o, o.blur(ctx)
}

// texel turns a place, in widths of the picture from its middle, into texels; across is the size of that side.
func (o *occlusionMap) texel(at, across float32) float32 { return at*o.perWidth + across/2 }

// point is where the surface at a texel is, as the camera sees it: relative to the eye, along its axes.
func (o *occlusionMap) point(c *camera, x, y int) vec {
	z := 1 / o.near[y*o.width+x]
	scale := z / (c.focal * o.perWidth)
	return vec{
		(float32(x) + 0.5 - float32(o.width)/2) * scale,
		-(float32(y) + 0.5 - float32(o.height)/2) * scale,
		-z,
	}
}

func (o *occlusionMap) row(s *Scene, c *camera, y int) {
	for x := range o.width {
		i := y*o.width + x
		if o.near[i] == 0 {
			o.open[i] = 1
			continue
		}
		p := o.point(c, x, y)
		n := s.flatNormal(o.face[i])
		n = vec{n.dot(c.right), n.dot(c.up), n.dot(c.back)}
		if n.dot(p) > 0 {
			n = n.times(-1)
		}
		o.open[i] = o.openness(c, x, y, p, n)
	}
}

// openness is how much a surface at p, with normal n, sees: 0 to 1.
func (o *occlusionMap) openness(c *camera, x, y int, p, n vec) float32 {
	reach := min(occlusionReach*c.focal*o.perWidth*o.near[y*o.width+x], float32(o.width)/4)
	turn := newTurn(noise(x, y))
	var sum float32
	for _, at := range o.around {
		dx, dy := turn.of(at)
		qx, qy := x+int(dx*reach), y+int(dy*reach)
		if qx < 0 || qy < 0 || qx >= o.width || qy >= o.height || o.near[qy*o.width+qx] == 0 {
			continue
		}
		v := o.point(c, qx, qy).sub(p)
		far := v.dot(v)
		fade := max(0, 1-far/(occlusionReach*occlusionReach))
		sum += fade * fade * max(0, v.dot(n)-0.006) / (far + 0.002)
	}
	return max(0, 1-occlusionDepth*occlusionReach*sum/occlusionSamples*2)
}

// blur takes out the noise, along x and then along y, but not across steps in depth.
func (o *occlusionMap) blur(ctx context.Context) error {
	for _, stride := range []int{1, o.width} {
		out := make([]float32, len(o.open))
		err := parallel(ctx, o.height, func(y int) {
			for x := range o.width {
				place, side := x, o.width
				if stride != 1 {
					place, side = y, o.height
				}
				out[y*o.width+x] = o.blurred(y*o.width+x, stride, max(-occlusionBlur, -place), min(occlusionBlur, side-1-place))
			}
		})
		if err != nil {
			return err
		}
		o.open = out
	}
	return nil
}

func (o *occlusionMap) blurred(i, stride, from, to int) float32 {
	near := o.near[i]
	if near == 0 {
		return 1
	}
	var sum, weights float32
	for k := from; k <= to; k++ {
		j := i + k*stride
		weight := alike(near, o.near[j])
		sum += weight * o.open[j]
		weights += weight
	}
	return sum / weights
}

// alike is 1 for equal depths and 0 for those that are not of one surface.
func alike(a, b float32) float32 { return max(0, 1-abs(a/b-1)*60) }

// at is the openness at a place of the picture whose surface is that near.
func (o *occlusionMap) at(p spot) float32 {
	fx, fy := o.texel(p.x, float32(o.width))-0.5, o.texel(p.y, float32(o.height))-0.5
	x, y := int(max(fx, 0)), int(max(fy, 0))
	var sum, weights float32
	for k := range 4 {
		qx, qy := min(x+k&1, o.width-1), min(y+k>>1, o.height-1)
		i := qy*o.width + qx
		weight := max(0, 1-abs(fx-float32(qx))) * max(0, 1-abs(fy-float32(qy)))
		if o.near[i] == 0 {
			continue
		}
		weight = (weight + 0.001) * (alike(p.w, o.near[i]) + 0.001)
		sum += weight * o.open[i]
		weights += weight
	}
	if weights == 0 {
		return 1
	}
	return sum / weights
}

// flatNormal is the normal of a whole face.
func (s *Scene) flatNormal(face uint32) vec {
	f := s.faces[face]
	a := s.points[f[0]]
	return s.points[f[1]].sub(a).cross(s.points[f[2]].sub(a)).unit()
}
