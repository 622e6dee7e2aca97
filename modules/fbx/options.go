package fbx

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/argv"
)

// takes are the options of FBX2glTF 0.9.7 that a pipeline may give (FBX2glTF --help).
func takes() []string {
	return []string{
		"verbose", "long-indices", "compute-normals", "anim-framerate", "flip-u", "no-flip-u", "flip-v", "no-flip-v",
		"no-khr-lights-punctual", "user-properties", "blend-shape-normals", "blend-shape-tangents", "keep-attribute",
		"pbr-metallic-roughness", "khr-materials-unlit", "draco", "draco-compression-level", "draco-bits-for-position",
		"draco-bits-for-uv", "draco-bits-for-normals", "draco-bits-for-colors", "draco-bits-for-other",
	}
}

// short are letters that stand for options.
func short(letter string) string {
	return map[string]string{"v": "verbose", "e": "embed", "b": "binary", "k": "keep-attribute", "d": "draco", "i": "input", "o": "output"}[letter]
}

// Options are the arguments that the config of a task comes to whose file to write is dest, and a sentence on each key that has no
// effect.
func Options(given map[string]any, dest string) (args, warnings []string) {
	isText := (&Job{Dest: dest}).isText()
	config := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		name := strings.ReplaceAll(strings.TrimLeft(key, "-"), "_", "-")
		if long := short(name); long != "" {
			name = long
		}
		switch {
		case name == "verbose": // it always is: what it says of textures is looked at
		case name == "embed":
			if given[key] == false || !isText {
				warnings = append(warnings, fmt.Sprintf("config.%s changes nothing: what is written has its geometry in itself", key))
			}
		case slices.Contains(takes(), name):
			config[name] = given[key]
		case name == "binary":
			if wanted := given[key] != false; wanted == isText {
				warnings = append(warnings, fmt.Sprintf("config.%s changes nothing: what is written is what dest says, %s", key, dest))
			}
		case name == "input" || name == "output" || name == "fbx-temp-dir":
			warnings = append(warnings, fmt.Sprintf("config.%s changes nothing: what is read and written is said by src and dest", key))
		default:
			hint := ""
			if near := modules.Closest(name, takes()); near != "" {
				hint = fmt.Sprintf("; did you mean %s?", near)
			}
			warnings = append(warnings, fmt.Sprintf("config.%s changes nothing: FBX2glTF has no such option%s", key, hint))
		}
	}
	return argv.From(config), warnings
}
