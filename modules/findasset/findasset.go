// Package findasset is the FindAsset module: it finds the model in a folder, an unpacked archive's say.
package findasset

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
)

// Module is the FindAsset task.
var Module = modules.Define(modules.Spec{
	Name:    "FindAsset",
	Summary: "Finds the asset in a folder and all below it.",
	Example: "- module: FindAsset\n  props: {src: unpacked, extension: [glb, gltf, obj]}\n  register: asset",
}, run)

// Props are what a task writes under props.
type Props struct {
	Src       string `json:"src" doc:"Folder to look in."`
	Extension any    `json:"extension,omitzero" doc:"Extension that it has, or a list of those with the best first; empty is every extension that assets have: FBX, OBJ, GLB, glTF, STL, USD, STEP, ZIP and those of CAD programs."`
	Name      string `json:"name,omitzero" doc:"Name that it has, with or without its extension, in any case."`
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	if _, ok := extensions(p.Extension); !ok {
		return &modules.PropError{Problems: []modules.Problem{{
			Path: "extension", Msg: `prop "extension" must be an extension like glb, or a list of those`,
		}}}
	}
	if strings.ContainsRune(p.Name, '/') {
		return &modules.PropError{Problems: []modules.Problem{{
			Path: "name", Msg: fmt.Sprintf(`prop "name" must be a file's name without a folder, got %q; name the folder in src`, p.Name),
		}}}
	}
	return nil
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Extension string   `json:"extension" doc:"The found file's extension, in lower case and without the dot."`
	Others    []string `json:"others" doc:"Files that fit as well and come after it, the best first; at most 20."`
	Warnings  []string `json:"warnings" doc:"What the choice left open, a sentence each."`
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	wanted, _ := extensions(p.Extension)
	s := search{name: p.Name, rank: ranks(wanted), seen: map[string]int{}}
	if err := s.walk(ctx, c.Workspace, p.Src); err != nil {
		return Output{}, err
	}
	if len(s.found) == 0 {
		return Output{}, s.nothing(p.Src, wanted)
	}
	best, others := s.best()
	info, err := c.Workspace.Stat(best.file)
	if err != nil {
		return Output{}, err
	}
	out := Output{
		ToolOutput: modules.ToolOutput{
			Src: p.Src, Dest: best.file, Config: map[string]any{"extension": p.Extension, "name": p.Name},
			Size: strconv.FormatInt(info.Size(), 10), Stats: measured(),
		},
		Extension: best.ext,
		Others:    others,
	}
	if n := len(s.found); n > 1 {
		out.Warnings = []string{fmt.Sprintf("%d files fit; %s is taken, for %s", n, best.file, s.why())}
		c.Log.InfoContext(ctx, "several assets found", "path", best.file, "files", n)
	}
	return out, nil
}

// extensions reads the prop: in lower case, without dots, each once. ok is false when it is neither text nor a list of texts.
func extensions(v any) (list []string, ok bool) {
	if v == nil || v == "" {
		return assets(), true
	}
	all, isList := v.([]any)
	if !isList {
		all = []any{v}
	}
	for _, e := range all {
		text, isText := e.(string)
		ext := strings.ToLower(strings.TrimPrefix(text, "."))
		if !isText || ext == "" || strings.ContainsAny(ext, "./*?[ ,") {
			return nil, false
		}
		list = append(list, ext)
	}
	return list, len(list) > 0
}

// ranks is each extension's place in the list, its first one.
func ranks(list []string) map[string]int {
	rank := make(map[string]int, len(list))
	for i, ext := range list {
		if _, ok := rank[ext]; !ok {
			rank[ext] = i
		}
	}
	return rank
}

// assets lists the extensions of assets, in the order in which they are preferred.
func assets() []string {
	return strings.Fields(`
		fbx obj glb gltf stl usd usda usdc usdz step zip 3mf sat sab dae dwg dxf 3ds dwf dwfx ipt iam nwd model session dlv exp
		catdrawing catpart catproduct catshape cgr 3dxml asm neu prt xax xpr dgn mf1 arc unv pkg ifc ifczip igs iges jt x_b x_t
		xmt xmt_txt prc rvt rfa 3dm par pwd psm sldasm sldprt stp stpz stpx stpxz u3d vda wrl vrml ply`)
}
