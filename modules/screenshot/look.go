package screenshot

import (
	"encoding/json"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules/chromium"
	"github.com/millrace/millrace/modules/raster"
)

const (
	maxLights    = 16
	maxIntensity = 1000
)

// viewer reads the settings of a web viewer, which come as text or as a map. Keys are those of our own, and those of model-viewer
// that mean the same; all others are named in the warnings.
func (pl *plan) viewer(at string, settings any) {
	if text, ok := settings.(string); ok {
		if word := strings.Trim(strings.TrimSpace(text), `"'`); word == "" || word == "null" {
			return
		}
		if err := json.Unmarshal([]byte(text), &settings); err != nil {
			pl.refuse(at, "the viewer's settings are no JSON: %v", err)
			return
		}
	}
	all, ok := settings.(map[string]any)
	if !ok {
		pl.refuse(at, "the viewer's settings must be a map")
		return
	}
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := pl.setting(camel(key), all[key]); err != nil {
			pl.refuse(at, "the viewer's setting %q: %v", key, err)
		}
	}
}

// camel writes tone-mapping as toneMapping.
func camel(key string) string {
	var b strings.Builder
	for i, word := range strings.FieldsFunc(key, func(r rune) bool { return r == '-' || r == '_' }) {
		if i > 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
	}
	return b.String()
}

func (pl *plan) setting(key string, v any) (err error) {
	if v == nil {
		return nil
	}
	switch key {
	case "background", "backgroundColor":
		return pl.fill(v)
	case "environment", "environmentImage":
		return pl.environment(v)
	case "environmentIntensity":
		pl.look.EnvironmentIntensity, err = strength(v)
	case "exposure":
		pl.look.Exposure, err = strength(v)
	case "toneMapping":
		pl.look.ToneMapping, err = toneMapping(v)
	case "lights", "lightRig":
		pl.look.Lights, err = lights(v)
	case "cameraOrbit":
		pl.orbit, err = orbit(v)
	default:
		pl.warn("the viewer's setting %q was not used; known are background, cameraOrbit, environment, environmentIntensity, exposure, lights and toneMapping", key)
	}
	return err
}

func (pl *plan) fill(v any) error {
	text, _ := v.(string)
	c, ok := parseColor(text)
	if !ok {
		return fmt.Errorf("%v is no colour; write transparent, white, black, gray, #rgb, #rrggbb or #rrggbbaa", v)
	}
	if !pl.backgroundSet {
		pl.background, pl.backgroundSet = c, true
	}
	return nil
}

// environment is a word; a picture by its address is not fetched.
func (pl *plan) environment(v any) error {
	switch text, _ := v.(string); text {
	case "none":
		pl.look.Environment = "none"
	case "", "room", "neutral", "legacy":
	default:
		pl.warn("the viewer's environment %q was not used; there are room and none, and a picture is not fetched", text)
	}
	return nil
}

func strength(v any) (*float64, error) {
	x, ok := number(v)
	if !ok || x < 0 || x > maxIntensity {
		return nil, fmt.Errorf("%v is no number from 0 to %d", v, maxIntensity)
	}
	return &x, nil
}

// number takes text too: settings that were attributes of HTML are text.
func number(v any) (float64, bool) {
	var x float64
	switch n := v.(type) {
	case float64:
		x = n
	case int64:
		x = float64(n)
	case string:
		var err error
		if x, err = strconv.ParseFloat(strings.TrimSpace(n), 64); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return x, !math.IsNaN(x) && !math.IsInf(x, 0)
}

func toneMapping(v any) (string, error) {
	text, _ := v.(string)
	text = strings.ToLower(text)
	switch text {
	case "commerce", "pbr-neutral", "auto":
		return "neutral", nil
	case "neutral", "aces", "agx", "reinhard", "linear", "none":
		return text, nil
	}
	return "", fmt.Errorf("%v is not known; write neutral, aces, agx, reinhard, linear or none", v)
}

// lights reads a list of lamps, or the name of a rig.
func lights(v any) ([]chromium.Light, error) {
	if text, ok := v.(string); ok {
		return rig(text)
	}
	list, ok := v.([]any)
	if !ok || len(list) > maxLights {
		return nil, fmt.Errorf("it must be a list of at most %d lamps, or studio or none", maxLights)
	}
	all := make([]chromium.Light, len(list))
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
func rig(name string) ([]chromium.Light, error) {
	switch name {
	case "none":
		return []chromium.Light{}, nil
	case "studio":
		return nil, nil
	}
	return nil, fmt.Errorf("%q is no rig; write studio or none, or a list of lamps", name)
}

func lamp(m map[string]any) (chromium.Light, error) {
	l := chromium.Light{Type: "directional", Color: "#ffffff", Intensity: 1}
	for key, v := range m {
		switch key {
		case "type":
			l.Type, _ = v.(string)
			if l.Type != "directional" && l.Type != "ambient" {
				return l, fmt.Errorf("its type %v is neither directional nor ambient", v)
			}
		case "color":
			text, _ := v.(string)
			c, ok := parseColor(text)
			if !ok || c.A != 255 {
				return l, fmt.Errorf("its color %v is none", v)
			}
			l.Color = hex(c)
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

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// orbit reads model-viewer's camera orbit, "32deg 68deg 105%": around, down from above, and a distance, which is ours to choose.
func orbit(v any) (*raster.View, error) {
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
	return &raster.View{Azimuth: math.Mod(at[0], 360), Elevation: min(max(90-at[1], -90), 90)}, nil
}
