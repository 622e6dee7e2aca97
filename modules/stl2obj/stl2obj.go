// Package stl2obj is the STL2OBJ task: STL in, OBJ out, in Go.
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
	Summary: "Converts an STL, binary or ASCII, to an OBJ.",
	Example: "- module: STL2OBJ\n  props: {src: part.stl, dest: part.obj}\n  register: obj",
}, run)

// Props are what a task writes under props.
type Props struct {
	Src    string         `json:"src" doc:"STL file to read, binary or ASCII."`
	Dest   string         `json:"dest" aliases:"dst" doc:"OBJ file to write; it appears when it is complete."`
	Config map[string]any `json:"config,omitzero" doc:"Options of the converter; the one there is: f, the format, which is obj."`
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Triangles  int64    `json:"triangles" doc:"Triangles written."`
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
	if strings.EqualFold(path.Ext(p.Src), ".ply") {
		report("src", "prop \"src\" is %q, and PLY is not read by this version; convert it to STL first", p.Src)
	}
	if len(problems) == 0 {
		return nil
	}
	return &modules.PropError{Problems: problems}
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
		Vertices:   counts.Vertices,
		Degenerate: counts.Degenerate,
	}
	if counts.Trailing > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf(
			"%s goes on for %d bytes behind the triangles that its header promises; they were left out", p.Src, counts.Trailing))
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
