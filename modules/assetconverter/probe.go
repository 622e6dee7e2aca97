package assetconverter

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fbx"
	"github.com/millrace/millrace/modules/glb"
)

// Limits of what is read.
const (
	maxBytes     = 1 << 30
	maxTriangles = 20_000_000
	maxTexels    = 1 << 30
)

// What Blender takes: at its start, and for each byte that it reads.
const (
	blenderBase = 300 << 20
	perByte     = 8
)

// Probe tells what the file is, and refuses one that is unknown or too large.
func (p *Props) Probe(_ context.Context, c *modules.Call) (modules.Demand, error) {
	f, a, err := open(c, p.Src)
	if err != nil {
		return modules.Demand{}, fmt.Errorf("read %s: %w", p.Src, err)
	}
	defer f.Close()
	p.asset = a
	var d modules.Demand
	if a.kind == kindZIP {
		d, err = weighArchive(f, a.size)
	} else {
		d, err = weighFile(c, p.Src, a)
	}
	if err != nil {
		return d, fmt.Errorf("read %s: %w", p.Src, err)
	}
	return d, nil
}

// weighFile is what a file takes, or why it is too much.
func weighFile(c *modules.Call, name string, a asset) (modules.Demand, error) {
	if a.size > maxBytes {
		return modules.Demand{}, permanent("it has %d MiB, more than the %d that are read", a.size>>20, maxBytes>>20)
	}
	d := modules.Demand{Input: a.size, Disk: 4 * a.size, Memory: blenderBase + perByte*a.size}
	switch a.kind {
	case kind(blender.FBX):
		return fbx.Demand(c, name)
	case kind(blender.STL):
		const triangle = 50 // bytes; of text four times that
		if n := a.size / triangle; n > maxTriangles {
			return d, permanent("it may have %d triangles, more than the %d that are read", n, maxTriangles)
		}
		d.Memory = 8 * a.size
	case kindGLB, kindGLTF:
		doc, err := glb.Open(c.Workspace, name, glb.Limits{})
		if err != nil {
			return d, err
		}
		m := doc.Count()
		if m.Triangles > maxTriangles {
			return d, permanent("it draws %d triangles, more than the %d that are read", m.Triangles, maxTriangles)
		}
		if n := m.Texels(); n > maxTexels {
			return d, permanent("its pictures have %d Mi pixels, more than the %d that are read", n>>20, maxTexels>>20)
		}
		size := max(doc.Size(), a.size)
		d = modules.Demand{Input: size, Disk: 4 * size, Memory: blenderBase + perByte*size + 200*m.Vertices + 8*m.Texels()}
	}
	return d, nil
}
