// Package fbx2gltf is the FBX2glTF module: it turns an FBX into a GLB or glTF that Khronos' validator finds no error in.
package fbx2gltf

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fbx"
	"github.com/millrace/millrace/modules/tool"
)

// Module is the FBX2glTF task.
var Module = modules.Define(modules.Spec{
	Name:    "FBX2glTF",
	Summary: "Converts an FBX, binary or ASCII, to a GLB or glTF, and checks what came of it.",
	Example: "- module: FBX2glTF\n  props: {src: model.fbx, dest: model.glb, config: {pbr-metallic-roughness: true}}\n  register: converted",
	Tools:   []tool.Tool{tool.FBX2glTF()},
	Extras:  []tool.Tool{tool.GLTFValidator()},
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
	Triangles  int64    `json:"triangles" fact:"read.triangles,made.triangles" doc:"Triangles that the scene draws."`
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

// Probe refuses what is no FBX, and one that is too large, before any of it is unpacked.
func (p *Props) Probe(_ context.Context, c *modules.Call) (modules.Demand, error) {
	d, err := fbx.Demand(c, p.Src)
	if err != nil {
		return d, fmt.Errorf("read %s: %w", p.Src, err)
	}
	return d, nil
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	options, warnings := fbx.Options(p.Config, p.dest())
	made, stats, err := fbx.Convert(ctx, c, fbx.Job{Src: p.Src, Dest: p.dest(), Options: options, Verbose: p.Config["verbose"] == true})
	if err != nil {
		return Output{}, err
	}
	warnings = append(warnings, made.Warnings...)
	for _, text := range warnings {
		fmt.Fprintln(c.Stderr, text)
	}
	return Output{
		ToolOutput: modules.ToolOutput{Src: p.Src, Dest: p.dest(), Config: p.Config, Size: strconv.FormatInt(made.Size, 10), Stats: stats},
		Triangles:  made.Triangles, Vertices: made.Vertices, Materials: made.Materials, Textures: len(made.Pictures), Animations: made.Animations,
		Warnings: warnings,
	}, nil
}
