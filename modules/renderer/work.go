package renderer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/film"
	"github.com/millrace/millrace/modules/portrait"
	"github.com/millrace/millrace/modules/tool"
)

// The files of a work.
const (
	movie    = "out.mp4"
	captions = "captions.ass"
)

// A work is a hidden folder of the workspace, where the video is made: what is not whole never has the name that was asked for.
type work struct {
	c       *modules.Call
	plan    *plan
	encoder encoder
	dir     string
	folder  string              // the real path of dir
	heard   *lacking            // what FFmpeg says of fonts
	told    *film.Progress      // what FFmpeg says that it has done
	kept    map[int]*image.RGBA // pictures that captions are looked for in, by their number
}

func newWork(c *modules.Call, pl *plan, by encoder) (*work, error) {
	if _, err := c.Workspace.Path(pl.Dest); err != nil {
		return nil, err
	}
	w := &work{c: c, plan: pl, encoder: by, dir: ".renderer-" + rand.Text(), kept: map[int]*image.RGBA{}}
	w.heard = &lacking{show: c.Stderr}
	w.told = &film.Progress{Show: c.Stdout, Report: c.Progress, Total: pl.long()}
	if err := c.Workspace.MkdirAll(w.dir); err != nil {
		return nil, err
	}
	folder, err := c.Workspace.Path(w.dir)
	if err != nil {
		return nil, err
	}
	w.folder = folder
	for _, n := range w.spots() {
		w.kept[w.picture(n)] = nil
	}
	if len(pl.cues) == 0 {
		return w, nil
	}
	return w, c.Workspace.WriteFile(w.in(captions), []byte(script(pl.cues, pl.Width, pl.Height)))
}

func (w *work) in(name string) string   { return path.Join(w.dir, name) }
func (w *work) real(name string) string { return filepath.Join(w.folder, name) }

// remove takes the folder away. What stays goes with the job's own folder.
func (w *work) remove() { _ = w.c.Workspace.RemoveAll(w.dir) }

// make draws the pictures and has FFmpeg encode them as they come.
func (w *work) make(ctx context.Context) (drawn portrait.Result, stats modules.Stats, err error) {
	from, to, err := os.Pipe()
	if err != nil {
		return drawn, stats, err
	}
	encoding, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var failed error
	var wg sync.WaitGroup
	wg.Go(func() {
		stats, failed = w.encode(encoding, from)
		_ = from.Close() // whoever still draws is told that nobody reads
	})
	drawn, err = w.draw(ctx, to)
	if err = errors.Join(err, to.Close()); err != nil && !errors.Is(err, syscall.EPIPE) {
		stop(err) // half a video is none
	}
	wg.Wait()
	if errors.Is(err, syscall.EPIPE) {
		err = nil // FFmpeg says why
	}
	if err == nil {
		err = failed
	}
	return drawn, stats, err
}

// draw writes the pixels of all pictures.
func (w *work) draw(ctx context.Context, to io.Writer) (portrait.Result, error) {
	if w.plan.model == nil {
		for i, name := range w.plan.slides {
			img, err := w.slide(ctx, name)
			if err != nil {
				return portrait.Result{}, fmt.Errorf("read %s: %w", name, err)
			}
			if err := w.add(to, i, img); err != nil {
				return portrait.Result{}, err
			}
		}
		return portrait.Result{}, nil
	}
	seen := false
	r, err := w.plan.model.Draw(ctx, w.c, portrait.Job{
		Width: w.plan.Width, Height: w.plan.Height, Views: w.plan.views, Background: w.plan.background, Renderer: w.plan.Renderer, Samples: w.plan.Samples, Look: w.plan.light,
	}, func(i int, p portrait.Picture) error {
		seen = seen || !p.Empty
		return w.add(to, i, p.Image)
	})
	switch {
	case err != nil:
		return r, fmt.Errorf("draw %s: %w", w.plan.Src, err)
	case !seen:
		return r, permanent("nothing of %s is seen", w.plan.Src)
	}
	return r, nil
}

func (w *work) add(to io.Writer, i int, img *image.RGBA) error {
	if _, wanted := w.kept[i]; wanted {
		w.kept[i] = img
	}
	_, err := to.Write(img.Pix)
	return err
}

// encode has FFmpeg read pixels and write the video.
func (w *work) encode(ctx context.Context, pixels *os.File) (modules.Stats, error) {
	quiet := *w.c
	quiet.Stdout, quiet.Stderr = io.Discard, w.heard
	stats, err := quiet.RunTool(ctx, modules.ToolRun{Tool: tool.FFmpeg(), Args: w.args(), Stdin: pixels, Stdout: w.told, Reason: film.Reason})
	return stats, film.Named(err)
}

func (w *work) args() []string {
	pl := w.plan
	each := pl.pictures * pl.FPS // in pl.frames seconds
	long := strconv.FormatFloat(pl.long(), 'f', 6, 64)
	args := []string{
		"-nostdin", "-hide_banner", "-y", "-v", "warning", "-nostats", "-progress", "pipe:1",
		"-protocol_whitelist", "pipe", "-f", "rawvideo", "-pixel_format", "rgba", "-video_size", fmt.Sprintf("%dx%d", pl.Width, pl.Height),
		"-framerate", fmt.Sprintf("%d/%d", each, pl.frames), "-i", "pipe:0",
	}
	if pl.Audio != "" {
		real, _ := w.c.Workspace.Path(pl.Audio) // it was found by Probe; a link out of the workspace since then is empty, and no file
		args = append(append(args, film.Confined()...), "-i", real, "-map", "0:v:0", "-map", "1:a:0",
			"-c:a", "aac", "-b:a", "160k", "-af", "apad", "-t", long)
	}
	// Players take what is tagged BT.709 for what it is; pictures are repeated after they are converted, and the last one to the end.
	filters := []string{"scale=out_color_matrix=bt709:out_range=tv", "format=yuv420p", fmt.Sprintf("fps=%d", pl.FPS), "tpad=stop_mode=clone:stop=-1", fmt.Sprintf("trim=end_frame=%d", pl.frames)}
	if len(pl.cues) > 0 {
		filters = append(filters, "subtitles="+w.in(captions)) // relative to the workspace: letters and digits, which mean nothing to a filter
	}
	args = append(args, "-vf", strings.Join(filters, ",")) // -frames would end the sound too, which may not have begun
	args = append(append(args, w.encoder.args(pl.Quality)...), "-pix_fmt", "yuv420p", "-g", strconv.Itoa(4*pl.FPS),
		"-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
		"-map_metadata", "-1", "-map_chapters", "-1", "-movflags", "+faststart", "-f", "mp4", w.real(movie))
	return args
}

// A lacking hears which letters no font of this machine has.
type lacking struct {
	show  io.Writer
	held  string
	signs []rune
}

const maxHeld = 64 << 10

func (l *lacking) Write(b []byte) (int, error) {
	l.held += string(b)
	for {
		line, rest, ok := strings.Cut(l.held, "\n")
		if !ok {
			l.held = l.held[max(0, len(l.held)-maxHeld):]
			return len(b), nil
		}
		l.held = rest
		_, code, ok := strings.Cut(line, "failed to find any fallback with glyph 0x")
		if !ok {
			if _, err := io.WriteString(l.show, line+"\n"); err != nil {
				return 0, err
			}
			continue
		}
		code, _, _ = strings.Cut(code, " ")
		if n, err := strconv.ParseInt(code, 16, 32); err == nil {
			l.signs = append(l.signs, rune(n))
		}
	}
}

func (l *lacking) warnings() []string {
	if l.signs == nil {
		return nil
	}
	var some []string
	for _, r := range l.signs[:min(8, len(l.signs))] {
		some = append(some, fmt.Sprintf("%c (%U)", r, r))
	}
	return []string{fmt.Sprintf("no font of this machine has %d of the captions' signs, which show as boxes: %s; install fonts that have them (fonts-noto)", len(l.signs), strings.Join(some, ", "))}
}
