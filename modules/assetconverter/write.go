package assetconverter

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/blender"
)

// lacks are what a format can't hold, or Blender does not write into it.
func lacks(format string) []string {
	switch format {
	case "stl", "ply", "abc":
		return []string{"materials", "textures", "animations"}
	case "obj":
		return []string{"animations"}
	case "3ds":
		return []string{"textures", "animations"}
	}
	return nil
}

// toBlender has Blender write the product, and read it again.
func (w *work) toBlender(ctx context.Context) error {
	src, format, err := w.forBlender(ctx)
	if err != nil {
		return err
	}
	before := w.made
	r, err := w.blend(ctx, src, format, w.product(), blender.Format(w.format), false)
	if err != nil {
		return err
	}
	if before.triangles > 0 && before.triangles != r.Read.Triangles {
		return permanent("it draws %d triangles, and Blender read %d", before.triangles, r.Read.Triangles)
	}
	if info, err := os.Stat(w.product()); err != nil || info.Size() == 0 {
		return permanent("Blender wrote nothing")
	}
	read, written := factsOf(r.Read), factsOf(*r.Written)
	written.lacks = lacks(w.format)
	w.made = *written
	w.warnLacks(read)
	return written.differs(read, w.still())
}

// warnLacks names what was read and can't be written.
func (w *work) warnLacks(read *facts) {
	for _, what := range []struct {
		name        string
		there, made int
	}{
		{"materials", read.materials, w.made.materials},
		{"textures", read.textures, w.made.textures},
		{"animations", read.animations, w.made.animations},
	} {
		if what.there > 0 && what.made == 0 && slices.Contains(lacks(w.format), what.name) && (what.name != "animations" || !w.still()) {
			w.warn(fmt.Sprintf("%d %s were left out: they do not go into %s here", what.there, what.name, strings.ToUpper(w.format)))
		}
	}
}

// forBlender is the asset in a form that Blender reads.
func (w *work) forBlender(ctx context.Context) (src string, format blender.Format, err error) {
	format = blender.Format(w.kind)
	if format == blender.GLB || !slices.Contains(blender.Readable(), format) {
		step := filepath.Join(w.dir, "step.glb")
		return step, blender.GLB, w.toGLTF(ctx, step)
	}
	src = w.real
	if strings.HasPrefix(string(format), "usd") && extension(src) != string(format) && extension(src) != "usd" {
		// OpenUSD goes by the name. What the file refers to is not found then, which is an error by name.
		src = filepath.Join(w.dir, "in."+string(format))
		err = os.Symlink(w.real, src)
	}
	return src, format, err
}
