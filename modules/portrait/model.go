// Package portrait is what ScreenshotGenerator and Renderer share: a model, read by what it holds, and pictures of it.
package portrait

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/raster/mesh"
)

// What a model may have.
const (
	maxBytes     = 1 << 30
	maxMeshBytes = 256 << 20 // of a STL, OBJ or PLY
	maxTriangles = 20e6
	maxTexels    = 512 << 20 // of all pictures
	maxPicture   = 64 << 20  // texels of one
)

// A Model is what is drawn: a document, or a mesh of a format without materials.
type Model struct {
	doc   *glb.Document
	mesh  *mesh.Mesh
	notes []string // warnings
}

// Read reads a model, and refuses one that is too large. The demand is that of a picture of it, but for the picture itself.
func Read(ctx context.Context, c *modules.Call, src string) (*Model, modules.Demand, error) {
	m, d, err := read(ctx, c, src)
	if err != nil {
		return nil, d, fmt.Errorf("read %s: %w", src, err)
	}
	return m, d, nil
}

func read(ctx context.Context, c *modules.Call, src string) (m *Model, d modules.Demand, err error) {
	m, size, err := load(ctx, c, src)
	if err != nil {
		return nil, d, err
	}
	triangles, texels := int64(0), int64(0)
	if m.doc != nil {
		count := m.doc.Count()
		triangles, texels = count.Triangles, count.Texels()
		for _, picture := range count.Pictures {
			if int64(picture.Width)*int64(picture.Height) > maxPicture {
				return nil, d, permanent("it has a picture of %d x %d texels, more than the %d million that are drawn", picture.Width, picture.Height, maxPicture>>20)
			}
		}
	} else {
		triangles = int64(len(m.mesh.Triangles))
	}
	switch {
	case triangles == 0:
		return nil, d, permanent("it draws no triangle")
	case triangles > maxTriangles:
		return nil, d, permanent("it draws %d triangles, more than the %d that are drawn", triangles, int64(maxTriangles))
	case texels > maxTexels:
		return nil, d, permanent("it has pictures of %d million texels, more than the %d that are drawn", texels>>20, maxTexels>>20)
	}
	// Chromium is half a gigabyte; it holds the file three times, a texel and a third of it twice, and a vertex here and there.
	return m, modules.Demand{Input: size, Memory: 600<<20 + 4*size + 12*texels + 300*triangles}, nil
}

func permanent(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}

// load reads a model by what it holds.
func load(ctx context.Context, c *modules.Call, src string) (*Model, int64, error) {
	f, err := c.Workspace.Open(src)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fault.As(fault.Permanent, errors.New("it is not a regular file"))
	}
	head := make([]byte, blender.HeadLen)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	size := info.Size()
	if glb.Sniff(head[:n]) != glb.Neither {
		doc, err := glb.Open(c.Workspace, src, glb.Limits{Bytes: maxBytes})
		if err != nil {
			return nil, 0, err
		}
		return &Model{doc: doc}, max(size, doc.Size()), nil
	}
	if size > maxMeshBytes {
		return nil, 0, permanent("it is %d MiB, more than the %d of an OBJ, STL or PLY that are read; convert it to GLB first", size>>20, maxMeshBytes>>20)
	}
	m := &Model{}
	switch kind := blender.Sniff(head[:n], size); kind {
	case blender.STL:
		m.mesh, err = mesh.ReadSTL(ctx, f)
	case blender.PLY:
		m.mesh, _, err = mesh.ReadPLY(ctx, f)
	case blender.OBJ:
		m.mesh, err = mesh.ReadOBJ(ctx, f)
	case "":
		return nil, 0, fault.As(fault.Permanent, errors.New("it is none of GLB, glTF, OBJ, STL and PLY, which are drawn"))
	default:
		return nil, 0, permanent("it is %s, and GLB, glTF, OBJ, STL and PLY are drawn; convert it first (AssetConverter)", kind)
	}
	if err != nil {
		return nil, 0, err
	}
	if m.mesh.Materials {
		m.notes = append(m.notes, fmt.Sprintf("the materials that %s names are not drawn; convert it to GLB first (AssetConverter)", src))
	}
	return m, size, nil
}
