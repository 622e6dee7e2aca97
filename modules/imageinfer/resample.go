package imageinfer

import (
	"context"
	"image"
	"math"

	"github.com/millrace/millrace/modules/onnx"
)

// precision is how many bits of a weight stand behind the point: with 8 of a channel and 2 to spare they fill 32.
const precision = 32 - 8 - 2

// Weights of the source pixels that make one pixel.
type weights struct {
	from int
	of   []int32 // in units of 1 << precision
}

// spread is how a row of in pixels becomes one of out, of which n are wanted from the first on: each is the mean of the pixels
// under a triangle, which grows as the picture shrinks. Pillow resizes so (ImagingResample with BILINEAR), which the makers of
// most models used; it works in whole numbers too, and so the bytes are the same.
func spread(in, out, first, n int) []weights {
	scale := float64(in) / float64(out)
	wide := max(scale, 1)
	all := make([]weights, n)
	for i := range all {
		center := (float64(first+i) + 0.5) * scale
		from := max(0, int(center-wide+0.5))
		to := min(in, int(center+wide+0.5))
		share, sum := make([]float64, to-from), 0.0
		for x := range share {
			share[x] = max(0, 1-math.Abs((float64(from+x)-center+0.5)/wide))
			sum += share[x]
		}
		all[i] = weights{from, make([]int32, len(share))}
		for x, w := range share {
			all[i].of[x] = int32(0.5 + w/sum*(1<<precision))
		}
	}
	return all
}

// mix is the weighted mean of one channel of pixels that lie step bytes apart, rounded.
func (w weights) mix(pixels []byte, step int) byte {
	sum, at := int32(1<<(precision-1)), w.from*step
	for _, part := range w.of {
		sum += int32(pixels[at]) * part
		at += step
	}
	return byte(min(255, sum>>precision))
}

// A window is the part of a resized picture that a model sees.
type window struct {
	width, height int // of the resized picture
	left, top     int
	size          int // side of the square
}

// windowOf is what torchvision's Resize and CenterCrop make of a picture's size.
func windowOf(size image.Point, d *onnx.Description) window {
	if d.Crop == onnx.CropNone {
		return window{d.Size, d.Size, 0, 0, d.Size}
	}
	w := window{width: d.Resize, height: d.Resize, size: d.Size}
	if size.X < size.Y {
		w.height = int(int64(d.Resize) * int64(size.Y) / int64(size.X))
	} else {
		w.width = int(int64(d.Resize) * int64(size.X) / int64(size.Y))
	}
	w.left = int(math.RoundToEven(float64(w.width-w.size) / 2)) // as Python rounds
	w.top = int(math.RoundToEven(float64(w.height-w.size) / 2))
	return w
}

// shrink returns the pixels of the window, three bytes each. What no pixel of it is made of is not looked at.
func shrink(ctx context.Context, m picture, w window) ([]byte, error) {
	across, down := spread(m.size.X, w.width, w.left, w.size), spread(m.size.Y, w.height, w.top, w.size)
	first, last := down[0].from, 0
	for _, d := range down {
		last = max(last, d.from+len(d.of))
	}
	wide := 3 * w.size
	rows := make([]byte, wide*(last-first))
	line := make([]byte, 3*m.size.X)
	for y := first; y < last; y++ {
		if y%64 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		m.row(y, line)
		row := rows[wide*(y-first):][:wide]
		for x, of := range across {
			for c := range 3 {
				row[3*x+c] = of.mix(line[c:], 3)
			}
		}
	}
	out := make([]byte, wide*w.size)
	for y, of := range down {
		of.from -= first
		for x := range wide {
			out[wide*y+x] = of.mix(rows[x:], wide)
		}
	}
	return out, nil
}

// tensor is what the model takes: one channel after the other, in its order, each pixel less the mean, in standard deviations.
func tensor(pixels []byte, d *onnx.Description) []float32 {
	area := len(pixels) / 3
	out := make([]float32, 3*area)
	for c := range 3 {
		from := c
		if d.Channels == "bgr" {
			from = 2 - c
		}
		for i := range area {
			out[c*area+i] = (float32(pixels[3*i+from])/(255/d.Range) - d.Mean[c]) / d.Std[c]
		}
	}
	return out
}
