package meshoptimizer

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/millrace/millrace/modules"
)

// Config is what to do to the model. Keys that older pipelines use and this version can't serve are in it as well: each that is
// given is named in warnings.
type Config struct {
	Tris           int64 `json:"tris,omitzero" doc:"Triangles that the scene may draw, instances counted; reached within 2 %, or a warning says how far it came."`
	ForcePolyCount bool  `json:"force_poly_count,omitzero" doc:"Reach tris whatever it does to the look."`

	TransformOp  int    `json:"transform_op,omitzero" doc:"How rotation, scale_size and reset_center are put in: 1 (or 0), by a node above the scene; 2, into the vertices, so that no node moves, turns or scales any more."`
	ResetScaling bool   `json:"reset_scaling,omitzero" doc:"Put the scale of nodes into the vertices, so that no node scales any more."`
	ScaleSize    string `json:"scale_size,omitzero" doc:"Length of the longest side of the model's bounds, in metres; 0 leaves it."`
	ResetCenter  any    `json:"reset_center,omitzero" doc:"Which point of the bounds comes to the origin: center, min, max or none, for all axes or a list for x, y and z; true is center."`
	Rotation     any    `json:"rotation,omitzero" doc:"Degrees to turn about x, then y, then z: a list or \"0 90 0\"."`

	DetectInstances        bool   `json:"detect_instances,omitzero" doc:"Store meshes that are equal once."`
	RemoveGeometryMaterial string `json:"remove_geometry_material_regex,omitzero" doc:"Remove what has a material whose name this regular expression finds."`
	RemoveAnimations       bool   `json:"remove_animations,omitzero" doc:"Remove all animations."`
	RemoveMorphAnimations  bool   `json:"remove_morph_animations,omitzero" doc:"Remove morph targets and what animates them."`
	SanitizeNormals        bool   `json:"sanitize_normals,omitzero" doc:"Make normals that are missing, broken or not of length 1 anew."`
	DontExportTangents     bool   `json:"dont_export_tangents,omitzero" doc:"Leave out tangents; viewers make them."`
	DontExportFlatNormals  bool   `json:"dont_export_flat_normals,omitzero" doc:"Leave out the normals of what is flat shaded; viewers make them."`

	MaxTexSize             int     `json:"max_tex_size,omitzero" doc:"Pixels that a texture may have on its longer side."`
	TargetTexDensity       float64 `json:"target_tex_density,omitzero" doc:"Pixels per metre of surface that a texture needs; those that have more become smaller."`
	TexOptCompression      any     `json:"tex_opt_compression,omitzero" doc:"Write textures as JPEG where they have no alpha: a quality from 1 to 100, or low (60), medium (80), high (92), true (85)."`
	NormOptCompression     any     `json:"norm_opt_compression,omitzero" doc:"The same of normal maps."`
	PotTextures            bool    `json:"pot_textures,omitzero" doc:"Make the sides of textures powers of two."`
	SkipTexOpt             bool    `json:"skip_tex_opt,omitzero" doc:"Leave all textures as they are."`
	LosslessTexOpt         bool    `json:"lossless_tex_opt,omitzero" doc:"Write textures that change as PNG, never JPEG."`
	AggressiveAlphaRemoval bool    `json:"aggressive_alpha_removal,omitzero" doc:"Remove the alpha of textures of opaque materials."`
	SkipTexelDensity       bool    `json:"skip_texel_density,omitzero" doc:"Pay no heed to target_tex_density."`

	OutputFBX          bool   `json:"output_fbx,omitzero" doc:"Write an FBX too, beside dest: Blender does, and reads it again."`
	OutputUSDZ         bool   `json:"output_usdz,omitzero" doc:"Write a USDZ too, beside dest."`
	OutputOBJ          bool   `json:"output_obj,omitzero" doc:"Write an OBJ too, beside dest: a ZIP of it with its materials and textures."`
	DracoEncode        bool   `json:"draco_encode,omitzero" doc:"Compress geometry with Draco."`
	AllowDracoDecode   *bool  `json:"allow_draco_decode,omitzero" doc:"Read geometry that Draco compressed; false refuses it."`
	FileSizeLimit      string `json:"file_size_limit,omitzero" doc:"Bytes that dest may have, as 5MB, 800kB or a number of MB; textures become smaller, to 64 pixels, until it has."`
	ForceFileSizeLimit bool   `json:"force_file_size_limit,omitzero" doc:"Keep file_size_limit whatever it does to the look: triangles go too, and where that is not enough the task fails."`

	Unserved
}

// Unserved are the keys that this version takes and can't serve.
type Unserved struct {
	C                             any    `json:"c,omitzero" doc:"Not served: what it means is written nowhere."`
	C0                            any    `json:"c0,omitzero" doc:"Not served: what it means is written nowhere."`
	C3                            any    `json:"c3,omitzero" doc:"Not served: what it means is written nowhere."`
	RemoveObstructedGeometry      bool   `json:"remove_obstructed_geometry,omitzero" doc:"Not served: nothing here finds what can't be seen."`
	BakeSmallFeatures             bool   `json:"bake_small_features,omitzero" doc:"Not served: nothing is baked."`
	IgnoreParallelGeometry        bool   `json:"ignore_parallel_geometry,omitzero" doc:"Not served: geometry is not compared."`
	SkipInnerEdgeWelding          bool   `json:"skip_inner_edge_welding,omitzero" doc:"What is done anyway: edges are not welded."`
	SkipDegenFixing               bool   `json:"skip_degen_fixing,omitzero" doc:"Not served: triangles without an area are left out."`
	SkipDegenPolyNormalFixing     bool   `json:"skip_degen_poly_normal_fixing,omitzero" doc:"What is done anyway, but for sanitize_normals."`
	IgnorePolygonIntersections    bool   `json:"ignore_polygon_intersections,omitzero" doc:"What is done anyway: intersections are not looked for."`
	AllowAntiAlignedPolygons      bool   `json:"allow_anti_aligned_polygons,omitzero" doc:"What is done anyway: polygons are judged by nothing here."`
	SkipGeometryOpsMaterial       string `json:"skip_geometry_ops_material_regex,omitzero" doc:"Not served: gltfpack knows no materials that are left as they are."`
	SkipNormalBaking              bool   `json:"skip_normal_baking,omitzero" doc:"What is done anyway: nothing is baked."`
	SkipAOBaking                  bool   `json:"skip_ao_baking,omitzero" doc:"What is done anyway: nothing is baked."`
	UseKTX                        bool   `json:"use_ktx,omitzero" doc:"Not served: there is no encoder for KTX2 here."`
	MaxBakingResolution           any    `json:"max_baking_resolution,omitzero" doc:"Not served: nothing is baked."`
	SkipMaterialVisibility        bool   `json:"skip_material_visibility,omitzero" doc:"What is done anyway: what can be seen is not looked at."`
	SkipDoubleSidedFromVisibility bool   `json:"skip_doublesided_from_visibility,omitzero" doc:"What is done anyway: what can be seen is not looked at."`
	FBXPBR                        any    `json:"fbx_pbr,omitzero" doc:"Not served: an FBX has Phong materials here."`
	FBXPBRInput                   any    `json:"fbx_pbr_input,omitzero" doc:"Not served: FBX is read by FBX2glTF and AssetConverter."`
	SkipSceneValidation           bool   `json:"skip_scene_validation,omitzero" doc:"Not served: what is written is always read again."`
	HOOPSBinPath                  string `json:"hoops_bin_path,omitzero" doc:"Not served: CAD formats are read by AssetConverter."`
}

// warnings names the keys that were given and are not served.
func (u *Unserved) warnings() []string {
	const nothingBaked = "nothing is baked into textures by this version"
	var all []string
	for _, key := range []struct {
		name  string
		given bool
		why   string
	}{
		{"c", given(u.C), "what it means is written nowhere; draco_encode makes geometry smaller"},
		{"c0", given(u.C0), "what it means is written nowhere; tris and max_tex_size make a model smaller"},
		{"c3", given(u.C3), "what it means is written nowhere; tris and max_tex_size make a model smaller"},
		{"remove_obstructed_geometry", u.RemoveObstructedGeometry, "nothing here finds what can't be seen; remove_geometry_material_regex removes by material"},
		{"bake_small_features", u.BakeSmallFeatures, nothingBaked + "; tris removes small features"},
		{"ignore_parallel_geometry", u.IgnoreParallelGeometry, "surfaces are not compared; detect_instances stores equal meshes once"},
		{"skip_degen_fixing", u.SkipDegenFixing, "gltfpack leaves out triangles without an area"},
		{"skip_geometry_ops_material_regex", u.SkipGeometryOpsMaterial != "", "gltfpack simplifies all materials alike; split the model, and optimise its parts"},
		{"use_ktx", u.UseKTX, "there is no encoder for KTX2 here; tex_opt_compression writes JPEG"},
		{"max_baking_resolution", given(u.MaxBakingResolution), nothingBaked + "; max_tex_size bounds textures"},
		{"fbx_pbr", given(u.FBXPBR), "an FBX has Phong materials here; a USDZ keeps those of glTF"},
		{"fbx_pbr_input", given(u.FBXPBRInput), "no FBX is read by this module; FBX2glTF and AssetConverter do"},
		{"skip_scene_validation", u.SkipSceneValidation, "what is written is always read again before it counts"},
		{"hoops_bin_path", u.HOOPSBinPath != "", "CAD formats are not read by this module; AssetConverter says what would"},
	} {
		if key.given {
			all = append(all, fmt.Sprintf("config.%s was not applied: %s", key.name, key.why))
		}
	}
	return all
}

// A plan is a Config in numbers.
type plan struct {
	Config
	center    [3]string  // "" leaves the axis
	rotation  [3]float64 // degrees
	longest   float64    // metres; 0 leaves it
	remove    *regexp.Regexp
	quality   [2]int // JPEG, of textures and of normal maps; 0 keeps their format
	sizeLimit int64  // bytes; 0 is none
}

// newPlan reads the keys that tags can't, and says everything that is wrong with them at once.
func newPlan(c Config) (plan, []modules.Problem) {
	p := plan{Config: c}
	var problems []modules.Problem
	check := func(key string, err error) {
		if err != nil {
			problems = append(problems, modules.Problem{Path: "config." + key, Msg: fmt.Sprintf("prop %q %v", "config."+key, err)})
		}
	}
	var err error
	p.center, err = centerOf(c.ResetCenter)
	check("reset_center", err)
	p.rotation, err = numbers(c.Rotation)
	check("rotation", err)
	p.longest, err = number(c.ScaleSize, 0)
	check("scale_size", err)
	if c.RemoveGeometryMaterial != "" {
		p.remove, err = regexp.Compile(c.RemoveGeometryMaterial)
		check("remove_geometry_material_regex", err)
	}
	p.quality[0], err = qualityOf(c.TexOptCompression)
	check("tex_opt_compression", err)
	p.quality[1], err = qualityOf(c.NormOptCompression)
	check("norm_opt_compression", err)
	p.sizeLimit, err = bytesOf(c.FileSizeLimit)
	check("file_size_limit", err)
	if c.TransformOp < 0 || c.TransformOp > 2 {
		check("transform_op", fmt.Errorf("is %d, and must be 0, 1 or 2", c.TransformOp))
	}
	for _, n := range []struct {
		key string
		v   float64
	}{{"tris", float64(c.Tris)}, {"max_tex_size", float64(c.MaxTexSize)}, {"target_tex_density", c.TargetTexDensity}} {
		if n.v < 0 {
			check(n.key, fmt.Errorf("is %v, and must be at least 1", n.v))
		}
	}
	return p, problems
}

// asMap is the config as it was given, less what was not.
func (c Config) asMap() (map[string]any, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(text, &m)
}

// moves says whether the model is turned, scaled or moved as a whole.
func (p *plan) moves() bool {
	return slices.ContainsFunc(p.center[:], func(s string) bool { return s != "" }) || p.longest > 0 || p.rotation != [3]float64{}
}
