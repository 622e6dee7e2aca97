package raster

import (
	"context"
	"math"
)

const (
	shadowTexels  = 1024
	shadowSoft    = 3.4 // texels: how wide the edge of a shadow is
	shadowSamples = 12

	groundTexels = 256
	groundReach  = 1.7  // the ground's map covers this much to each side of the middle
	groundHeight = 0.55 // what is higher above the ground casts no shadow on it
	groundDark   = 0.45
)

// A shadowMap is the scene as a light far away sees it.
type shadowMap struct {
	*depthMap
	right, up, back vec
	around          disc
}

func (s *Scene) shadows(ctx context.Context, light vec) (*shadowMap, error) {
	m := &shadowMap{back: light, around: newDisc(shadowSamples, goldenTurn, math.Sqrt)}
	aside := vec{0, 1, 0}
	if abs(light.y) > 0.9 {
		aside = vec{1, 0, 0}
	}
	m.right = aside.cross(light).unit()
	m.up = light.cross(m.right)
	var err error
	m.depthMap, err = sieve{s, true}.depth(ctx, shadowTexels, shadowTexels, m.where)
	return m, err
}

// where is the texel of a point. The scene lies in the unit sphere; its shadow map covers a little more.
func (m *shadowMap) where(p vec) (x, y, near float32) {
	const half, scale = shadowTexels / 2, shadowTexels / 2 * 0.98
	return half + p.dot(m.right)*scale, half - p.dot(m.up)*scale, 2 + p.dot(m.back)
}

// lit is how much of the light a point with normal n gets, 0 to 1. t should differ between neighbouring pixels.
func (m *shadowMap) lit(p, n vec, t turn) float32 {
	facing := n.dot(m.back)
	if facing <= 0 {
		return 0
	}
	p = p.add(n.times(0.012 * (1.2 - facing)))
	x, y, near := m.where(p)
	near += 0.004
	clear := 0
	for _, at := range m.around {
		dx, dy := t.of(at)
		qx, qy := int(x+dx*shadowSoft), int(y+dy*shadowSoft)
		if qx < 0 || qy < 0 || qx >= m.width || qy >= m.height || m.near[qy*m.width+qx] <= near {
			clear++
		}
	}
	return float32(clear) / shadowSamples
}

// A ground is the soft shadow below the scene.
type ground struct {
	floor float32
	dark  []float32 // 0 to 1
}

func (s *Scene) ground(ctx context.Context) (*ground, error) {
	g := &ground{floor: s.floor}
	const highest = 3 // more than anything is above the ground
	below, err := sieve{s, true}.depth(ctx, groundTexels, groundTexels, func(p vec) (x, y, near float32) {
		x, y = g.texel(p)
		return x, y, highest - (p.y - s.floor)
	})
	if err != nil {
		return nil, err
	}
	g.dark = make([]float32, len(below.near))
	for i, near := range below.near {
		if near > 0 {
			clear := min((highest-near)/groundHeight, 1)
			g.dark[i] = (1 - clear) * (1 - clear)
		}
	}
	for range 3 {
		g.dark = boxBlur(boxBlur(g.dark))
	}
	return g, nil
}

func (g *ground) texel(p vec) (x, y float32) {
	const scale = groundTexels / 2 / groundReach
	return groundTexels/2 + p.x*scale, groundTexels/2 + p.z*scale
}

// boxBlur blurs along x, and swaps x and y.
func boxBlur(in []float32) []float32 {
	const n, reach = groundTexels, 5
	out := make([]float32, len(in))
	for y := range n {
		row := in[y*n : (y+1)*n]
		var sum float32
		for x := -reach; x < n; x++ {
			if x+reach < n {
				sum += row[x+reach]
			}
			if x > reach {
				sum -= row[x-reach-1]
			}
			if x >= 0 {
				out[x*n+y] = max(sum, 0) / (2*reach + 1)
			}
		}
	}
	return out
}

// shade is how dark the ground is where a ray from the eye meets it; 0 where it does not.
func (g *ground) shade(eye, ray vec) float32 {
	if ray.y >= 0 || eye.y <= g.floor {
		return 0
	}
	fx, fy := g.texel(eye.add(ray.times((g.floor - eye.y) / ray.y)))
	fx, fy = fx-0.5, fy-0.5
	if fx < 0 || fy < 0 || fx >= groundTexels-1 || fy >= groundTexels-1 {
		return 0
	}
	x, y := int(fx), int(fy)
	fx, fy = fx-float32(x), fy-float32(y)
	i := y*groundTexels + x
	above := g.dark[i]*(1-fx) + g.dark[i+1]*fx
	below := g.dark[i+groundTexels]*(1-fx) + g.dark[i+groundTexels+1]*fx
	return min(groundDark, (above*(1-fy)+below*fy)*0.9)
}
