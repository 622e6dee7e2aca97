package ffmpeg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/film"
)

// A work is a hidden folder beside the output, where FFmpeg writes: what is not whole never has the name that was asked for.
type work struct {
	c        *modules.Call
	dest     string
	dir      string // in the workspace
	args     []string
	warnings []string
	files    []string // that FFmpeg wrote, below dir
}

func newWork(c *modules.Call, p Props) (*work, error) {
	if _, err := c.Workspace.Path(p.Dest); err != nil {
		return nil, err
	}
	options, warnings, err := outputOptions(p.Config.Dest)
	if err == nil {
		err = checkValues(c, p.Config.Dest)
	}
	if err != nil {
		return nil, fault.As(fault.Permanent, err)
	}
	w := &work{c: c, dest: p.Dest, dir: path.Join(path.Dir(p.Dest), ".ffmpeg-"+rand.Text())}
	if err := c.Workspace.MkdirAll(w.dir); err != nil {
		return nil, err
	}
	real, err := c.Workspace.Path(w.dir)
	if err != nil {
		return nil, err
	}
	w.args = []string{"-nostdin", "-hide_banner", "-y", "-v", "warning", "-nostats", "-progress", "pipe:1"}
	for _, in := range p.inputs {
		w.args = append(w.args, in.args...)
		w.warnings = append(w.warnings, in.warnings...)
	}
	w.warnings = append(w.warnings, warnings...)
	w.args = append(append(w.args, options...), filepath.Join(real, w.name()))
	return w, nil
}

// name is what FFmpeg writes: dest's own where a number is to be filled in, else one that means nothing to it but its extension.
func (w *work) name() string {
	if w.isSequence() {
		return path.Base(w.dest)
	}
	return "out" + strings.ToLower(path.Ext(w.dest))
}

// isSequence says whether FFmpeg fills in a number: it does so in names of pictures.
func (w *work) isSequence() bool {
	return slices.Contains(pictures(), strings.ToLower(path.Ext(w.dest))) && regexp.MustCompile(`%0?\d*d`).MatchString(path.Base(w.dest))
}

// remove takes the folder away. What stays goes with the job's own folder.
func (w *work) remove() { _ = w.c.Workspace.RemoveAll(w.dir) }

// A product is what was made.
type product struct {
	bytes         int64
	duration      float64
	frames        int64
	width, height int
	video, audio  string
}

// verify opens what FFmpeg wrote, as its reader will, and holds it against what FFmpeg says that it wrote.
func (w *work) verify(ctx context.Context, c *modules.Call, told *film.Progress) (product, error) {
	real, err := c.Workspace.Path(w.dir)
	if err != nil {
		return product{}, err
	}
	made, err := w.collect(real)
	if err != nil {
		return product{}, fault.As(fault.Permanent, err)
	}
	about := []string{"-count_packets"}
	if w.isSequence() {
		about = nil // the first of them
	}
	p, err := film.Ask(ctx, c, about, filepath.Join(real, w.files[0]))
	if err != nil {
		return product{}, err
	}
	if len(p.Streams) == 0 {
		return product{}, fault.As(fault.Permanent, errors.New("there is no video, sound or picture in it"))
	}
	made.width, made.height, made.duration = p.Size()
	if s, ok := p.Of("audio"); ok {
		made.audio = s.Codec
	}
	if s, ok := p.Of("video"); ok {
		made.video = s.Codec
		made.frames, _ = strconv.ParseInt(s.Packets, 10, 64)
	}
	if w.isSequence() {
		made.frames, made.duration = int64(len(w.files)), 0
	}
	return made, made.whole(told)
}

// collect finds what FFmpeg wrote.
func (w *work) collect(real string) (made product, err error) {
	entries, err := os.ReadDir(real)
	if err != nil {
		return made, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return made, err
		}
		if !info.Mode().IsRegular() || info.Size() == 0 {
			return made, fmt.Errorf("%s is empty, or no file", e.Name())
		}
		w.files = append(w.files, e.Name())
		made.bytes += info.Size()
	}
	switch {
	case len(w.files) == 0:
		return made, errors.New("there is nothing")
	case len(w.files) > 1 && !w.isSequence():
		return made, fmt.Errorf("there are %d files, and dest is one; write %%d in its name", len(w.files))
	}
	return made, nil
}

// whole is an error where less is there than FFmpeg says that it wrote.
func (p product) whole(told *film.Progress) error {
	if !told.Ended {
		return errors.New("FFmpeg did not say that it came to the end")
	}
	if p.video != "" && p.frames < told.Frames-1 {
		return fmt.Errorf("it holds %d of the %d pictures that FFmpeg says it wrote", p.frames, told.Frames)
	}
	if p.duration > 0 && told.Seconds > 0 && p.duration < told.Seconds-math.Max(0.5, told.Seconds/50) {
		return fmt.Errorf("it is %.1f s long, and FFmpeg says that it wrote %.1f s", p.duration, told.Seconds)
	}
	return nil
}

// publish gives what was made its name.
func (w *work) publish() error {
	for _, name := range w.files {
		to := w.dest
		if w.isSequence() {
			to = path.Join(path.Dir(w.dest), name)
		}
		if err := w.c.Workspace.Rename(path.Join(w.dir, name), to); err != nil {
			return err
		}
	}
	return nil
}
