// Package stat is the Stat module.
package stat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/millrace/millrace/modules"
)

// Module is the Stat task.
var Module = modules.Define(modules.Spec{
	Name:    "Stat",
	Summary: "Says whether a file exists and what it is.",
	Example: "- module: Stat\n  props: {path: outputs/gear.obj}\n  register: gear",
}, run)

// Props are what a task writes under props.
type Props struct {
	Path string `json:"path" aliases:"src" peers:"true" doc:"File or folder to look at."`
}

// Output is what register stores.
type Output struct {
	Path  string `json:"path" doc:"What was looked at."`
	Stats Stats  `json:"stats" doc:"What was found."`
}

// Stats is what was found; all but exists is empty for a missing file.
type Stats struct {
	Exists      bool   `json:"exists" doc:"Whether there is such a file; a missing one is no failure."`
	Size        int64  `json:"size" doc:"Size in bytes."`
	IsFile      bool   `json:"isFile" doc:"Whether it is a regular file."`
	IsDirectory bool   `json:"isDirectory" doc:"Whether it is a folder."`
	Mtime       string `json:"mtime" doc:"When it was last changed: RFC 3339, UTC."`
	Mode        string `json:"mode" doc:"Permissions as an octal number, such as 0644."`
}

func run(_ context.Context, c *modules.Call, p Props) (Output, error) {
	info, err := c.Workspace.Stat(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Output{Path: p.Path}, nil
	}
	if err != nil {
		return Output{}, err
	}
	return Output{Path: p.Path, Stats: Stats{
		Exists:      true,
		Size:        info.Size(),
		IsFile:      info.Mode().IsRegular(),
		IsDirectory: info.IsDir(),
		Mtime:       info.ModTime().UTC().Format(time.RFC3339Nano),
		Mode:        fmt.Sprintf("%04o", info.Mode().Perm()),
	}}, nil
}
