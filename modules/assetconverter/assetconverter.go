// Package assetconverter is the AssetConverter module: it turns a 3D file of any kind into another kind, and checks what came of it.
//
// What a file is it tells by what it holds (sniff.go). GLB and glTF are made by the reader that is best for the kind (read.go);
// everything else Blender writes, and reads again to compare (write.go). Nothing appears under its name before it was checked.
package assetconverter

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/tool"
)

// Module is the AssetConverter task.
var Module = modules.Define(modules.Spec{
	Name:    "AssetConverter",
	Aliases: []string{"GlTFConverter"},
	Summary: "Converts a 3D file, or the one in a ZIP, to another kind, and compares what was written with what was read.",
	Example: "- module: AssetConverter\n  props: {src: model.fbx, dest: model.glb}\n  register: converted",
	Tools:   []tool.Tool{tool.Assimp(), tool.Blender(), tool.FBX2glTF()},
	Extras:  []tool.Tool{tool.GLTFValidator()},
}, run)

// Props are what a task writes under props.
type Props struct {
	Src       string         `json:"src" doc:"File to read; its kind is told by what it holds: GLB, glTF, FBX, OBJ, STL, PLY, DAE, ABC, USD, USDZ, 3DS, 3MF and what else assimp reads, or a ZIP with one of those in it."`
	Dest      string         `json:"dest" aliases:"dst" doc:"File to write, in the format that its extension names: glb, gltf, obj, fbx, usdz, usda, usdc, usd, stl, ply, dae, abc, 3ds. Without one the format's is added. It appears when it was checked; pictures and the materials of an OBJ lie beside it."`
	Format    string         `json:"format,omitzero" doc:"Format to write, where dest has no extension; glb else."`
	Extension any            `json:"extension,omitzero" doc:"Of a ZIP: extension of the file in it that is meant, or a list with the best first."`
	Name      string         `json:"name,omitzero" doc:"Of a ZIP: name of the file in it that is meant, with or without its extension."`
	Config    map[string]any `json:"config,omitzero" doc:"allow_missing_textures: true goes without textures that are not there; animations: false leaves animations out; else options of FBX2glTF (pbr-metallic-roughness …), where it is what reads."`

	asset asset // what Probe found
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	From         string   `json:"from" doc:"Format of what was read: fbx."`
	Asset        string   `json:"asset" doc:"The file that was read: src, or the path in the ZIP."`
	Format       string   `json:"format" doc:"Format of what was written: glb."`
	Converter    string   `json:"converter" doc:"What did the work: FBX2glTF, Blender, assimp, Millrace, or several with a plus between."`
	OriginalSize string   `json:"originalSize" fact:"read.bytes" doc:"Size of src, in bytes, as text."`
	Triangles    int64    `json:"triangles" fact:"read.triangles,made.triangles" doc:"Triangles that are drawn."`
	Materials    int      `json:"materials" doc:"Materials."`
	Textures     int      `json:"textures" doc:"Pictures."`
	Animations   int      `json:"animations" doc:"Animations."`
	Warnings     []string `json:"warnings" doc:"What is missing, was left out or has no effect, a sentence each."`
}

// writable are the formats that are written.
func writable() []string {
	return strings.Fields("glb gltf obj fbx usdz usda usdc usd stl ply dae abc 3ds")
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	report := func(at, format string, args ...any) {
		problems = append(problems, modules.Problem{Path: at, Msg: fmt.Sprintf(format, args...)})
	}
	ext, format := extension(p.Dest), strings.ToLower(strings.TrimPrefix(p.Format, "."))
	switch {
	case format != "" && !slices.Contains(writable(), format):
		report("format", "prop \"format\" is %q, which is not written here; the formats are %s", p.Format, strings.Join(writable(), ", "))
	case ext != "" && !slices.Contains(writable(), ext):
		report("dest", "prop \"dest\" ends in .%s, which is not written here; the formats are %s", ext, strings.Join(writable(), ", "))
	case ext != "" && format != "" && ext != format:
		report("dest", "prop \"dest\" ends in .%s and prop \"format\" is %s; leave one of them out", ext, format)
	}
	if _, ok := texts(p.Extension); !ok {
		report("extension", `prop "extension" must be an extension like obj, or a list of those`)
	}
	for _, key := range []string{allowMissing, animations} {
		if v, given := p.Config[key]; given {
			if _, ok := v.(bool); !ok {
				report("config."+key, "prop \"config.%s\" must be true or false, got %v", key, v)
			}
		}
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// Keys of config that are this module's own.
const (
	allowMissing = "allow_missing_textures"
	animations   = "animations"
)

// format is that to write, and dest the file with its extension.
func (p *Props) target() (format, dest string) {
	if ext := extension(p.Dest); ext != "" {
		return ext, p.Dest
	}
	format = strings.ToLower(strings.TrimPrefix(p.Format, "."))
	if format == "" {
		format = "glb"
	}
	return format, p.Dest + "." + format
}

// extension is that of a name, in lower case and without its dot.
func extension(name string) string { return strings.ToLower(strings.TrimPrefix(path.Ext(name), ".")) }

// texts is a text or a list of texts.
func texts(v any) ([]string, bool) {
	list, ok := v.([]any)
	if !ok {
		if v == nil || v == "" {
			return nil, true
		}
		list = []any{v}
	}
	var all []string
	for _, item := range list {
		text, ok := item.(string)
		if !ok || text == "" {
			return nil, false
		}
		all = append(all, strings.ToLower(strings.TrimPrefix(text, ".")))
	}
	return all, true
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	if p.asset.kind == "" {
		if _, err := p.Probe(ctx, c); err != nil {
			return Output{}, err
		}
	}
	w, err := newWork(c, p)
	if err != nil {
		return Output{}, err
	}
	defer w.close()
	if err := w.find(ctx); err != nil {
		return Output{}, fmt.Errorf("read %s: %w", p.Src, err)
	}
	if err := w.convert(ctx); err != nil {
		return Output{}, fmt.Errorf("convert %s to %s: %w", p.Src, w.format, passing(err, w.dir))
	}
	size, err := w.publish(c)
	if err != nil {
		return Output{}, fmt.Errorf("write %s: %w", w.dest, err)
	}
	for _, text := range w.warnings {
		fmt.Fprintln(c.Stderr, text)
	}
	stats := measured()
	stats.MaxMem, stats.MaxCPU = max(stats.MaxMem, w.stats.MaxMem), max(stats.MaxCPU, w.stats.MaxCPU)
	return Output{
		ToolOutput: modules.ToolOutput{Src: p.Src, Dest: w.dest, Config: p.Config, Size: strconv.FormatInt(size, 10), Stats: stats},
		From:       string(w.kind), Asset: w.assetName(), Format: w.format, Converter: strings.Join(w.by, "+"), OriginalSize: strconv.FormatInt(p.asset.size, 10),
		Triangles: w.made.triangles, Materials: w.made.materials, Textures: w.made.textures, Animations: w.made.animations, Warnings: w.warnings,
	}, nil
}

// passing makes an error that may pass of one that came while nothing more could be written below dir: what programs then say is
// that the file is broken.
func passing(err error, dir string) error {
	if disk.Exhausted(dir) {
		return fault.As(fault.Transient, fmt.Errorf("%w: %w", syscall.ENOSPC, err))
	}
	return err
}
