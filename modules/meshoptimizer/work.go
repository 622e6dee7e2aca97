package meshoptimizer

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/gltfpack"
)

// A work is one model on its way.
type work struct {
	plan     plan
	doc      *glb.Document
	written  *glb.Document    // doc as it is in the file: packed with Draco, where the plan says so
	size     int64            // of what was read, in bytes
	packer   *gltfpack.Packer // nil until it is needed
	compiled string           // its folder; empty is none
	text     bool             // the file is a .gltf
	shrink   int              // pixels of the longer side of textures, to keep a size; 0 is no bound
	said     string           // by gltfpack, last
	warnings []string
	steps    []Step
	began    time.Time // the step
}

// A Step is one thing that was done to the model.
type Step struct {
	Name      string `json:"name" doc:"What was done."`
	Triangles int64  `json:"triangles" doc:"Triangles drawn behind it."`
	Elapsed   int64  `json:"elapsed" doc:"Wall-clock time, in milliseconds."`
}

func permanent(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}

func (w *work) warn(format string, args ...any) {
	w.warnings = append(w.warnings, fmt.Sprintf(format, args...))
}

// trace notes a step, from the one before it to now.
func (w *work) trace(name string, t try) {
	now := time.Now()
	w.steps = append(w.steps, Step{name, t.triangles, now.Sub(w.began).Milliseconds()})
	w.began = now
}

// step does something to the model and notes it.
func (w *work) step(name string, f func() error) error {
	err := f()
	if err == nil {
		w.trace(name, try{w.doc, w.doc.Count().Triangles})
	}
	return err
}

func (w *work) newPacker(ctx context.Context) (*gltfpack.Packer, error) {
	return gltfpack.New(ctx, gltfpack.Config{Compiled: w.compiled})
}

func (w *work) close(ctx context.Context) error {
	if w.packer == nil {
		return nil
	}
	return w.packer.Close(context.WithoutCancel(ctx))
}

// optimize does all that the plan says.
func (w *work) optimize(ctx context.Context, c *modules.Call) error {
	w.began = time.Now()
	if err := w.unpack(ctx, c); err != nil {
		return err
	}
	if err := w.remove(); err != nil {
		return err
	}
	for _, s := range []struct {
		name string
		on   bool
		do   func() error
	}{
		{"textures", len(w.doc.Images) > 0, func() error { return w.optimizeTextures(ctx) }},
		{"place", w.plan.moves() || w.plan.ResetScaling || w.plan.TransformOp == 2, func() error { return w.place(ctx) }},
		{"instances", w.plan.DetectInstances, func() error { return w.shareMeshes() }},
		{"prune", true, func() error { return w.doc.Prune() }},
	} {
		if !s.on {
			continue
		}
		if err := w.step(s.name, s.do); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	before := w.doc.Used
	if err := w.simplify(ctx); err != nil {
		return err
	}
	for _, name := range before {
		if !w.doc.Uses(name) && w.lost(name) {
			w.warn("gltfpack dropped the extension %s, which it does not know", name)
		}
	}
	if err := w.normals(); err != nil {
		return err
	}
	return w.doc.Prune()
}

// lost says whether an extension that is gone meant something: not those of how data is packed.
func (w *work) lost(name string) bool {
	switch name {
	case "EXT_meshopt_compression", "KHR_meshopt_compression", "KHR_mesh_quantization", "KHR_texture_transform", "KHR_draco_mesh_compression":
		return false
	}
	return true
}

// unpack makes compressed geometry plain.
func (w *work) unpack(ctx context.Context, c *modules.Call) error {
	if w.doc.Uses(dracoExtension) {
		if allow := w.plan.AllowDracoDecode; allow != nil && !*allow {
			return permanent("its geometry is packed with Draco, and config.allow_draco_decode is false")
		}
		err := w.step("unpack Draco", func() (err error) {
			plain, err := draco(ctx, c, "decode", w.doc)
			if err == nil {
				w.doc = plain
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if !w.doc.Uses("EXT_meshopt_compression") && !w.doc.Uses("KHR_meshopt_compression") {
		return nil
	}
	return w.step("unpack meshopt", func() error { return w.pack(ctx) })
}

// remove takes away what is not wanted.
func (w *work) remove() error {
	p := &w.plan
	if p.RemoveAnimations {
		w.doc.Animations = nil
	}
	if p.RemoveMorphAnimations {
		removeMorphs(w.doc)
	}
	if p.DontExportTangents {
		dropTangents(w.doc)
	}
	if p.remove != nil {
		before := w.doc.Count().Triangles
		if n := removeByMaterial(w.doc, p.remove); n == 0 {
			w.warn("config.remove_geometry_material_regex finds no material of this model")
		} else if before > 0 && w.doc.Count().Triangles == 0 {
			return permanent("config.remove_geometry_material_regex finds every material: nothing would be left to draw")
		}
	}
	return nil
}

// normals comes behind gltfpack, which makes some anew.
func (w *work) normals() error {
	if w.plan.SanitizeNormals {
		if _, err := sanitizeNormals(w.doc); err != nil {
			return fmt.Errorf("normals: %w", err)
		}
	}
	if w.plan.DontExportFlatNormals {
		if err := dropFlatNormals(w.doc); err != nil {
			return fmt.Errorf("normals: %w", err)
		}
	}
	return nil
}

func (w *work) shareMeshes() error {
	_, err := shareEqualMeshes(w.doc)
	return err
}

// place turns, scales and moves the model, and puts what the plan says into its vertices.
func (w *work) place(ctx context.Context) error {
	m, err := w.plan.placement(ctx, w.doc)
	if err != nil {
		return err
	}
	all := w.plan.TransformOp == 2
	if all || w.plan.ResetScaling {
		why := still(w.doc)
		if why == "" {
			return freeze(w.doc, m, all)
		}
		for _, key := range []struct {
			name string
			on   bool
		}{{"transform_op: 2", all}, {"reset_scaling", w.plan.ResetScaling}} {
			if key.on {
				w.warn("config.%s was not applied to the vertices: %s", key.name, why)
			}
		}
	}
	if m != glb.Identity() {
		wrap(w.doc, m)
	}
	return nil
}
