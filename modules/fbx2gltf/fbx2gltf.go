// Package fbx2gltf is the FBX2glTF module: it turns an FBX into a GLB or glTF that Khronos' validator finds no error in.
package fbx2gltf

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/tool"
)

// Module is the FBX2glTF task.
var Module = modules.Define(modules.Spec{
	Name:    "FBX2glTF",
	Summary: "Converts an FBX, binary or ASCII, to a GLB or glTF, and checks what came of it.",
	Example: "- module: FBX2glTF\n  props: {src: model.fbx, dest: model.glb, config: {pbr-metallic-roughness: true}}\n  register: converted",
	Tools:   []tool.Tool{tool.FBX2glTF()},
}, run)

// Props are what a task writes under props.
type Props struct {
	Src    string         `json:"src" doc:"FBX to read. Textures are found where it names them, beside it, or in a folder textures or maps; those that are not there are named in warnings, those outside the workspace refused."`
	Dest   string         `json:"dest" aliases:"dst" doc:"File to write: .glb, or .gltf with its textures beside it; without an extension .glb is added. It appears when it is complete."`
	Config map[string]any `json:"config,omitzero" doc:"Options of FBX2glTF, without their dashes: pbr-metallic-roughness, draco, keep-attribute … binary says nothing that dest does not."`
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Triangles  int64    `json:"triangles" doc:"Triangles that the scene draws."`
	Vertices   int64    `json:"vertices" doc:"Vertices that the scene draws."`
	Materials  int      `json:"materials" doc:"Materials."`
	Textures   int      `json:"textures" doc:"Pictures."`
	Animations int      `json:"animations" doc:"Animations."`
	Warnings   []string `json:"warnings" doc:"What is missing or has no effect, a sentence each."`
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	switch strings.ToLower(path.Ext(p.Dest)) {
	case "", ".glb", ".gltf":
		return nil
	}
	return &modules.PropError{Problems: []modules.Problem{{
		Path: "dest", Msg: fmt.Sprintf(`prop "dest" must end in .glb or .gltf, which is what is written, got %q`, p.Dest),
	}}}
}

// dest is the file to write, with its extension.
func (p *Props) dest() string {
	if path.Ext(p.Dest) == "" {
		return p.Dest + ".glb"
	}
	return p.Dest
}

// isText says whether a .gltf is written.
func (p *Props) isText() bool { return strings.EqualFold(path.Ext(p.Dest), ".gltf") }

// Limits of what is read.
const (
	maxBytes    = 1 << 30       // of the file
	maxUnpacked = 4 << 30       // bytes of its arrays
	maxCorners  = 3 * 100 << 20 // of its polygons: 100 Mi triangles
)

// Probe refuses what is no FBX, and one that is too large, before any of it is unpacked.
func (p *Props) Probe(_ context.Context, c *modules.Call) (modules.Demand, error) {
	m, err := look(c, p.Src)
	if err != nil {
		return modules.Demand{}, fmt.Errorf("read %s: %w", p.Src, err)
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
	m, err := measure(f, info.Size())
	switch {
	case err != nil:
		return measures{}, err
	case m.bytes > maxBytes:
		err = fmt.Errorf("it has %d MiB, more than the %d that are read", m.bytes>>20, maxBytes>>20)
	case m.unpacked > maxUnpacked:
		err = fmt.Errorf("its arrays have %d MiB when they are unpacked, more than the %d that are read", m.unpacked>>20, maxUnpacked>>20)
	case m.corners > maxCorners:
		err = fmt.Errorf("its polygons have %d corners, more than the %d that are read", m.corners, maxCorners)
	}
	return m, fault.As(fault.Permanent, err)
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	found, err := look(c, p.Src)
	if err != nil {
		return Output{}, fmt.Errorf("read %s: %w", p.Src, err)
	}
	options, warnings := options(p)
	w, err := newWork(c, p, found.textures)
	if err != nil {
		return Output{}, fmt.Errorf("prepare %s: %w", path.Base(p.Src), err)
	}
	defer w.remove()
	quiet := *c
	if p.Config["verbose"] != true {
		quiet.Stdout = w // it says every node and mesh
	}
	stats, err := quiet.RunTool(ctx, modules.ToolRun{Tool: tool.FBX2glTF(), Args: w.args(options), Stdout: &w.said, Reason: reason})
	if err != nil {
		return Output{}, fmt.Errorf("convert %s: %w", p.Src, err)
	}
	if err := w.said.foreign(c, w.dir); err != nil {
		return Output{}, fmt.Errorf("convert %s: %w", p.Src, err)
	}
	made, err := w.verify(ctx, c)
	if err != nil {
		return Output{}, fmt.Errorf("check what came of %s: %w", p.Src, err)
	}
	size, err := w.publish(c, p.dest())
	if err != nil {
		return Output{}, fmt.Errorf("write %s: %w", p.dest(), err)
	}
	warnings = append(append(warnings, w.said.missing...), made.warnings...)
	for _, text := range warnings {
		fmt.Fprintln(c.Stderr, text)
	}
	return Output{
		ToolOutput: modules.ToolOutput{Src: p.Src, Dest: p.dest(), Config: p.Config, Size: strconv.FormatInt(size, 10), Stats: stats},
		Triangles:  made.Triangles, Vertices: made.Vertices, Materials: made.Materials, Textures: len(made.Pictures), Animations: made.Animations,
		Warnings: warnings,
	}, nil
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
