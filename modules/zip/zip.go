// Package zip is the Zip module.
package zip

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
)

// Module is the Zip task.
var Module = modules.Define(modules.Spec{
	Name:    "Zip",
	Summary: "Packs files into a ZIP archive.",
	Example: "- module: Zip\n  props: {src: outputs, dest: outputs/model.zip}\n  register: packed",
}, run)

// Props are what a task writes under props.
type Props struct {
	Src    any    `json:"src" doc:"File, folder or pattern (*.obj) to pack, or a list of those. A lone folder is packed without its own name in front; symbolic links are left out, and so are empty folders."`
	Dest   string `json:"dest" aliases:"dst" doc:"Archive to write; it appears when it is complete."`
	Config Config `json:"config,omitzero" doc:"How to pack."`
}

// Config is how to pack.
type Config struct {
	Level int `json:"level" default:"6" doc:"0 only stores, 1 is fastest, 9 is smallest."`
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	if len(sources(p.Src)) == 0 {
		problems = append(problems, modules.Problem{Path: "src", Msg: `prop "src" must be a file, a folder, a pattern or a list of those`})
	}
	if p.Config.Level < 0 || p.Config.Level > 9 {
		problems = append(problems, modules.Problem{Path: "config.level", Msg: fmt.Sprintf(`prop "config.level" must be 0 to 9, got %d`, p.Config.Level)})
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Files   int      `json:"files" doc:"Number of files in the archive."`
	Skipped []string `json:"skipped" doc:"Symbolic links and special files that were left out."`
}

// entryOverhead is at least what an entry takes of an archive besides its bytes and its name, which is there twice.
const entryOverhead = 200

// Probe adds up what will be packed. An archive of what does not shrink is as large.
func (p *Props) Probe(ctx context.Context, c *modules.Call) (modules.Demand, error) {
	src := sources(p.Src)
	col := collection{dir: c.Workspace}
	if err := col.gather(ctx, src, p.Dest); err != nil {
		return modules.Demand{}, fmt.Errorf("pack %s: %w", strings.Join(src, ", "), err)
	}
	var d modules.Demand
	for _, e := range col.entries {
		info, err := c.Workspace.Stat(e.file)
		if err != nil {
			return modules.Demand{}, fmt.Errorf("pack %s: %w", strings.Join(src, ", "), err)
		}
		d.Input += info.Size()
		d.Disk += info.Size() + int64(2*len(e.name)) + entryOverhead
	}
	return d, nil
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	src := sources(p.Src)
	col := collection{dir: c.Workspace}
	if err := col.gather(ctx, src, p.Dest); err != nil {
		return Output{}, fmt.Errorf("pack %s: %w", strings.Join(src, ", "), err)
	}
	var size int64
	err := c.Workspace.Replace(p.Dest, func(f *os.File) (err error) {
		size, err = write(ctx, c.Workspace, f, col.entries, p.Config.Level)
		return err
	})
	if err != nil {
		return Output{}, fmt.Errorf("pack %s: %w", strings.Join(src, ", "), err)
	}
	return Output{
		ToolOutput: modules.ToolOutput{
			Src:    strings.Join(src, ", "),
			Dest:   p.Dest,
			Config: map[string]any{"level": p.Config.Level},
			Size:   strconv.FormatInt(size, 10),
			Stats:  measured(),
		},
		Files:   len(col.entries),
		Skipped: col.skipped,
	}, nil
}

// sources returns the names in src; nil when it is no text and no list of texts.
func sources(src any) []string {
	list, ok := src.([]any)
	if !ok {
		list = []any{src}
	}
	names := make([]string, 0, len(list))
	for _, v := range list {
		name, ok := v.(string)
		if !ok || name == "" {
			return nil
		}
		names = append(names, name)
	}
	return names
}
