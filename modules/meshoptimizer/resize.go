package meshoptimizer

import (
	"image"
	"image/draw"
	"math"
	"sync"
)

// A use is what a texture's numbers mean, which decides how they are averaged.
type use int

const (
	amounts use = iota // each channel by itself: roughness, occlusion
	colours            // sRGB, averaged as light
	normals            // directions in red, green and blue
)

// A canvas is a picture as numbers, four a pixel, alpha not multiplied in.
type canvas struct {
	width, height int
	pix           []float32
}

// straight is the picture with 8 bits a channel, alpha not multiplied in.
func straight(img image.Image) *image.NRGBA {
	b := img.Bounds()
	if same, ok := img.(*image.NRGBA); ok && b.Min == (image.Point{}) {
		return same
	}
	out := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(out, out.Bounds(), img, b.Min, draw.Src)
	return out
}

// resize makes a picture of another size by Lanczos' filter.
func resize(img *image.NRGBA, width, height int, is use) *image.NRGBA {
	c := decode(img, is)
	c = c.across(width).turned()
	c = c.across(height).turned()
	return c.encode(is)
}

func decode(img *image.NRGBA, is use) canvas {
	light := lights()
	c := canvas{img.Rect.Dx(), img.Rect.Dy(), make([]float32, len(img.Pix))}
	rows(c.height, func(y int) {
		line, out := img.Pix[y*img.Stride:][:4*c.width], c.pix[4*y*c.width:]
		for i, v := range line {
			if is == colours && i&3 != 3 {
				out[i] = light[v]
			} else {
				out[i] = float32(v) / 255
			}
		}
	})
	return c
}

// lights is how much light an sRGB value stands for.
var lights = sync.OnceValue(func() (table [256]float32) {
	for i := range table {
		x := float64(i) / 255
		if x <= 0.04045 {
			table[i] = float32(x / 12.92)
		} else {
			table[i] = float32(math.Pow((x+0.055)/1.055, 2.4))
		}
	}
	return table
})

// shades is lights the other way, in 4096 steps of the square root of light, finer than the eye and 8 bits are.
var shades = sync.OnceValue(func() (table [4097]uint8) {
	for i := range table {
		x := math.Pow(float64(i)/4096, 2)
		if x <= 0.0031308 {
			x *= 12.92
		} else {
			x = 1.055*math.Pow(x, 1/2.4) - 0.055
		}
		table[i] = uint8(x*255 + 0.5)
	}
	return table
})

func (c canvas) encode(is use) *image.NRGBA {
	shade := shades()
	out := image.NewNRGBA(image.Rect(0, 0, c.width, c.height))
	rows(c.height, func(y int) {
		for i := 4 * y * c.width; i < 4*(y+1)*c.width; i += 4 {
			p := c.pix[i : i+4]
			if is == normals {
				straighten(p)
			}
			for k, v := range p {
				v = min(max(v, 0), 1)
				if is == colours && k < 3 {
					out.Pix[i+k] = shade[int(math.Sqrt(float64(v))*4096+0.5)]
				} else {
					out.Pix[i+k] = uint8(v*255 + 0.5)
				}
			}
		}
	})
	return out
}

// straighten makes the direction in a pixel one of length 1.
func straighten(p []float32) {
	x, y, z := float64(p[0])*2-1, float64(p[1])*2-1, float64(p[2])*2-1
	if n := math.Sqrt(x*x + y*y + z*z); n > 0 {
		p[0], p[1], p[2] = float32(x/n/2+0.5), float32(y/n/2+0.5), float32(z/n/2+0.5)
	}
}

// across makes rows of another width.
func (c canvas) across(width int) canvas {
	if width == c.width {
		return c
	}
	const lobes = 3
	scale := float64(c.width) / float64(width)
	reach := lobes * max(scale, 1)
	type tap struct {
		from    int
		weights []float32
	}
	taps := make([]tap, width)
	for x := range taps {
		center := (float64(x)+0.5)*scale - 0.5
		first := int(math.Ceil(center - reach))
		weights := make([]float32, int(math.Floor(center+reach))-first+1)
		sum := 0.0
		for i := range weights {
			sum += lanczos((float64(first+i)-center)/max(scale, 1), lobes)
		}
		for i := range weights {
			weights[i] = float32(lanczos((float64(first+i)-center)/max(scale, 1), lobes) / sum)
		}
		taps[x] = tap{first, weights}
	}
	out := canvas{width, c.height, make([]float32, 4*width*c.height)}
	rows(c.height, func(y int) {
		line := c.pix[4*y*c.width : 4*(y+1)*c.width]
		for x, t := range taps {
			var r, g, b, a float32
			for i, w := range t.weights {
				p := line[4*min(max(t.from+i, 0), c.width-1):]
				r, g, b, a = r+w*p[0], g+w*p[1], b+w*p[2], a+w*p[3]
			}
			copy(out.pix[4*(y*width+x):], []float32{r, g, b, a})
		}
	})
	return out
}

// turned swaps rows and columns.
func (c canvas) turned() canvas {
	out := canvas{c.height, c.width, make([]float32, len(c.pix))}
	rows(c.height, func(y int) {
		for x := range c.width {
			copy(out.pix[4*(x*c.height+y):][:4], c.pix[4*(y*c.width+x):])
		}
	})
	return out
}

func lanczos(x, lobes float64) float64 {
	if x == 0 {
		return 1
	}
	if math.Abs(x) >= lobes {
		return 0
	}
	x *= math.Pi
	return lobes * math.Sin(x) * math.Sin(x/lobes) / (x * x)
}

// rows calls f for every row, from several goroutines.
func rows(n int, f func(y int)) {
	const workers = 4
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for y := w; y < n; y += workers {
				f(y)
			}
		})
	}
	wg.Wait()
}
