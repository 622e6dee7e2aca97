package threejs

import (
	"fmt"
	"image/color"
	"math"
	"strconv"
	"strings"
)

// defaultRoom is how bright the room is where nobody says, as scene.js has it.
const defaultRoom = 0.55

// Room is how bright the room is; 0 is none.
func (l *Look) Room() float64 {
	switch {
	case l.Environment == "none":
		return 0
	case l.EnvironmentIntensity != nil:
		return *l.EnvironmentIntensity
	}
	return defaultRoom
}

// Lamps are those beside the room: where none were chosen a key, a fill and a rim, as scene.js has them.
func (l *Look) Lamps() []Light {
	if l.Lights != nil {
		return l.Lights
	}
	return []Light{
		{Type: "directional", Color: "#fff6ea", Intensity: 1.6, Position: &[3]float64{-0.68, 0.62, 0.78}},
		{Type: "directional", Color: "#dbe8ff", Intensity: 0.35, Position: &[3]float64{0.95, 0.15, 0.55}},
		{Type: "directional", Color: "#eef4ff", Intensity: 0.8, Position: &[3]float64{0.35, 0.75, -0.9}},
	}
}

// Linear is its colour in linear light.
func (l *Light) Linear() (out [3]float64) {
	c, _ := ParseColor(l.Color) // which lamp checked
	for k, x := range [3]uint8{c.R, c.G, c.B} {
		out[k] = linear(float64(x) / 255)
	}
	return out
}

// linear undoes the sRGB curve, of 0 to 1.
func linear(x float64) float64 {
	if x <= 0.04045 {
		return x / 12.92
	}
	return math.Pow((x+0.055)/1.055, 2.4)
}

// lights reads a list of lamps, or the name of a rig.
func lights(v any) ([]Light, error) {
	if text, ok := v.(string); ok {
		return rig(text)
	}
	list, ok := v.([]any)
	if !ok || len(list) > maxLights {
		return nil, fmt.Errorf("it must be a list of at most %d lamps, or studio or none", maxLights)
	}
	all := make([]Light, len(list))
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("lamp %d must be a map", i)
		}
		l, err := lamp(m)
		if err != nil {
			return nil, fmt.Errorf("lamp %d: %w", i, err)
		}
		all[i] = l
	}
	return all, nil
}

// rig is a set of lamps by its name.
func rig(name string) ([]Light, error) {
	switch name {
	case "none":
		return []Light{}, nil
	case "studio":
		return nil, nil
	}
	return nil, fmt.Errorf("%q is no rig; write studio or none, or a list of lamps", name)
}

func lamp(m map[string]any) (Light, error) {
	l := Light{Type: "directional", Color: "#ffffff", Intensity: 1}
	for key, v := range m {
		switch key {
		case "type":
			l.Type, _ = v.(string)
			if l.Type != "directional" && l.Type != "ambient" {
				return l, fmt.Errorf("its type %v is neither directional nor ambient", v)
			}
		case "color":
			text, _ := v.(string)
			c, ok := ParseColor(text)
			if !ok || c.A != 255 {
				return l, fmt.Errorf("its color %v is none", v)
			}
			l.Color = fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
		case "intensity":
			x, err := strength(v)
			if err != nil {
				return l, fmt.Errorf("its intensity: %w", err)
			}
			l.Intensity = *x
		case "position":
			at, ok := triple(v)
			if !ok || at == [3]float64{} {
				return l, fmt.Errorf("its position %v is no list of three numbers: right, up and towards the camera", v)
			}
			l.Position = &at
		default:
			return l, fmt.Errorf("%q is not known; a lamp has type, color, intensity and position", key)
		}
	}
	return l, nil
}

func triple(v any) (at [3]float64, ok bool) {
	list, _ := v.([]any)
	if len(list) != len(at) {
		return at, false
	}
	for i := range at {
		if at[i], ok = number(list[i]); !ok {
			return at, false
		}
	}
	return at, true
}

// orbit reads model-viewer's camera orbit, "32deg 68deg 105%": around, down from above, and a distance, which is ours to choose.
func orbit(v any) (*View, error) {
	text, _ := v.(string)
	words := strings.Fields(text)
	if len(words) < 2 {
		return nil, fmt.Errorf(`%v is no camera orbit, such as "32deg 68deg 105%%"`, v)
	}
	var at [2]float64
	for i := range at {
		unit := 1.0
		word, isRad := strings.CutSuffix(words[i], "rad")
		if isRad {
			unit = 180 / math.Pi
		}
		x, ok := number(strings.TrimSuffix(word, "deg"))
		if !ok || math.Abs(x) > 1e6 {
			return nil, fmt.Errorf(`%q is no angle, such as 32deg or 0.5rad`, words[i])
		}
		at[i] = x * unit
	}
	return &View{Azimuth: math.Mod(at[0], 360), Elevation: min(max(90-at[1], -90), 90)}, nil
}

// ParseColor reads a colour as CSS writes it.
func ParseColor(s string) (color.NRGBA, bool) {
	switch strings.ToLower(s) {
	case "transparent", "none":
		return color.NRGBA{}, true
	case "white":
		return color.NRGBA{R: 255, G: 255, B: 255, A: 255}, true
	case "black":
		return color.NRGBA{A: 255}, true
	case "gray", "grey":
		return color.NRGBA{R: 128, G: 128, B: 128, A: 255}, true
	}
	digits, ok := strings.CutPrefix(s, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	if len(digits) == 6 {
		digits += "ff"
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if !ok || len(digits) != 8 || err != nil {
		return color.NRGBA{}, false
	}
	return color.NRGBA{R: uint8(n >> 24), G: uint8(n >> 16), B: uint8(n >> 8), A: uint8(n)}, true
}
