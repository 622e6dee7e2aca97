package meshoptimizer

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/tool"
)

// dracoExtension is what geometry that Draco packed goes by.
const dracoExtension = "KHR_draco_mesh_compression"

//go:embed draco.js
var dracoScript string

// draco packs (verb encode) or unpacks (decode) a document's geometry. It needs Node.js and Google's draco3dgltf, which a worker
// need not have: that they are missing is a sentence, for those jobs alone that want Draco.
func draco(ctx context.Context, c *modules.Call, verb string, d *glb.Document) (out *glb.Document, err error) {
	library, err := c.Tools.Find(ctx, tool.Draco())
	if err != nil {
		if _, lacks := errors.AsType[*tool.MissingError](err); lacks {
			err = fault.As(fault.Permanent, err)
		}
		return nil, err
	}
	dir, err := os.MkdirTemp("", "draco-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	from, to := filepath.Join(dir, "from.glb"), filepath.Join(dir, "to.glb")
	f, err := os.Create(from)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(d.Write(f), f.Close()); err != nil {
		return nil, err
	}
	_, err = c.RunTool(ctx, modules.ToolRun{
		Tool: tool.Node(), Args: []string{"-e", dracoScript, library.Path, verb, from, to},
		Reason: func(lines []string) string { return lines[0] },
	})
	if err != nil {
		return nil, fmt.Errorf("%s Draco: %w", verb, err)
	}
	if f, err = os.Open(to); err != nil {
		return nil, fmt.Errorf("read what Node.js wrote: %w", err)
	}
	defer f.Close()
	if out, err = glb.Read(f, glb.Source{}); err != nil {
		return nil, fmt.Errorf("read what Node.js wrote: %w", err)
	}
	return out, out.Prune()
}

// encodeDraco returns the model with its geometry packed by Draco, once it has had a look at what comes out of it again.
func (w *work) encodeDraco(ctx context.Context, c *modules.Call) (*glb.Document, error) {
	want := w.doc.Count()
	packed, err := draco(ctx, c, "encode", w.doc)
	if err != nil {
		return nil, err
	}
	plain, err := draco(ctx, c, "decode", packed)
	if err != nil {
		return nil, fmt.Errorf("look at what was packed: %w", err)
	}
	if got := plain.Count(); got.Triangles != want.Triangles || got.Primitives != want.Primitives {
		return nil, permanent("Draco packed %d triangles in %d parts, and there were %d in %d", got.Triangles, got.Primitives, want.Triangles, want.Primitives)
	}
	return packed, nil
}
