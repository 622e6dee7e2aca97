package screenshot

import (
	"context"
	"os"
	"slices"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/threejs"
)

// trace draws in Blender, by Cycles.
func (pl *plan) trace(ctx context.Context, c *modules.Call, m *model) (*drawn, error) {
	if pl.must(c) && len(c.Devices) == 0 {
		return nil, permanent("no GPU was leased for it; write gpu: required to the task")
	}
	doc, err := m.forPage(ctx)
	if err != nil {
		return nil, err
	}
	if err := traceable(doc); err != nil {
		return nil, err
	}
	file, err := save(atRest(doc))
	if err != nil {
		return nil, err
	}
	defer os.Remove(file)
	shots := blender.Shots{
		Model: file, Look: pl.look, Width: pl.width, Height: pl.height, Samples: pl.samples, GPU: len(c.Devices) > 0, Must: pl.must(c),
	}
	for _, v := range pl.views {
		shots.Views = append(shots.Views, threejs.View(v))
	}
	d := &drawn{renderer: cycles}
	b := blender.Blender{Tools: c.Tools, Exec: c.Exec, Env: c.Env, Warm: c.Blender}
	r, err := b.Draw(ctx, shots, func(i int, s blender.Shot) error {
		if empty(s.Image) {
			return permanent("nothing of it is seen")
		}
		lay(s.Image, pl.background)
		return d.add(c, pl.name(i), s.Image)
	})
	d.device, d.samples, d.stats = r.Device, r.Samples, modules.StatsOf(r.Stats)
	pl.warnings = append(pl.warnings, r.Warnings...)
	return d, err
}

// traceable refuses what Blender can't read.
func traceable(doc *glb.Document) error {
	for name, what := range map[string]string{
		"EXT_meshopt_compression": "its geometry is compressed (meshopt)", "KHR_meshopt_compression": "its geometry is compressed (meshopt)",
		"KHR_texture_basisu": "its pictures are KTX2",
	} {
		if slices.Contains(doc.Used, name) {
			return permanent("%s, which Blender can't read; take renderer three, or unpack it first (MeshOptimizer)", what)
		}
	}
	return nil
}

// atRest is a document without its animations and what its scene does not show: Blender would take a pose of the one, and draw the
// other.
func atRest(doc *glb.Document) *glb.Document {
	still := *doc
	still.Animations, still.Nodes = nil, slices.Clone(doc.Nodes)
	_, shown := doc.Worlds()
	for i := range still.Nodes {
		if _, ok := shown[i]; !ok {
			still.Nodes[i].Mesh = nil
		}
	}
	return &still
}
