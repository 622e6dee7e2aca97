// Package fbx measures FBX files, and turns them into glTF with FBX2glTF. FBX2glTF and AssetConverter share it.
package fbx

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/glb"
	"github.com/millrace/millrace/modules/tool"
)

// Limits of what is read.
const (
	maxBytes    = 1 << 30       // of the file
	maxUnpacked = 4 << 30       // bytes of its arrays
	maxCorners  = 3 * 100 << 20 // of its polygons: 100 Mi triangles
)

// Demand measures an FBX of the workspace, and says what it takes to convert it. What is no FBX, and one that is too large, is a
// permanent error, before any of it is unpacked.
func Demand(c *modules.Call, name string) (modules.Demand, error) {
	m, err := look(c, name)
	if err != nil {
		return modules.Demand{}, err
	}
	// FBX2glTF holds what the FBX holds, what it makes of it, and the file that it writes.
	return modules.Demand{Input: m.bytes, Disk: m.bytes + m.unpacked, Memory: 64<<20 + 4*max(m.bytes, m.unpacked)}, nil
}

// look measures an FBX.
func look(c *modules.Call, name string) (measures, error) {
	f, err := c.Workspace.Open(name)
	if err != nil {
		return measures{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return measures{}, err
	}
	if !info.Mode().IsRegular() {
		return measures{}, fault.As(fault.Permanent, errors.New("it is not a regular file"))
	}
	if info.Size() > maxBytes {
		return measures{}, fault.As(fault.Permanent, fmt.Errorf("it has %d MiB, more than the %d that are read", info.Size()>>20, maxBytes>>20))
	}
	m, err := measure(f, info.Size())
	switch {
	case err != nil:
		return measures{}, err
	case m.unpacked > maxUnpacked:
		err = fmt.Errorf("its arrays have %d MiB when they are unpacked, more than the %d that are read", m.unpacked>>20, maxUnpacked>>20)
	case m.corners > maxCorners:
		err = fmt.Errorf("its polygons have %d corners, more than the %d that are read", m.corners, maxCorners)
	}
	return m, fault.As(fault.Permanent, err)
}

// A Job is an FBX of the workspace to convert.
type Job struct {
	Src     string
	Dest    string   // .glb or .gltf; it appears when it is complete and Khronos' validator finds no error in it
	Options []string // of FBX2glTF
	Verbose bool     // shows what it says of every node and mesh
}

// isText says whether a .gltf is written.
func (j *Job) isText() bool { return strings.EqualFold(path.Ext(j.Dest), ".gltf") }

// Convert runs FBX2glTF. Textures that lie outside the workspace are a permanent error.
func Convert(ctx context.Context, c *modules.Call, j Job) (Product, modules.Stats, error) {
	var made Product
	stats, err := turn(ctx, c, j, func(w *work) (err error) {
		if made, err = w.verify(ctx, c); err != nil {
			return fmt.Errorf("check what came of %s: %w", j.Src, err)
		}
		made.Warnings = append(made.Warnings, w.said.missing...)
		if made.Size, err = w.publish(c, j.Dest); err != nil {
			return fmt.Errorf("write %s: %w", j.Dest, err)
		}
		return nil
	})
	return made, stats, err
}

// Read is what FBX2glTF makes of an FBX, which nobody has validated, and a sentence on each texture that is not there.
func Read(ctx context.Context, c *modules.Call, j Job) (doc *glb.Document, warnings []string, stats modules.Stats, err error) {
	stats, err = turn(ctx, c, j, func(w *work) (err error) {
		warnings = w.said.missing
		doc, _, err = w.open()
		return err
	})
	return doc, warnings, stats, err
}

// turn runs FBX2glTF, and then use, while what it made is there.
func turn(ctx context.Context, c *modules.Call, j Job, use func(*work) error) (modules.Stats, error) {
	found, err := look(c, j.Src)
	if err != nil {
		return modules.Stats{}, fmt.Errorf("read %s: %w", j.Src, err)
	}
	w, err := newWork(c, j, found.textures)
	if err != nil {
		return modules.Stats{}, fmt.Errorf("prepare %s: %w", path.Base(j.Src), err)
	}
	defer w.remove()
	quiet := *c
	if !j.Verbose {
		quiet.Stdout = w
	}
	stats, err := quiet.RunTool(ctx, modules.ToolRun{Tool: tool.FBX2glTF(), Args: w.args(j.Options), Stdout: &w.said, Reason: reason})
	if err == nil {
		err = w.said.foreign(c, w.dir)
	}
	if err != nil {
		return stats, fmt.Errorf("convert %s: %w", j.Src, err)
	}
	return stats, use(w)
}

// reason is the line of what it printed that says what is wrong: what follows is of less use.
func reason(lines []string) string {
	for _, line := range lines {
		if what, ok := strings.CutPrefix(line, "ERROR:: "); ok {
			return what
		}
	}
	return lines[len(lines)-1]
}
