// Package stl2obj is the STL2OBJ task: STL or PLY in, OBJ out, in Go.
package stl2obj

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

// Module is the STL2OBJ task.
var Module = modules.Define(modules.Spec{
	Name:    "STL2OBJ",
	Summary: "Converts an STL or a PLY, binary or ASCII, to an OBJ.",
	Example: "- module: STL2OBJ\n  props: {src: part.stl, dest: part.obj}\n  register: obj",
}, run)

// Props are what a task writes under props.
type Props struct {
	Src    string         `json:"src" doc:"STL or PLY file to read, binary or ASCII; which it is, is told by what it holds."`
	Dest   string         `json:"dest" aliases:"dst" doc:"OBJ file to write; it appears when it is complete."`
	Config map[string]any `json:"config,omitzero" doc:"Options of the converter; the one there is: f, the format, which is obj."`
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Triangles  int64    `json:"triangles" fact:"made.triangles" doc:"Triangles written."`
	Original   int64    `json:"originalTriangles" fact:"read.triangles" doc:"Triangles that src holds."`
	Vertices   int64    `json:"vertices" doc:"Distinct vertices written."`
	Degenerate int64    `json:"degenerate" doc:"Triangles left out because two of their corners are one point."`
	Warnings   []string `json:"warnings" doc:"What is odd about the file, a sentence each."`
}

// Validate refuses what this version would otherwise ignore.
func (p *Props) Validate() error {
	var problems []modules.Problem
	report := func(path, format string, args ...any) {
		problems = append(problems, modules.Problem{Path: path, Msg: fmt.Sprintf(format, args...)})
	}
	for _, key := range slices.Sorted(maps.Keys(p.Config)) {
		at := "config." + key
		if key != "f" && key != "format" {
			report(at, "prop %q is not an option of this version; the only one is f: obj", at)
		} else if format := fmt.Sprint(p.Config[key]); !strings.EqualFold(format, "obj") {
			report(at, "prop %q is %q, and obj is the only format written here", at, format)
		}
	}
	if !strings.EqualFold(path.Ext(p.Dest), ".obj") {
		report("dest", "prop \"dest\" must end in .obj, which is what is written, got %q", p.Dest)
	}
	if len(problems) == 0 {
		return nil
	}
	return &modules.PropError{Problems: problems}
}

// maxPLY is how large a PLY may be, in bytes: all of it is held in memory.
const maxPLY = 1 << 30

// Probe refuses a PLY that is too large, and says what the conversion takes.
func (p *Props) Probe(_ context.Context, c *modules.Call) (d modules.Demand, err error) {
	f, err := c.Workspace.Open(p.Src)
	if err != nil {
		return d, fmt.Errorf("read %s: %w", p.Src, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return d, fmt.Errorf("read %s: %w", p.Src, err)
	}
	d = modules.Demand{Input: info.Size(), Disk: 2 * info.Size(), Memory: info.Size()}
	head := make([]byte, 4)
	if _, err := f.ReadAt(head, 0); err != nil || string(head[:3]) != "ply" {
		return d, nil // Run says what is wrong with it
	}
	// A binary one of 50 MB with normals took 200 MB, and its OBJ has 155 MB.
	if d.Disk, d.Memory = 4*info.Size(), 5*info.Size(); info.Size() > maxPLY {
		return d, fault.As(fault.Permanent, fmt.Errorf("read %s: it has %d MiB, more than the %d of a PLY that are read", p.Src, info.Size()>>20, maxPLY>>20))
	}
	return d, nil
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	counts, err := convert(ctx, c, p)
	if err != nil {
		return Output{}, fmt.Errorf("convert %s: %w", p.Src, err)
	}
	written, err := c.Workspace.Stat(p.Dest)
	if err != nil {
		return Output{}, fmt.Errorf("check what was written: %w", err)
	}
	out := Output{
		ToolOutput: modules.ToolOutput{
			Src:    p.Src,
			Dest:   p.Dest,
			Config: p.Config,
			Size:   strconv.FormatInt(written.Size(), 10),
			Stats:  measured(),
		},
		Triangles:  counts.Triangles,
		Original:   counts.Triangles + counts.Degenerate,
		Vertices:   counts.Vertices,
		Degenerate: counts.Degenerate,
	}
	if counts.Trailing > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf(
			"%s goes on for %d bytes behind the triangles that its header promises; they were left out", p.Src, counts.Trailing))
	}
	if len(counts.Left) > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf("%s holds more than is read, which was left out: %s", p.Src, strings.Join(counts.Left, ", ")))
	}
	return out, nil
}

func convert(ctx context.Context, c *modules.Call, p Props) (counts Counts, err error) {
	info, err := c.Workspace.Stat(p.Src)
	if err != nil {
		return counts, err
	}
	if !info.Mode().IsRegular() {
		return counts, fault.As(fault.Permanent, errors.New("it is not a regular file"))
	}
	src, err := c.Workspace.Open(p.Src)
	if err != nil {
		return counts, err
	}
	defer src.Close()
	err = c.Workspace.Replace(p.Dest, func(dest *os.File) error {
		counts, err = Convert(ctx, dest, src)
		return err
	})
	return counts, err
}
