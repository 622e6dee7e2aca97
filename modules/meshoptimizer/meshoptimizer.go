// Package meshoptimizer is the MeshOptimizer task: it makes a glTF model smaller, and says what came of it.
package meshoptimizer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/tool"
)

// Module is the MeshOptimizer task.
var Module = modules.Define(modules.Spec{
	Name:    "MeshOptimizer",
	Summary: "Makes a glTF model smaller: fewer triangles, smaller textures, no animations, its centre at the origin.",
	Example: "- module: MeshOptimizer\n  props:\n    src: in.glb\n    dest: small.glb\n    config: {tris: 50000, max_tex_size: 2048, reset_center: center}\n  register: optimized",
	Extras:  []tool.Tool{tool.Draco(), tool.Node()},
}, run)

// Props are what a task writes under props.
type Props struct {
	Src    string `json:"src" doc:"Model to read: GLB, or glTF with its buffers and pictures, or an OBJ without its materials; told by what it holds."`
	Dest   string `json:"dest" aliases:"dst" doc:"Model to write, .glb or .gltf, which holds all it needs; it appears when it is complete and was read again. What was done lies beside it, as .json."`
	Config Config `json:"config,omitzero" doc:"What to do; without it the model is only put in the order that GPUs like."`

	read *work // what Probe read; the run takes it, and changes it: another run reads the file again
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	JSON              modules.Path `json:"json" doc:"The file beside dest that says what was done, in parts."`
	Tracing           []Step       `json:"tracing" doc:"What was done, in order."`
	Log               string       `json:"log" doc:"What gltfpack printed last."`
	OriginalSize      string       `json:"originalSize" fact:"read.bytes" doc:"Size of src, with its buffers and pictures, in bytes, as text."`
	Triangles         int64        `json:"triangles" fact:"made.triangles" doc:"Triangles that the scene draws now, instances counted."`
	OriginalTriangles int64        `json:"originalTriangles" fact:"read.triangles" doc:"Triangles that it drew."`
	Vertices          int64        `json:"vertices" doc:"Vertices that it draws now."`
	Materials         int          `json:"materials" doc:"Materials it has now."`
	Animations        int          `json:"animations" doc:"Animations it has now."`
	Textures          []string     `json:"textures" doc:"Its pictures: format and size in pixels."`
	FBXDest           string       `json:"fbxDest" fact:"made" doc:"The FBX, beside dest; empty where none was asked for."`
	FBXSize           string       `json:"fbxSize" default:"0" doc:"Its size in bytes, as text."`
	USDZDest          string       `json:"usdzDest" fact:"made" doc:"The USDZ, beside dest; empty where none was asked for."`
	USDDest           string       `json:"usdDest" doc:"The same as usdzDest."`
	USDZSize          string       `json:"usdzSize" default:"0" doc:"Its size in bytes, as text."`
	OBJDest           string       `json:"objDest" fact:"made" doc:"The OBJ with its materials and pictures, as a ZIP beside dest; empty where none was asked for."`
	OBJSize           string       `json:"objSize" default:"0" doc:"Its size in bytes, as text."`
	Warnings          []string     `json:"warnings" doc:"What was asked for and not done, a sentence each."`
}

// Validate says everything that is wrong with the options at once.
func (p *Props) Validate() error {
	_, problems := newPlan(p.Config)
	if ext := strings.ToLower(path.Ext(p.Dest)); ext != ".glb" && ext != ".gltf" {
		problems = append(problems, modules.Problem{
			Path: "dest", Msg: fmt.Sprintf("prop \"dest\" must end in .glb or .gltf, which is what is written, got %q", p.Dest),
		})
	}
	if len(problems) == 0 {
		return nil
	}
	return &modules.PropError{Problems: problems}
}

func run(ctx context.Context, c *modules.Call, p Props) (out Output, err error) {
	measured := modules.Measure()
	plan, _ := newPlan(p.Config)
	w := &work{}
	if p.read != nil {
		*w, *p.read = *p.read, work{}
	}
	w.plan, w.compiled, w.text = plan, c.Tools.Compiled, strings.EqualFold(path.Ext(p.Dest), ".gltf")
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	other, err := w.newSecond(ctx, c, p.Dest)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, other.close()) }()
	if w.doc == nil {
		if w.doc, err = w.load(ctx, c, p.Src); err != nil {
			return out, fmt.Errorf("read %s: %w", p.Src, err)
		}
	}
	w.warnings = append(w.warnings, plan.warnings()...)
	before := w.doc.Count()
	if err := w.optimize(ctx, c); err != nil {
		return out, fmt.Errorf("optimize %s: %w", p.Src, err)
	}
	file, after, err := w.finish(ctx, c, before)
	if err != nil {
		return out, fmt.Errorf("optimize %s: %w", p.Src, err)
	}
	made, err := other.make(ctx, c, after.Triangles)
	if err != nil {
		return out, fmt.Errorf("optimize %s: %w", p.Src, err)
	}
	if out, err = w.output(p, before, after); err != nil {
		return out, err
	}
	out.Size, out.Stats = strconv.Itoa(len(file)), measured()
	out.told(made)
	if other != nil {
		out.Stats.MaxMem, out.Stats.MaxCPU = max(out.Stats.MaxMem, other.stats.MaxMem), max(out.Stats.MaxCPU, other.stats.MaxCPU)
	}
	return out, publish(c, out, file, made)
}

// output is what is said of the model.
func (w *work) output(p Props, before, after glb.Measures) (Output, error) {
	config, err := p.Config.asMap()
	out := Output{
		ToolOutput: modules.ToolOutput{
			Src: p.Src, Dest: p.Dest, Config: config,
		},
		JSON: modules.PathOf(strings.TrimSuffix(p.Dest, path.Ext(p.Dest)) + ".json"), Tracing: w.steps, Log: w.said,
		OriginalSize: strconv.FormatInt(w.size, 10), OriginalTriangles: before.Triangles,
		Triangles: after.Triangles, Vertices: after.Vertices, Materials: after.Materials, Animations: after.Animations,
		Warnings: w.warnings,
	}
	for _, t := range after.Pictures {
		out.Textures = append(out.Textures, fmt.Sprintf("%s %d×%d", t.MIMEType, t.Width, t.Height))
	}
	return out, err
}

// finish writes the model, reads it again, and holds it against what it was.
func (w *work) finish(ctx context.Context, c *modules.Call, before glb.Measures) (file []byte, after glb.Measures, err error) {
	if file, err = w.fit(ctx, c); err != nil {
		return nil, after, err
	}
	own := glb.Limits{Bytes: 2 * int64(len(file)), JSON: int64(len(file))} // a .gltf is all JSON, and holds its bytes twice when read
	written, err := glb.Read(bytes.NewReader(file), glb.Source{Limits: own})
	if err != nil {
		return nil, after, fmt.Errorf("read what was written: %w", err)
	}
	if after, err = written.Measure(ctx); err != nil {
		return nil, after, fmt.Errorf("measure what was written: %w", err)
	}
	switch {
	case before.Triangles > 0 && after.Triangles == 0:
		err = permanent("no triangle of %d is left", before.Triangles)
	case after.Triangles > before.Triangles:
		err = permanent("it draws %d triangles, and drew %d", after.Triangles, before.Triangles)
	case after.Animations < before.Animations && !w.plan.RemoveAnimations && !w.plan.RemoveMorphAnimations:
		w.warn("%d of %d animations are left: the others moved nothing", after.Animations, before.Animations)
	}
	return file, after, err
}

// said is what lies beside dest.
func said(out Output) ([]byte, error) { return json.MarshalIndent(out, "", "  ") }
