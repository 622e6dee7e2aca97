package meshoptimizer_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/meshoptimizer"
)

// keysOf are the names of a struct's fields in JSON, and what is said of them.
func keysOf(t reflect.Type) map[string]string {
	all := map[string]string{}
	for f := range t.Fields() {
		if !f.Anonymous {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			all[name] = f.Tag.Get("doc")
		}
	}
	return all
}

// An effect is what a key of config does to a file: what is looked at in what was written, without the key and with it.
type effect struct {
	file      string
	base      map[string]any // what else is asked for, both times
	value     any
	look      func(t *testing.T, r result) any
	off, with any
}

func textures(_ *testing.T, r result) any { return fmt.Sprint(r.out["textures"]) }

func center(_ *testing.T, r result) any { return fmt.Sprintf("%.3f", r.after.Bounds.Center()) }

func size(_ *testing.T, r result) any { return fmt.Sprintf("%.2f", r.after.Bounds.Size()) }

// scaled says whether a node scales.
func scaled(_ *testing.T, r result) any {
	for _, n := range r.doc.Nodes {
		m := n.Local()
		if x := m[0]*m[0] + m[1]*m[1] + m[2]*m[2]; x < 0.999 || x > 1.001 {
			return true
		}
	}
	return false
}

// has says which attributes vertices have.
func has(name string) func(t *testing.T, r result) any {
	return func(_ *testing.T, r result) any {
		_, there := r.doc.Meshes[0].Primitives[0].Attributes[name]
		return there
	}
}

// published says whether a file lies beside dest, by what the output says.
func published(key string) func(t *testing.T, r result) any {
	return func(_ *testing.T, r result) any { return r.out[key] }
}

// below says whether the model has fewer bytes.
func below(bytes int64) func(t *testing.T, r result) any {
	return func(_ *testing.T, r result) any { return r.doc.Size() < bytes }
}

// removed says whether nothing is left of the model's Material_17.
func removed(_ *testing.T, r result) any {
	for _, m := range r.doc.Meshes {
		for _, p := range m.Primitives {
			if r.doc.Materials[*p.Material].Name == "Material_17" {
				return false
			}
		}
	}
	return true
}

func extensions(_ *testing.T, r result) any { return fmt.Sprint(r.after.Required) }

func effects(t *testing.T) map[string]effect {
	hand, hp := profile(t, "generic-hand"), profile(t, "hp-mixed-reality")
	small := map[string]any{"max_tex_size": 64}
	return map[string]effect{
		"tris":                           {hand, nil, 1000, func(_ *testing.T, r result) any { return r.after.Triangles < 1020 }, false, true},
		"transform_op":                   {hp, map[string]any{"remove_animations": true}, 2, moved, true, false},
		"reset_scaling":                  {profile(t, "generic-trigger"), nil, true, scaled, true, false},
		"scale_size":                     {box, nil, "4", size, "[1.00 1.00 1.00]", "[4.00 4.00 4.00]"},
		"reset_center":                   {box, nil, []any{"min", "max", "center"}, center, "[0.000 0.000 0.000]", "[0.500 -0.500 0.000]"},
		"rotation":                       {hp, map[string]any{"scale_size": "1"}, []any{90, 0, 0}, size, "[0.69 0.66 1.00]", "[0.69 1.00 0.66]"},
		"remove_geometry_material_regex": {engine, map[string]any{"tris": 20000}, "_17$", removed, false, true},
		"remove_animations":              {skinned, nil, true, func(_ *testing.T, r result) any { return r.after.Animations }, 1, 0},
		"remove_morph_animations":        {morphed, nil, true, func(_ *testing.T, r result) any { return r.after.Morphs }, 2, 0},
		"dont_export_flat_normals":       {box, nil, true, has("NORMAL"), true, false},
		"max_tex_size":                   {box, nil, 64, textures, "[image/png 211×211]", "[image/png 64×64]"},
		"target_tex_density":             {box, nil, 50, textures, "[image/png 211×211]", "[image/png 50×50]"},
		"skip_texel_density":             {box, map[string]any{"target_tex_density": 50}, true, textures, "[image/png 50×50]", "[image/png 211×211]"},
		"tex_opt_compression":            {box, small, "low", textures, "[image/png 64×64]", "[image/jpeg 64×64]"},
		"norm_opt_compression":           {hp, small, "low", pngs, 4, 3},
		"pot_textures":                   {box, nil, true, textures, "[image/png 211×211]", "[image/png 256×256]"},
		"skip_tex_opt":                   {box, small, true, textures, "[image/png 64×64]", "[image/png 211×211]"},
		"lossless_tex_opt":               {box, map[string]any{"max_tex_size": 64, "tex_opt_compression": "low"}, true, textures, "[image/jpeg 64×64]", "[image/png 64×64]"},
		"output_fbx":                     {box, nil, true, published("fbxDest"), "", "out/model.fbx"},
		"output_usdz":                    {box, nil, true, published("usdzDest"), "", "out/model.usdz"},
		"output_obj":                     {box, nil, true, published("objDest"), "", "out/model.zip"},
		"draco_encode":                   {hand, nil, true, extensions, "[]", "[KHR_draco_mesh_compression]"},
		"file_size_limit":                {hp, map[string]any{"tris": 500, "tex_opt_compression": "low"}, "200kB", below(200_000), false, true},
		"force_file_size_limit":          {hand, map[string]any{"file_size_limit": "60kB"}, true, below(60_000), false, true},
	}
}

// moved says whether a node stands elsewhere than at the origin.
func moved(_ *testing.T, r result) any {
	for _, n := range r.doc.Nodes {
		if n.Local() != glb.Identity() {
			return true
		}
	}
	return false
}

func pngs(_ *testing.T, r result) any {
	n := 0
	for _, p := range r.after.Pictures {
		if p.MIMEType == "image/png" {
			n++
		}
	}
	return n
}

// TestEveryKeyDoesWhatItSays looks at what was written.
func TestEveryKeyDoesWhatItSays(t *testing.T) {
	// With models of their own; and gltfpack 1.3 comes to tris without force_poly_count where it can at all.
	elsewhere := []string{"sanitize_normals", "dont_export_tangents", "aggressive_alpha_removal", "allow_draco_decode", "detect_instances", "force_poly_count"}
	all, plain := effects(t), map[string]result{}
	for key := range keysOf(reflect.TypeFor[meshoptimizer.Config]()) {
		if e, there := all[key]; there {
			t.Run(key, func(t *testing.T) {
				without := fmt.Sprint(e.file, e.base)
				if _, there := plain[without]; !there {
					plain[without] = optimize(t, e.file, e.base)
				}
				require.Equal(t, e.off, e.look(t, plain[without]), "without it")
				config := map[string]any{key: e.value}
				maps.Copy(config, e.base)
				require.Equal(t, e.with, e.look(t, optimize(t, e.file, config)), "with it")
			})
			continue
		}
		require.Contains(t, elsewhere, key)
	}
}
