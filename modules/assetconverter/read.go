package assetconverter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/fbx"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/gltfcheck"
	"github.com/millrace/millrace/modules/gltfpack"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// toGLTF makes a GLB or glTF of the asset, in which Khronos' validator finds no error.
func (w *work) toGLTF(ctx context.Context, dest string) error {
	if w.kind == kind(blender.FBX) {
		err := w.byFBX2glTF(ctx, dest)
		if err == nil || ctx.Err() != nil || fatal(err) {
			return err
		}
		w.warnings = nil
		w.warn(fmt.Sprintf("FBX2glTF could not do it, and Blender did: %v", err))
	}
	w.ignore("")
	doc, read, err := w.document(ctx)
	if err != nil {
		return err
	}
	return w.finish(ctx, doc, read, dest)
}

// fatal says whether an error is one that another converter must not get round.
func fatal(err error) bool {
	_, foreign := errors.AsType[*fbx.ForeignError](err)
	_, lacks := errors.AsType[*tool.MissingError](err)
	_, over := errors.AsType[*proc.OverError](err)
	refused, ok := errors.AsType[*blender.RefusedError](err)
	return foreign || lacks || over || ok && refused.Final
}

func (w *work) byFBX2glTF(ctx context.Context, dest string) error {
	config := map[string]any{}
	for key, v := range w.props.Config {
		if key != allowMissing && key != animations {
			config[key] = v
		}
	}
	options, warnings := fbx.Options(config, w.dest)
	doc, missing, stats, err := fbx.Read(ctx, w.call, fbx.Job{Src: w.src, Dest: "out.glb", Options: options})
	w.used(stats)
	if err != nil {
		return err
	}
	if w.still() {
		doc.Animations = nil
		if err := doc.Prune(); err != nil {
			return err
		}
	}
	if len(missing) > 0 && !w.allow() {
		return permanent("%s", missing[0]) // Blender looks elsewhere too
	}
	for _, text := range append(warnings, missing...) {
		w.warn(text)
	}
	w.did("FBX2glTF")
	return w.finish(ctx, doc, nil, dest)
}

// document is the asset as a glTF, and what its reader says that it holds; nil where the reader is ours and nothing can be lost.
func (w *work) document(ctx context.Context) (*glb.Document, *facts, error) {
	switch {
	case w.kind == kindGLB, w.kind == kindGLTF:
		w.did("Millrace")
		doc, err := glb.Open(w.call.Workspace, w.src, glb.Limits{})
		if err == nil && w.still() {
			doc.Animations = nil
			err = doc.Prune()
		}
		return doc, nil, err
	case w.kind == kind(blender.STL), w.kind == kind(blender.PLY):
		w.did("Millrace")
		doc, err := w.mesh(ctx)
		return doc, nil, err
	case slices.Contains(blender.Readable(), blender.Format(w.kind)):
		src, err := w.named()
		if err != nil {
			return nil, nil, err
		}
		at := filepath.Join(w.dir, "blender.glb")
		r, err := w.blend(ctx, blender.Job{Src: src, Format: blender.Format(w.kind), Dest: at, Write: blender.GLB, Unchecked: true})
		if err != nil && w.kind == kind(blender.DAE) && fault.Of(err) == fault.Permanent && !fatal(err) {
			// Blender's reader of DAE skips strips and polygons with holes, and breaks down on some files.
			w.warn(fmt.Sprintf("Blender could not read it, and assimp did: %v", err))
			return w.fromAssimp(ctx)
		}
		if err != nil {
			return nil, nil, err
		}
		doc, err := w.readGLB(at)
		return doc, factsOf(r.Read), err
	case w.kind.isCAD():
		doc, err := w.fromCAD(ctx)
		return doc, nil, err
	}
	return w.fromAssimp(ctx)
}

// factsOf turns Blender's measures so that Y is up, as glTF has it.
func factsOf(s blender.Scene) *facts {
	return &facts{
		triangles: s.Triangles, materials: s.Materials, textures: s.Textures, animations: s.Animations,
		min: glb.Vec{s.Min[0], s.Min[2], -s.Max[1]}, max: glb.Vec{s.Max[0], s.Max[2], -s.Min[1]},
	}
}

// finish holds a document against what was read, writes it, and asks Khronos' validator.
func (w *work) finish(ctx context.Context, doc *glb.Document, read *facts, dest string) error {
	if err := w.weigh(ctx, doc, read); err != nil {
		return err
	}
	if read != nil {
		w.warnLacks(read)
	}
	wrong, err := w.write(ctx, doc, dest)
	if err != nil || wrong == "" {
		return err
	}
	if doc, err = w.repair(ctx, doc); err != nil {
		return permanent("it breaks the rules of glTF (%s), and can't be repaired: %w", wrong, err)
	}
	still, err := w.write(ctx, doc, dest)
	if err != nil {
		return err
	}
	if still != "" {
		return permanent("what comes of it breaks the rules of glTF: %s", still)
	}
	w.warn("it broke the rules of glTF, and was repaired: " + wrong)
	before := w.made
	return w.weigh(ctx, doc, &before)
}

// weigh measures a document and compares it.
func (w *work) weigh(ctx context.Context, doc *glb.Document, read *facts) error {
	m, err := doc.Measure(ctx)
	if err != nil {
		return err
	}
	w.made = facts{
		triangles: m.Triangles, materials: m.Materials, textures: len(m.Pictures), animations: m.Animations, min: m.Bounds.Min, max: m.Bounds.Max,
	}
	if m.Triangles == 0 {
		return permanent("it draws no triangle: is there a mesh in it?")
	}
	if read == nil {
		return nil
	}
	if m.Bounds.Loose {
		read.min, read.max = w.made.min, w.made.max
	}
	return w.made.differs(read, w.still())
}

// differs is an error where what was written is not what was read.
func (f *facts) differs(read *facts, still bool) error {
	lacks := f.lacks
	if still {
		lacks = append(slices.Clone(lacks), "animations")
	}
	return f.scene().Differs(read.scene(), lacks...)
}

func (f *facts) scene() blender.Scene {
	return blender.Scene{Triangles: f.triangles, Min: f.min, Max: f.max, Materials: f.materials, Textures: f.textures, Animations: f.animations}
}

// write writes a document, and returns the first thing that Khronos' validator calls an error; empty is none.
func (w *work) write(ctx context.Context, doc *glb.Document, dest string) (wrong string, err error) {
	if filepath.Dir(dest) == w.dir { // Blender reads it next
		if err := doc.Separate(); err != nil {
			return "", err
		}
		if n := doc.Count().Triangles; n < w.made.triangles {
			w.warn(fmt.Sprintf("%d triangles of %d have no area, and were left out", w.made.triangles-n, w.made.triangles))
			w.made.triangles = n
		}
	}
	f, err := os.Create(dest)
	if err != nil {
		return "", err
	}
	if filepath.Ext(dest) == ".gltf" {
		err = doc.WriteText(f)
	} else {
		err = doc.Write(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	validator := gltfcheck.Validator{Tools: w.call.Tools, Exec: w.call.Exec, Env: w.call.Env}
	report, err := validator.Check(ctx, gltfcheck.File{Path: dest}, gltfcheck.Options{MaxIssues: 1000})
	if err != nil {
		return "", err
	}
	for _, m := range report.Issues.Messages {
		if m.Severity == gltfcheck.Error {
			return fmt.Sprintf("%s (%s at %s)", m.Message, m.Code, m.Pointer), nil
		}
	}
	return "", nil
}

// repair lets gltfpack write a document anew, which makes normals and weights what they must be, and loses nothing.
func (w *work) repair(ctx context.Context, doc *glb.Document) (*glb.Document, error) {
	var in bytes.Buffer
	if err := doc.Write(&in); err != nil {
		return nil, err
	}
	p, err := gltfpack.New(ctx, gltfpack.Config{Compiled: w.call.Tools.Compiled})
	if err != nil {
		return nil, err
	}
	defer p.Close(context.WithoutCancel(ctx))
	r, err := p.Pack(ctx, in.Bytes(), "-noq", "-kn", "-km", "-ke", "-kv", "-af", "0")
	if err != nil {
		return nil, err
	}
	w.did("gltfpack")
	out, err := glb.Read(bytes.NewReader(r.GLB), glb.Source{})
	return out, fault.As(fault.Permanent, err)
}
