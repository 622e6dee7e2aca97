package threejs

import (
	"image/color"
	"math"
)

// A Film is what light becomes in a picture.
type Film struct {
	exposure float64
	curve    func(rgb) rgb // linear 0 to 1
}

type rgb [3]float64

// Film is what develops light as three.js does.
func (l *Look) Film() Film {
	f := Film{exposure: 1, curve: neutral}
	if l.Exposure != nil {
		f.exposure = *l.Exposure
	}
	switch l.ToneMapping {
	case "aces":
		f.curve, f.exposure = aces, f.exposure/0.6
	case "agx":
		f.curve = agx
	case "reinhard":
		f.curve = func(c rgb) rgb { return c.each(func(x float64) float64 { return x / (1 + x) }) }
	case "linear":
		f.curve = func(c rgb) rgb { return c }
	case "none": // which knows no exposure
		f.curve, f.exposure = func(c rgb) rgb { return c }, 1
	}
	return f
}

// Tone maps light of any strength to linear 0 to 1.
func (f Film) Tone(r, g, b float64) (float64, float64, float64) {
	c := f.curve(rgb{r, g, b}.times(f.exposure)).each(func(x float64) float64 { return min(max(x, 0), 1) })
	return c[0], c[1], c[2]
}

// Develop makes a pixel of linear light, whose colours are multiplied by alpha.
func (f Film) Develop(r, g, b, alpha float64) color.RGBA {
	if !(alpha > 0) {
		return color.RGBA{}
	}
	alpha = min(alpha, 1)
	r, g, b = f.Tone(r/alpha, g/alpha, b/alpha)
	c := rgb{r, g, b}.each(func(x float64) float64 { return math.Round(255 * alpha * display(x)) })
	return color.RGBA{uint8(c[0]), uint8(c[1]), uint8(c[2]), uint8(math.Round(255 * alpha))}
}

// display encodes linear 0 to 1 as sRGB.
func display(x float64) float64 {
	if x <= 0.0031308 {
		return 12.92 * x
	}
	return 1.055*math.Pow(x, 1/2.4) - 0.055
}

// neutral is the Khronos PBR Neutral Tone Mapper: colours below 0.8 stay as they are.
func neutral(c rgb) rgb {
	const start, desaturation = 0.8 - 0.04, 0.15
	low := min(c[0], c[1], c[2])
	offset := 0.04
	if low < 0.08 {
		offset = low - 6.25*low*low
	}
	c = c.each(func(x float64) float64 { return x - offset })
	peak := max(c[0], c[1], c[2])
	if peak < start {
		return c
	}
	const d = 1 - start
	top := 1 - d*d/(peak+d-start)
	c = c.times(top / peak)
	gray := 1 - 1/(desaturation*(peak-top)+1)
	return c.each(func(x float64) float64 { return x*(1-gray) + top*gray })
}

// aces is the fit of the ACES film curve by Stephen Hill.
func aces(c rgb) rgb {
	c = c.mul([3]rgb{{0.59719, 0.35458, 0.04823}, {0.07600, 0.90834, 0.01566}, {0.02840, 0.13383, 0.83777}})
	c = c.each(func(x float64) float64 {
		return (x*(x+0.0245786) - 0.000090537) / (x*(0.983729*x+0.4329510) + 0.238081)
	})
	return c.mul([3]rgb{{1.60475, -0.53108, -0.07367}, {-0.10208, 1.10813, -0.00605}, {-0.00327, -0.07276, 1.07602}})
}

// agx is AgX with the polynomial that Filament has for its curve.
func agx(c rgb) rgb {
	c = c.mul([3]rgb{{0.6274, 0.3293, 0.0433}, {0.0691, 0.9195, 0.0113}, {0.0164, 0.0880, 0.8956}}) // to Rec. 2020
	c = c.mul([3]rgb{
		{0.856627153315983, 0.0951212405381588, 0.0482516061458583},
		{0.137318972929847, 0.761241990602591, 0.101439036467562},
		{0.11189821299995, 0.0767994186031903, 0.811302368396859},
	})
	const low, high = -12.47393, 4.026069 // stops
	c = c.each(func(x float64) float64 {
		x = min(max((math.Log2(max(x, 1e-10))-low)/(high-low), 0), 1)
		return -0.00232 + x*(0.1191+x*(0.4298+x*(-6.868+x*(31.96+x*(-40.14+x*15.5)))))
	})
	c = c.mul([3]rgb{
		{1.1271005818144368, -0.11060664309660323, -0.016493938717834573},
		{-0.1413297634984383, 1.157823702216272, -0.016493938717834257},
		{-0.14132976349843826, -0.11060664309660294, 1.2519364065950405},
	})
	c = c.each(func(x float64) float64 { return math.Pow(max(x, 0), 2.2) })
	return c.mul([3]rgb{{1.6605, -0.5876, -0.0728}, {-0.1246, 1.1329, -0.0083}, {-0.0182, -0.1006, 1.1187}})
}

func (c rgb) each(f func(float64) float64) rgb { return rgb{f(c[0]), f(c[1]), f(c[2])} }

func (c rgb) times(k float64) rgb { return rgb{c[0] * k, c[1] * k, c[2] * k} }

// mul is a matrix, by rows, times c.
func (c rgb) mul(m [3]rgb) (out rgb) {
	for i, row := range m {
		out[i] = row[0]*c[0] + row[1]*c[1] + row[2]*c[2]
	}
	return out
}
