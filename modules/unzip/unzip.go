// Package unzip is the Unzip module.
package unzip

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/millrace/millrace/modules"
)

// Module is the Unzip task.
var Module = modules.Define(modules.Spec{
	Name:    "Unzip",
	Summary: "Unpacks a ZIP archive, all of it or nothing.",
	Example: "- module: Unzip\n  props: {src: model.zip, dest: unpacked}\n  register: unpacked",
}, run)

// Props are what a task writes under props.
type Props struct {
	Src    string `json:"src" doc:"Archive to read."`
	Dest   string `json:"dest" aliases:"dst" doc:"Folder to unpack into. A new one appears when it is complete; in one that is there, files of the same name are replaced once all is unpacked."`
	Config Config `json:"config,omitzero" doc:"How much an archive may hold. One that holds more, a link, a path that leads out, or two files whose names differ in case alone is refused as a whole."`
}

// Config is how much an archive may hold.
type Config struct {
	MaxFiles int   `json:"maxFiles" default:"100000" doc:"Most files and folders, 1 to 1000000; folders count that the name of a file alone implies."`
	MaxSize  int64 `json:"maxSize" default:"21474836480" doc:"Most bytes that it unpacks to."`
	MaxRatio int64 `json:"maxRatio" default:"250" doc:"Most bytes that a packed byte may become, of what is larger than 64 MiB: in the whole archive, and in each file."`
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	for _, c := range []struct {
		name       string
		value, max int64
	}{
		{"maxFiles", int64(p.Config.MaxFiles), maxEntries},
		{"maxSize", p.Config.MaxSize, 1 << 62},
		{"maxRatio", p.Config.MaxRatio, 1 << 31},
	} {
		if c.value < 1 || c.value > c.max {
			path := "config." + c.name
			problems = append(problems, modules.Problem{Path: path, Msg: fmt.Sprintf("prop %q must be 1 to %d, got %d", path, c.max, c.value)})
		}
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Files int `json:"files" doc:"Number of files that were unpacked."`
}

// Probe reads the archive's directory, which says what it will take.
func (p *Props) Probe(ctx context.Context, c *modules.Call) (modules.Demand, error) {
	f, info, err := open(c, p.Src)
	if err != nil {
		return modules.Demand{}, err
	}
	defer f.Close()
	a, err := read(ctx, f, info.Size(), p.Config)
	if err != nil {
		return modules.Demand{}, fmt.Errorf("unpack %s: %w", p.Src, err)
	}
	return modules.Demand{Input: info.Size(), Disk: a.disk()}, nil
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	a, err := unpack(ctx, c, p)
	if err != nil {
		return Output{}, fmt.Errorf("unpack %s: %w", p.Src, err)
	}
	return Output{
		ToolOutput: modules.ToolOutput{
			Src:    p.Src,
			Dest:   p.Dest,
			Config: map[string]any{"maxFiles": p.Config.MaxFiles, "maxSize": p.Config.MaxSize, "maxRatio": p.Config.MaxRatio},
			Size:   strconv.FormatInt(a.size, 10),
			Stats:  measured(),
		},
		Files: a.files,
	}, nil
}

func unpack(ctx context.Context, c *modules.Call, p Props) (a *archive, err error) {
	f, info, err := open(c, p.Src)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if a, err = read(ctx, f, info.Size(), p.Config); err != nil {
		return nil, err
	}
	if err := a.locate(ctx, f); err != nil {
		return nil, err
	}
	return a, place(ctx, c.Workspace, p.Dest, a, f)
}

func open(c *modules.Call, src string) (*os.File, os.FileInfo, error) {
	f, err := c.Workspace.Open(src)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = refuse("%q is no file; name an archive", src)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}
