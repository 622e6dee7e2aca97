package meshoptimizer

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/millrace/millrace/modules/glb"
)

const (
	near  = 0.005 // of tris: close enough to stop
	bound = 0.02  // of tris: what is promised
	tries = 14

	maxSaid = 16 << 10 // bytes of what gltfpack prints that are kept
)

// lossless are gltfpack's options of every run: nothing is rounded, and what has a name stays.
func lossless() []string {
	return []string{"-noq", "-kn", "-km", "-ke", "-kv", "-af", "0", "-ac", "-v"}
}

// A try is one run of gltfpack.
type try struct {
	doc       *glb.Document
	triangles int64
}

// off is how far it is from what was asked, as a part of it.
func (t *try) off(want int64) float64 {
	if t.doc == nil {
		return math.Inf(1)
	}
	return math.Abs(float64(t.triangles-want)) / float64(want)
}

// simplify brings the triangles that are drawn to tris. gltfpack takes a ratio of each mesh's own, and the scene may draw one mesh
// often and leave another whole, so the ratio is sought by what comes out.
func (w *work) simplify(ctx context.Context) error {
	want, have := w.plan.Tris, w.doc.Count().Triangles
	if want == 0 || want >= have {
		return w.pack(ctx)
	}
	best, err := w.seek(ctx, want, have, nil)
	if err == nil && w.plan.ForcePolyCount && best.off(want) > bound {
		var forced try
		if forced, err = w.seek(ctx, want, have, []string{"-sa"}); err == nil && forced.off(want) < best.off(want) {
			best = forced
		}
	}
	if err != nil {
		return err
	}
	if best.doc == nil || w.doc.Count().Triangles-want < want-best.triangles { // it came too far below to be better than nothing
		if err := w.pack(ctx); err != nil {
			return err
		}
		best = try{w.doc, w.doc.Count().Triangles}
	}
	w.doc = best.doc
	if off := best.off(want); off > bound {
		why := "no ratio brings its meshes closer; force_poly_count: true looks less at the look"
		if w.plan.ForcePolyCount {
			why = "its parts are too many, or too small, to lose more"
		}
		w.warn("config.tris asks for %d triangles, and the scene draws %d: %s", want, best.triangles, why)
	}
	return nil
}

// seek looks for the ratio that comes closest to want triangles.
func (w *work) seek(ctx context.Context, want, have int64, more []string) (best try, err error) {
	in, err := w.packed()
	if err != nil {
		return best, err
	}
	low, high := 0.0, 1.0 // ratios that leave too few and too many
	lowN, highN := 0.0, float64(have)
	ratio := float64(want) / float64(have)
	for i := range tries {
		t, err := w.run(ctx, in, append([]string{"-se", "1", "-si", strconv.FormatFloat(ratio, 'f', 8, 64)}, more...))
		if err != nil {
			return best, err
		}
		w.trace("simplify to "+strconv.FormatFloat(ratio, 'f', 5, 64), t)
		if t.triangles > 0 && t.off(want) < best.off(want) {
			best = t
		}
		if best.off(want) <= near {
			break
		}
		n := float64(t.triangles)
		if t.triangles > want {
			high, highN = ratio, n
		} else {
			low, lowN = ratio, n
		}
		ratio = (low + high) / 2
		if i%3 != 2 && highN > lowN { // where a line would meet, and now and then the middle, which always comes closer
			ratio = low + (high-low)*min(max((float64(want)-lowN)/(highN-lowN), 0.02), 0.98)
		}
		if high-low < 1e-7 {
			break
		}
	}
	return best, nil
}

// pack orders vertices and triangles as GPUs like them, drops what is stored twice, and loses nothing.
func (w *work) pack(ctx context.Context) error {
	if w.doc.Count().Primitives == 0 {
		return nil
	}
	if lost := w.unknown(); lost != "" {
		w.warn("the order of vertices was left as it is: gltfpack would lose %s", lost)
		return nil
	}
	in, err := w.packed()
	if err != nil {
		return err
	}
	t, err := w.run(ctx, in, nil)
	if err != nil {
		return err
	}
	w.trace("pack", t)
	w.doc = t.doc
	return nil
}

func (w *work) packed() ([]byte, error) {
	var b bytes.Buffer
	err := w.doc.Write(&b)
	return b.Bytes(), err
}

func (w *work) run(ctx context.Context, in []byte, options []string) (t try, err error) {
	if w.packer == nil {
		if w.packer, err = w.newPacker(ctx); err != nil {
			return t, err
		}
	}
	r, err := w.packer.Pack(ctx, in, append(lossless(), options...)...)
	w.said = r.Log[max(0, len(r.Log)-maxSaid):]
	if err != nil {
		return t, err
	}
	if t.doc, err = glb.Read(bytes.NewReader(r.GLB), glb.Source{}); err != nil {
		return t, fmt.Errorf("read what gltfpack wrote: %w", err)
	}
	if err := straightenTargets(t.doc); err != nil {
		return t, err
	}
	t.triangles = t.doc.Count().Triangles
	return t, nil
}

// straightenTargets gives the tangents of morph targets three components, as glTF wants them: gltfpack writes four.
func straightenTargets(d *glb.Document) error {
	for i := range d.Meshes {
		for _, p := range d.Meshes[i].Primitives {
			for _, target := range p.Targets {
				a, ok := target["TANGENT"]
				if !ok || d.Accessors[a].Type != "VEC4" {
					continue
				}
				list, err := d.Floats(a)
				if err != nil {
					return err
				}
				three := make([]float32, 0, len(list)/4*3)
				for k := 0; k+4 <= len(list); k += 4 {
					three = append(three, list[k:k+3]...)
				}
				target["TANGENT"] = d.AddFloats(three, "VEC3")
			}
		}
	}
	return nil
}

// unknown is an extension of the document that gltfpack drops; empty is none.
func (w *work) unknown() string {
	for _, name := range w.doc.Used {
		switch name {
		case "KHR_lights_punctual", "KHR_materials_anisotropy", "KHR_materials_clearcoat", "KHR_materials_diffuse_transmission",
			"KHR_materials_dispersion", "KHR_materials_emissive_strength", "KHR_materials_ior", "KHR_materials_iridescence",
			"KHR_materials_pbrSpecularGlossiness", "KHR_materials_sheen", "KHR_materials_specular", "KHR_materials_transmission",
			"KHR_materials_unlit", "KHR_materials_variants", "KHR_materials_volume", "KHR_mesh_quantization",
			"KHR_meshopt_compression", "KHR_texture_basisu", "KHR_texture_transform", "EXT_mesh_gpu_instancing",
			"EXT_meshopt_compression", "EXT_texture_webp":
		default:
			return name
		}
	}
	return ""
}
