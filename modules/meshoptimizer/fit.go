package meshoptimizer

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/modules"
)

// Where making it smaller ends: pixels of the longer side of textures, and triangles.
const (
	leastSide      = 64
	leastTriangles = 12
)

// encode is the model as a file, its geometry packed where the plan says so.
func (w *work) encode(ctx context.Context, c *modules.Call) ([]byte, error) {
	w.written = w.doc
	if w.plan.DracoEncode {
		err := w.step("Draco", func() (err error) {
			w.written, err = w.encodeDraco(ctx, c)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	write := w.written.Write
	if w.text {
		write = w.written.WriteText
	}
	err := write(&b)
	return b.Bytes(), err
}

// fit makes the model smaller until its file keeps the limit, or can't: its textures, and, where that is forced, its triangles.
func (w *work) fit(ctx context.Context, c *modules.Call) (file []byte, err error) {
	limit := w.plan.sizeLimit
	if file, err = w.encode(ctx, c); err != nil || limit == 0 || int64(len(file)) <= limit {
		return file, err
	}
	if file, err = w.shrinkTextures(ctx, c, file); err != nil || int64(len(file)) <= limit {
		return file, err
	}
	const say = "config.file_size_limit asks for %d bytes, and %d are left with the smallest textures"
	if !w.plan.ForceFileSizeLimit {
		w.warn(say+"; lower tris, or set force_file_size_limit", limit, len(file))
		return file, nil
	}
	before := w.doc.Count().Triangles
	if file, err = w.shrinkGeometry(ctx, c, file); err != nil {
		return nil, err
	}
	after := w.doc.Count().Triangles
	if int64(len(file)) > limit {
		return nil, permanent(say+" and %d triangles; give the limit more", limit, len(file), after)
	}
	w.warn("config.force_file_size_limit left %d triangles of %d, to keep file_size_limit", after, before)
	return file, nil
}

func (w *work) shrinkTextures(ctx context.Context, c *modules.Call, file []byte) ([]byte, error) {
	longest := 0
	for _, p := range w.doc.Count().Pictures {
		longest = max(longest, p.Width, p.Height)
	}
	for side := longest / 2; side >= leastSide && int64(len(file)) > w.plan.sizeLimit && !w.plan.SkipTexOpt; side /= 2 {
		w.shrink = side
		err := w.step(fmt.Sprintf("textures of %d", side), func() error {
			return errors.Join(w.optimizeTextures(ctx), w.doc.Prune())
		})
		if err == nil {
			file, err = w.encode(ctx, c)
		}
		if err != nil {
			return nil, err
		}
	}
	return file, nil
}

// shrinkGeometry halves the triangles until the file keeps the limit, or no fewer come of it.
func (w *work) shrinkGeometry(ctx context.Context, c *modules.Call, file []byte) ([]byte, error) {
	for n := w.doc.Count().Triangles; n > leastTriangles && int64(len(file)) > w.plan.sizeLimit; {
		in, err := w.packed()
		if err != nil {
			return nil, err
		}
		t, err := w.run(ctx, in, []string{"-se", "1", "-si", "0.5", "-sa"})
		if err != nil {
			return nil, err
		}
		if t.triangles >= n || t.triangles == 0 {
			break
		}
		n, w.doc = t.triangles, t.doc
		w.trace("halve triangles", t)
		if err := errors.Join(w.normals(), w.doc.Prune()); err != nil {
			return nil, err
		}
		if file, err = w.encode(ctx, c); err != nil {
			return nil, err
		}
	}
	return file, nil
}
