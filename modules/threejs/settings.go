package threejs

import (
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	maxLights    = 16
	maxIntensity = 1000
)

// A Look is the light that a model is seen in. The zero value is a bright room with the lamps of a studio.
type Look struct {
	Environment          string   `json:"environment,omitzero"`          // "none" is none; else a room
	EnvironmentIntensity *float64 `json:"environmentIntensity,omitzero"` // 0.55
	Exposure             *float64 `json:"exposure,omitzero"`             // 1
	ToneMapping          string   `json:"toneMapping,omitzero"`          // neutral, aces, agx, reinhard, linear, none
	Lights               []Light  `json:"lights,omitzero"`               // nil are those of a studio
}

// Given says whether anything of it was chosen.
func (l *Look) Given() bool {
	return l.Environment != "" || l.EnvironmentIntensity != nil || l.Exposure != nil || l.ToneMapping != "" || l.Lights != nil
}

// A Light is a lamp beside the room's. It turns with the camera.
type Light struct {
	Type      string      `json:"type"`              // ambient or directional
	Color     string      `json:"color"`             // #rrggbb
	Intensity float64     `json:"intensity"`         // 1 is a grey day
	Position  *[3]float64 `json:"position,omitzero"` // where a directional light comes from: right, up and towards the camera
}

// A View is the side from which a model is seen, as raster.View.
type View struct {
	Azimuth   float64 `json:"azimuth"`
	Elevation float64 `json:"elevation"`
	Turning   bool    `json:"turning"`
}

// Settings are those of a web viewer that mean something here.
type Settings struct {
	Look            Look
	Background      *color.NRGBA
	Orbit           *View
	AutoRotate      bool
	AutoRotateSpeed *float64 // 2 is a turn in half a minute
}

// ReadSettings reads the settings of a web viewer, a map or its JSON. Keys are ours, and those of model-viewer that mean the same,
// in any spelling (tone-mapping, toneMapping); what is not used is a sentence each.
func ReadSettings(v any) (s Settings, unused []string, err error) {
	if text, ok := v.(string); ok {
		if word := strings.Trim(strings.TrimSpace(text), `"'`); word == "" || word == "null" {
			return s, nil, nil
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return s, nil, fmt.Errorf("the viewer's settings are no JSON: %w", err)
		}
	}
	if v == nil {
		return s, nil, nil
	}
	all, ok := v.(map[string]any)
	if !ok {
		return s, nil, errors.New("the viewer's settings must be a map")
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		why, err := s.set(Camel(key), all[key])
		if err != nil {
			return s, nil, fmt.Errorf("the viewer's setting %q: %w", key, err)
		}
		if why != "" {
			unused = append(unused, fmt.Sprintf("the viewer's setting %q was not used; %s", key, why))
		}
	}
	return s, unused, nil
}

// set takes in a setting, or says why it is not used.
func (s *Settings) set(key string, v any) (why string, err error) {
	if v == nil {
		return "", nil
	}
	switch key {
	case "background", "backgroundColor":
		return "", s.fill(v)
	case "environment", "environmentImage":
		return s.environment(v), nil
	case "environmentIntensity":
		s.Look.EnvironmentIntensity, err = strength(v)
	case "exposure":
		s.Look.Exposure, err = strength(v)
	case "toneMapping":
		s.Look.ToneMapping, err = toneMapping(v)
	case "lights", "lightRig":
		s.Look.Lights, err = lights(v)
	case "cameraOrbit":
		s.Orbit, err = orbit(v)
	case "autoRotate":
		s.AutoRotate, err = truth(v)
	case "autoRotateSpeed":
		s.AutoRotateSpeed, err = strength(v)
	default:
		why = "known are autoRotate, autoRotateSpeed, background, cameraOrbit, environment, environmentIntensity, exposure, lights and toneMapping"
	}
	return why, err
}

func (s *Settings) fill(v any) error {
	text, _ := v.(string)
	c, ok := ParseColor(text)
	if !ok {
		return fmt.Errorf("%v is no colour; write transparent, white, black, gray, #rgb, #rrggbb or #rrggbbaa", v)
	}
	s.Background = &c
	return nil
}

// environment is a word; a picture by its address is not fetched.
func (s *Settings) environment(v any) (why string) {
	switch text, _ := v.(string); text {
	case "none":
		s.Look.Environment = "none"
	case "", "room", "neutral", "legacy":
	default:
		why = "there are room and none, and a picture is not fetched"
	}
	return why
}

// truth takes text too; an attribute of HTML is true by being there.
func truth(v any) (bool, error) {
	switch v {
	case true, "true", "":
		return true, nil
	case false, "false", "null":
		return false, nil
	}
	return false, fmt.Errorf("%v is neither true nor false", v)
}

// Camel writes a key such as tone-mapping as toneMapping.
func Camel(key string) string {
	var b strings.Builder
	for i, word := range strings.FieldsFunc(key, func(r rune) bool { return r == '-' || r == '_' }) {
		if i > 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		b.WriteString(word)
	}
	return b.String()
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
