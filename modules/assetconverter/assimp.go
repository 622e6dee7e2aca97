package assetconverter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/tool"
)

// What plugs in a converter of CAD.
const (
	converterProgram  = "millrace-cad-converter"
	converterVariable = "MILLRACE_TOOL_CAD_CONVERTER"
)

// cadConverter is a program of the operator's, run as CONVERTER SRC DEST.glb.
func cadConverter() tool.Tool {
	return tool.Tool{
		Name: "CAD converter", Programs: []string{converterProgram}, Version: []string{"--version"}, Pattern: `(\d+(?:\.\d+)*)`,
		Get: "install one as " + converterProgram + " in PATH, or name it in " + converterVariable + "; it is run as CONVERTER SRC DEST.glb",
	}
}

func (w *work) fromCAD(ctx context.Context) (*glb.Document, error) {
	at := filepath.Join(w.dir, "cad.glb")
	stats, err := w.call.RunTool(ctx, modules.ToolRun{Tool: cadConverter(), Args: []string{w.real, at}})
	w.used(stats)
	if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
		return nil, permanent("it is %s, which needs a licensed converter: %w", w.kind, lacks)
	}
	if err != nil {
		return nil, err
	}
	w.did("CAD converter")
	return w.readGLB(at)
}

// fromAssimp has assimp make a GLB of the asset, and repairs it.
func (w *work) fromAssimp(ctx context.Context) (*glb.Document, *facts, error) {
	// assimp goes by the name first. What the asset refers to is looked for by us.
	src := filepath.Join(w.dir, "in."+string(w.kind))
	if err := os.Symlink(w.real, src); err != nil {
		return nil, nil, err
	}
	at := filepath.Join(w.dir, "assimp.glb")
	w.did("assimp")
	if err := w.assimp(ctx, nil, "export", src, at, "-fglb2", "-tri"); err != nil {
		return nil, nil, err
	}
	doc, err := w.readGLB(at)
	if err != nil {
		return nil, nil, err
	}
	read, err := w.info(ctx, src)
	if err != nil {
		return nil, nil, err
	}
	if stored := doc.Count().Stored; stored != read.triangles {
		return nil, nil, permanent("assimp read %d triangles, and wrote %d", read.triangles, stored)
	}
	made, err := measured(ctx, doc)
	if err != nil {
		return nil, nil, err
	}
	repaired, err := w.repair(ctx, doc) // normals and weights of its are not what glTF wants
	if err != nil {
		return nil, nil, err
	}
	return repaired, &made, nil
}

// measured are the facts of a document.
func measured(ctx context.Context, doc *glb.Document) (facts, error) {
	m, err := doc.Measure(ctx)
	used := map[int]bool{}
	for i := range doc.Meshes {
		for _, p := range doc.Meshes[i].Primitives {
			if p.Material != nil {
				used[*p.Material] = true
			}
		}
	}
	return facts{
		triangles: m.Triangles, materials: len(used), textures: len(m.Pictures), animations: m.Animations, min: m.Bounds.Min, max: m.Bounds.Max,
	}, err
}

// assimp runs it in the work's own folder. It prints its progress, which nobody wants.
func (w *work) assimp(ctx context.Context, stdout *bytes.Buffer, args ...string) error {
	quiet := *w.call
	quiet.Stdout = nobody{}
	run := modules.ToolRun{Tool: tool.Assimp(), Args: args, Reason: assimpReason}
	if stdout != nil {
		run.Stdout = stdout
	}
	stats, err := quiet.RunTool(ctx, run)
	w.used(stats)
	if err != nil && ctx.Err() == nil && fault.Of(err) == fault.Unknown {
		return fault.As(fault.Permanent, err) // it has no errors that pass
	}
	return err
}

// nobody takes what nobody asked to see.
type nobody struct{}

func (nobody) Write(p []byte) (int, error) { return len(p), nil }

func assimpReason(lines []string) string {
	for _, line := range lines {
		if what, ok := strings.CutPrefix(line, "ERROR: "); ok {
			return what
		}
	}
	return lines[len(lines)-1]
}

// info is what assimp reads in a file: each mesh counts once.
func (w *work) info(ctx context.Context, name string) (facts, error) {
	var said bytes.Buffer
	if err := w.assimp(ctx, &said, "info", name, "-tri"); err != nil {
		return facts{}, err
	}
	number := func(label string) int {
		m := regexp.MustCompile(`(?m)^` + label + `:\s+(\d+)`).FindSubmatch(said.Bytes())
		if m == nil {
			return 0
		}
		n, _ := strconv.Atoi(string(m[1]))
		return n
	}
	f := facts{triangles: int64(number("Faces")), materials: number("Materials"), animations: number("Animations")}
	kinds := regexp.MustCompile(`(?m)^Primitive Types:\s+(.*)$`).FindSubmatch(said.Bytes())
	if kinds == nil || f.triangles == 0 {
		return f, permanent("assimp reads no triangle in it")
	}
	if list := strings.Fields(string(kinds[1])); !slices.Equal(list, []string{"triangles"}) {
		return f, permanent("it holds %s, and only triangles are converted", strings.Join(list, " and "))
	}
	return f, nil
}

// to3DS has assimp write the product of an OBJ, which holds no transforms, and reads it again. 3DS has Z up.
func (w *work) to3DS(ctx context.Context) error {
	w.ignore("")
	flat := filepath.Join(w.out(), "flat.obj")
	read, _, err := w.hand(ctx, blender.Job{Dest: flat, Write: blender.OBJ, ZUp: true, Unchecked: true})
	if err != nil {
		return err
	}
	if err := w.withoutPictures(); err != nil {
		return err
	}
	w.did("assimp")
	if err := w.assimp(ctx, nil, "export", flat, w.product(), "-f3ds", "-tri"); err != nil {
		return err
	}
	back := filepath.Join(w.dir, "back.glb")
	if err := w.assimp(ctx, nil, "export", w.product(), back, "-fglb2"); err != nil {
		return fmt.Errorf("read what was written: %w", err)
	}
	doc, err := w.readGLB(back)
	if err != nil {
		return fmt.Errorf("read what was written: %w", err)
	}
	if w.made, err = measured(ctx, doc); err != nil {
		return err
	}
	w.made.lacks = lacks(w.format)
	w.warnLacks(read)
	if err := w.made.differs(read, w.still()); err != nil {
		return fmt.Errorf("a mesh of a 3DS holds up to 65,535 points and triangles: %w", err)
	}
	return w.clear()
}

// withoutPictures takes the names of pictures from the materials of the OBJ: assimp would write them, and nobody find them.
func (w *work) withoutPictures() error {
	name := filepath.Join(w.out(), "flat.mtl")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var kept []byte
	for line := range bytes.Lines(text) {
		if words := bytes.Fields(line); len(words) == 0 || !bytes.HasPrefix(words[0], []byte("map_")) {
			kept = append(kept, line...)
		}
	}
	return os.WriteFile(name, kept, 0o600)
}

// clear takes away all but the product.
func (w *work) clear() error {
	entries, err := os.ReadDir(w.out())
	for _, e := range entries {
		if e.Name() != filepath.Base(w.product()) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(w.out(), e.Name())))
		}
	}
	return err
}
