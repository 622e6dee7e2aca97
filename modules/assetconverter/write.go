package assetconverter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// lacks are what a format can't hold, or is not written into it here.
func lacks(format string) []string {
	if format == "3ds" {
		return []string{"textures", "animations"}
	}
	return blender.Lacks(blender.Format(format))
}

// toBlender has Blender write the product, and reads it again.
func (w *work) toBlender(ctx context.Context) error {
	j := blender.Job{Dest: w.product(), Write: blender.Format(w.format), Unchecked: w.format == "stl"}
	read, back, err := w.hand(ctx, j)
	if err != nil {
		return err
	}
	written := &facts{}
	if j.Unchecked {
		written, err = w.measureSTL(ctx) // of which Blender drops what is there twice
	} else {
		written = factsOf(*back)
	}
	if err != nil {
		return fmt.Errorf("read what was written: %w", err)
	}
	written.lacks = lacks(w.format)
	w.made = *written
	w.warnLacks(read)
	return written.differs(read, w.still())
}

// hand has Blender do a job over the asset, and returns what it read.
func (w *work) hand(ctx context.Context, j blender.Job) (read *facts, written *blender.Scene, err error) {
	if j.Src, j.Format, err = w.forBlender(ctx); err != nil {
		return nil, nil, err
	}
	before := w.made.triangles
	r, err := w.blend(ctx, j)
	if err != nil && j.Format == blender.DAE && fault.Of(err) == fault.Permanent && !fatal(err) {
		j.Src, j.Format = filepath.Join(w.dir, "step.glb"), blender.GLB // which assimp may make
		if err = w.toGLTF(ctx, j.Src); err == nil {
			r, err = w.blend(ctx, j)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if before > 0 && before != r.Read.Triangles {
		return nil, nil, permanent("it draws %d triangles, and Blender read %d", before, r.Read.Triangles)
	}
	if info, err := os.Stat(j.Dest); err != nil || info.Size() == 0 {
		return nil, nil, permanent("Blender wrote nothing")
	}
	read = factsOf(r.Read)
	if w.kind == kind(blender.STL) || w.kind == kind(blender.PLY) {
		read.materials = 0 // the one there is, is ours
	}
	return read, r.Written, nil
}

// measureSTL reads the product.
func (w *work) measureSTL(ctx context.Context) (*facts, error) {
	f, err := os.Open(w.product())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	made := &facts{}
	some := false
	info, err := mesh.ScanSTL(ctx, f, func(b mesh.Batch) error {
		for _, t := range b.Triangles {
			for _, p := range t {
				for i, x := range p {
					if !some {
						made.min, made.max = glb.Vec{float64(p[0]), float64(p[1]), float64(p[2])}, glb.Vec{float64(p[0]), float64(p[1]), float64(p[2])}
						some = true
					}
					made.min[i], made.max[i] = min(made.min[i], float64(x)), max(made.max[i], float64(x))
				}
			}
		}
		return nil
	})
	made.triangles = info.Triangles
	return made, err
}

// warnLacks names what was read and was not written: what does not go into the format, and what its writer leaves out.
func (w *work) warnLacks(read *facts) {
	for _, what := range []struct {
		name        string
		there, made int
	}{
		{"materials", read.materials, w.made.materials},
		{"textures", read.textures, w.made.textures},
		{"animations", read.animations, w.made.animations},
	} {
		switch left := what.there - what.made; {
		case left <= 0, what.name == "animations" && w.still():
		case slices.Contains(lacks(w.format), what.name):
			w.warn(fmt.Sprintf("%d %s were left out: they do not go into %s here", left, what.name, strings.ToUpper(w.format)))
		default:
			w.warn(fmt.Sprintf("%d of %d %s are not in what was written: it has no place for them, or several became one", left, what.there, what.name))
		}
	}
}

// forBlender is the asset in a form that Blender reads.
func (w *work) forBlender(ctx context.Context) (src string, format blender.Format, err error) {
	format = blender.Format(w.kind)
	if slices.Contains([]blender.Format{blender.GLB, blender.STL, blender.PLY}, format) || !slices.Contains(blender.Readable(), format) {
		step := filepath.Join(w.dir, "step.glb")
		return step, blender.GLB, w.toGLTF(ctx, step)
	}
	src, err = w.named()
	return src, format, err
}

// named is the asset under a name that OpenUSD takes for its true format, for it goes by the name. What the asset refers to is not
// found where that is a link, which is an error by name.
func (w *work) named() (string, error) {
	ext := filepath.Ext(w.real)
	if !strings.HasPrefix(string(w.kind), "usd") || ext == "."+string(w.kind) || ext == ".usd" && w.kind != kind(blender.USDZ) {
		return w.real, nil
	}
	link := filepath.Join(w.dir, "in."+string(w.kind))
	return link, os.Symlink(w.real, link)
}
