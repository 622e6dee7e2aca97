package raster

import "math"

// goldenTurn spreads points on a spiral most evenly.
const goldenTurn = 0.618034

// A disc is places to look at around one, on a spiral in the unit circle.
type disc [][2]float32

// newDisc makes n places, each turns of the circle after the one before; radius maps 0 to 1 to 0 to 1.
func newDisc(n int, turns float64, radius func(float64) float64) disc {
	d := make(disc, n)
	for k := range d {
		s, c := math.Sincos(2 * math.Pi * turns * float64(k))
		r := radius((float64(k) + 0.5) / float64(n))
		d[k] = [2]float32{float32(r * c), float32(r * s)}
	}
	return d
}

// A turn turns the places of a disc.
type turn struct{ sin, cos float32 }

func newTurn(circles float32) turn {
	s, c := math.Sincos(2 * math.Pi * float64(circles))
	return turn{float32(s), float32(c)}
}

func (t turn) of(at [2]float32) (x, y float32) {
	return at[0]*t.cos - at[1]*t.sin, at[0]*t.sin + at[1]*t.cos
}

// noise is a turn, 0 to 1, that differs most between neighbouring pixels (interleaved gradient noise, Jimenez 2014).
func noise(x, y int) float32 {
	f := 0.06711056*float64(x) + 0.00583715*float64(y)
	f = 52.9829189 * (f - math.Floor(f))
	return float32(f - math.Floor(f))
}
