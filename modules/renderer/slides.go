package renderer

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/film"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/workspace"
)

const maxSlide = 16_384 // pixels on a side

// names are the files and patterns in slides.
func names(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var all []string
	for _, item := range list {
		name, ok := item.(string)
		switch {
		case v == nil:
			return nil, nil
		case !ok || name == "":
			return nil, errors.New("write a file, a pattern (slides/*.png), or a list of those")
		}
		all = append(all, name)
	}
	if all == nil {
		return nil, errors.New("the list is empty")
	}
	return all, nil
}

func (pl *plan) slidesAs() string {
	all, _ := names(pl.Slides)
	return strings.Join(all, ", ")
}

// findSlides finds the pictures, and asks FFprobe what each is.
func (pl *plan) findSlides(ctx context.Context, c *modules.Call) (d modules.Demand, err error) {
	patterns, err := names(pl.Slides)
	if err != nil {
		return d, err
	}
	for _, name := range patterns {
		found := []string{name}
		if workspace.IsPattern(name) {
			if found, err = c.Workspace.Glob(name); err != nil {
				return d, err
			}
			if len(found) == 0 {
				return d, fault.As(fault.Permanent, fmt.Errorf("read %s: there is no such picture; check the path and the task that should have written it", name))
			}
			slices.SortFunc(found, byNumber)
		}
		pl.slides = append(pl.slides, found...)
	}
	if len(pl.slides) > maxPictures {
		return d, fault.As(fault.Permanent, fmt.Errorf("there are %d slides, and may be %d", len(pl.slides), maxPictures))
	}
	for _, name := range pl.slides {
		n, err := lookAt(ctx, c, name)
		if err != nil {
			return d, fmt.Errorf("read %s: %w", name, err)
		}
		d.Input += n
	}
	return d, nil
}

// byNumber orders slide_2 before slide_10.
func byNumber(a, b string) int {
	return strings.Compare(padded(a), padded(b))
}

// padded is a name whose numbers all have the same length.
func padded(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		end := i
		for end < len(name) && name[end] >= '0' && name[end] <= '9' {
			end++
		}
		if end == i {
			b.WriteByte(name[i])
			i++
			continue
		}
		b.WriteString(strings.Repeat("0", max(0, 20-(end-i))) + name[i:end])
		i = end
	}
	return b.String()
}

func lookAt(ctx context.Context, c *modules.Call, name string) (int64, error) {
	n, err := film.Look(c, name)
	if err != nil {
		return 0, err
	}
	real, err := c.Workspace.Path(name)
	if err != nil {
		return 0, err
	}
	p, err := film.Ask(ctx, c, nil, real)
	if err != nil {
		return 0, err
	}
	width, height, _ := p.Size()
	switch {
	case width == 0 || height == 0:
		err = errors.New("there is no picture in it")
	case max(width, height) > maxSlide:
		err = fmt.Errorf("it is %d×%d pixels, more than the %d on a side that are read", width, height, maxSlide)
	}
	return n, fault.As(fault.Permanent, err)
}

// slide reads a picture, as large as fits into the video and in its middle.
func (w *work) slide(ctx context.Context, name string) (*image.RGBA, error) {
	real, err := w.c.Workspace.Path(name)
	if err != nil {
		return nil, err
	}
	size := strconv.Itoa(w.plan.Width) + ":" + strconv.Itoa(w.plan.Height)
	args := append([]string{"-nostdin", "-hide_banner", "-y", "-v", "error", "-nostats"}, film.Confined()...)
	args = append(args, "-i", real, "-frames:v", "1", "-map", "0:v:0",
		"-vf", "scale="+size+":force_original_aspect_ratio=decrease:flags=lanczos,format=rgba,pad="+size+":(ow-iw)/2:(oh-ih)/2:color=black@0",
		"-pix_fmt", "rgba", "-f", "rawvideo", w.real("slide.rgba"))
	if _, err := w.c.RunTool(ctx, modules.ToolRun{Tool: tool.FFmpeg(), Args: args, Reason: film.Reason}); err != nil {
		return nil, film.Named(err)
	}
	pixels, err := os.ReadFile(w.real("slide.rgba"))
	if err != nil {
		return nil, err
	}
	img := image.NewNRGBA(image.Rect(0, 0, w.plan.Width, w.plan.Height))
	if len(pixels) != len(img.Pix) {
		return nil, fault.As(fault.Permanent, fmt.Errorf("%s can't be read as a picture", path.Base(name)))
	}
	img.Pix = pixels
	out := image.NewRGBA(img.Rect)
	draw.Draw(out, out.Rect, image.NewUniform(w.plan.background), image.Point{}, draw.Src)
	draw.Draw(out, out.Rect, img, image.Point{}, draw.Over)
	return out, nil
}
