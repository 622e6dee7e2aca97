// Package imagemagick is the ImageMagick module: it runs convert over one picture.
package imagemagick

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/argv"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// Module is the ImageMagick task.
var Module = modules.Define(modules.Spec{
	Name:    "ImageMagick",
	Summary: "Runs ImageMagick over a picture: convert SRC ARGS DEST.",
	Example: "- module: ImageMagick\n  props: {src: shot.png, dest: thumb.jpg, args: [-resize 50%, -quality 85]}\n  register: thumb",
	Tools:   []tool.Tool{tool.ImageMagick()},
}, run)

// Props are what a task writes under props.
type Props struct {
	Src  string `json:"src,omitzero" doc:"Picture to read; name.gif[0] is its first frame. Left out where args make the picture (-size 64x64 xc:red)."`
	Dest string `json:"dest" aliases:"dst" doc:"Picture to write, in the format that its extension names; it appears when it is complete. With a %d in its name, a file for each frame."`
	Args any    `json:"args,omitzero" doc:"Options in between, a list or one text; each is split into words as a shell does, and nothing is expanded."`
}

// Output is what register stores.
type Output struct {
	Src   string        `json:"src" fact:"read" doc:"What it read."`
	Dest  string        `json:"dest" fact:"made" doc:"The file or folder that came of it."`
	Args  []string      `json:"args" doc:"The options it was given, word by word."`
	Size  string        `json:"size" doc:"Size of dest, in bytes, as text."`
	Stats modules.Stats `json:"stats" doc:"What the program used."`
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	if _, err := formatFor(p.Dest); err != nil {
		problems = append(problems, modules.Problem{Path: "dest", Msg: fmt.Sprintf(`prop "dest": %v`, err)})
	}
	if _, err := p.words(); err != nil {
		problems = append(problems, modules.Problem{Path: "args", Msg: fmt.Sprintf(`prop "args": %v`, err)})
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// words are the options. Those that make ImageMagick read a text from a file, or run a file as a script, are refused here; all
// else that leads out of the workspace by its policy.
func (p *Props) words() ([]string, error) {
	list, ok := p.Args.([]any)
	if !ok {
		list = []any{p.Args}
	}
	words, err := argv.Args(list)
	if err != nil {
		return nil, err
	}
	for _, w := range words {
		if strings.HasPrefix(w, "@") || strings.Contains(w, ":@") {
			return nil, fmt.Errorf(`%q would read a file's text; write the text itself, and \@ for an @ at its beginning`, w)
		}
		switch strings.TrimLeft(strings.ToLower(w), "-+") {
		case "script", "process", "list", "debug", "log", "version", "help":
			if w[0] == '-' || w[0] == '+' {
				return nil, fmt.Errorf("%q is no work on a picture; leave it out", w)
			}
		}
	}
	return words, nil
}

// splitFrames splits name.gif[0] and name.gif[2-5] into the file and its frames.
func splitFrames(src string) (file, frames string) {
	m := regexp.MustCompile(`^(.+?)(\[[0-9,-]+\])$`).FindStringSubmatch(src)
	if m == nil {
		return src, ""
	}
	return m[1], m[2]
}

// Probe refuses a picture that is too large before any of it is decoded.
func (p *Props) Probe(_ context.Context, c *modules.Call) (modules.Demand, error) {
	if p.Src == "" {
		return modules.Demand{}, nil
	}
	src, err := look(c, p.Src)
	if err != nil {
		return modules.Demand{}, fmt.Errorf("read %s: %w", p.Src, err)
	}
	return modules.Demand{Input: src.bytes, Memory: src.width * src.height * bytesPerPixel}, nil
}

// bytesPerPixel is what ImageMagick keeps of a pixel in its usual depth, Q16.
const bytesPerPixel = 8

// A source is the picture that is read.
type source struct {
	file          string // its real path
	frames        string // which of them: "[0]"; empty is all
	format        string
	bytes         int64
	width, height int64 // pixels; 0 is unknown
}

// look finds out what the source is by what it holds.
func look(c *modules.Call, name string) (source, error) {
	var s source
	file, frames := name, ""
	if _, err := c.Workspace.Stat(name); errors.Is(err, fs.ErrNotExist) {
		file, frames = splitFrames(name)
	}
	real, err := c.Workspace.Path(file)
	if err != nil {
		return s, err
	}
	f, err := c.Workspace.Open(file)
	if err != nil {
		return s, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	if !info.Mode().IsRegular() {
		return s, fault.As(fault.Permanent, errors.New("it is not a regular file"))
	}
	if info.Size() > maxBytes {
		return s, fault.As(fault.Permanent, fmt.Errorf("it has %d MiB, more than the %d that are read", info.Size()>>20, maxBytes>>20))
	}
	head, err := headOf(f)
	if err != nil {
		return s, err
	}
	s = source{file: real, frames: frames, bytes: info.Size()}
	if s.format, err = formatOf(file, head); err != nil {
		return s, err
	}
	size, err := sizeOf(s.format, f)
	if err != nil {
		return s, fault.As(fault.Permanent, fmt.Errorf("it begins like a %s and is none: %w", s.format, err))
	}
	s.width, s.height = int64(size.Width), int64(size.Height)
	if max(s.width, s.height) > maxSide || s.width*s.height > maxPixels {
		return s, fault.As(fault.Permanent, fmt.Errorf("it is %d×%d pixels, more than the %d on a side and %d in all that are read", s.width, s.height, maxSide, maxPixels))
	}
	return s, nil
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	words, err := p.words()
	if err != nil {
		return Output{}, err
	}
	w, err := newWork(c, p)
	if err != nil {
		return Output{}, fmt.Errorf("prepare %s: %w", path.Base(p.Dest), err)
	}
	defer w.remove()
	stats, err := c.RunTool(ctx, modules.ToolRun{
		Tool: tool.ImageMagick(), Args: w.args(words),
		Env:    []string{"MAGICK_CONFIGURE_PATH=" + w.dir, "MAGICK_TEMPORARY_PATH=" + w.dir},
		Reason: w.reason,
	})
	if err != nil {
		return Output{}, lasting(err)
	}
	size, err := w.publish(ctx, c, p.Dest)
	if err != nil {
		return Output{}, fmt.Errorf("check what ImageMagick wrote: %w", err)
	}
	return Output{Src: p.Src, Dest: p.Dest, Args: words, Size: strconv.FormatInt(size, 10), Stats: stats}, nil
}

// lasting makes what ImageMagick said permanent: it is of the picture or of the arguments, unless the disk was full or failed.
func lasting(err error) error {
	ended, refused := errors.AsType[*proc.EndedError](err)
	passes := strings.Contains(err.Error(), "No space left on device") || strings.Contains(err.Error(), "Input/output error")
	if !refused || ended.Crashed || passes {
		return err
	}
	return fault.As(fault.Permanent, err)
}
