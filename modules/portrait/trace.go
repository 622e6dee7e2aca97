package portrait

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
func (m *Model) trace(ctx context.Context, c *modules.Call, j Job, r *Result, each func(i int, p Picture) error) error {
	if j.GPU && len(c.Devices) == 0 {
		return permanent("no GPU was leased for it; write gpu: required to the task")
	}
	doc, err := m.forPage(ctx)
	if err != nil {
		return err
	}
	if err := traceable(doc); err != nil {
		return err
	}
	file, err := save(atRest(doc))
	if err != nil {
		return err
	}
	defer os.Remove(file)
	shots := blender.Shots{Model: file, Look: j.Look, Width: j.Width, Height: j.Height, Samples: j.Samples, GPU: len(c.Devices) > 0, Must: j.GPU}
	for _, v := range j.Views {
		shots.Views = append(shots.Views, threejs.View(v))
	}
	b := blender.Blender{Tools: c.Tools, Exec: c.Exec, Env: c.Env, Warm: c.Blender}
	drawn, err := b.Draw(ctx, shots, func(i int, s blender.Shot) error { return each(i, j.picture(s.Image)) })
	r.Renderer, r.Device, r.Samples, r.Stats = Cycles, drawn.Device, drawn.Samples, modules.StatsOf(drawn.Stats)
	r.Warnings = append(r.Warnings, drawn.Warnings...)
	return err
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
