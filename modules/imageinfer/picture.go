package imageinfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/webp"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

// Bounds of a picture that is read.
const (
	maxBytes  = 64 << 20
	maxSide   = 32_000
	maxPixels = 50_000_000
)

// A coder reads one format, and tells it by how files of it begin.
type coder struct {
	name   string
	begins func(head []byte) bool
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

func coders() []coder {
	prefix := func(marks ...string) func([]byte) bool {
		return func(head []byte) bool {
			for _, m := range marks {
				if bytes.HasPrefix(head, []byte(m)) {
					return true
				}
			}
			return false
		}
	}
	return []coder{
		{"PNG", prefix("\x89PNG\r\n\x1a\n"), png.DecodeConfig, png.Decode},
		{"JPEG", prefix("\xff\xd8\xff"), jpeg.DecodeConfig, jpeg.Decode},
		{"GIF", prefix("GIF87a", "GIF89a"), gif.DecodeConfig, gif.Decode}, // its first frame
		{"WebP", func(h []byte) bool {
			return len(h) >= 12 && string(h[:4]) == "RIFF" && string(h[8:12]) == "WEBP"
		}, webp.DecodeConfig, webp.Decode},
	}
}

// A source is a picture whose pixels were not read yet.
type source struct {
	file  *os.File
	bytes int64
	size  image.Point
	coder coder
}

// open finds out what a file is by what it holds, and how large a picture its header promises. Close file after use.
func open(c *modules.Call, name string) (s *source, err error) {
	f, err := c.Workspace.Open(name)
	if err != nil {
		return nil, err
	}
	if s, err = look(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func look(f *os.File) (*source, error) {
	refuse := func(format string, args ...any) error { return fault.As(fault.Permanent, fmt.Errorf(format, args...)) }
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, refuse("it is not a regular file")
	case info.Size() > maxBytes:
		return nil, refuse("it has %d MiB, more than the %d that are read", info.Size()>>20, maxBytes>>20)
	}
	head := make([]byte, 12)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, k := range coders() {
		if !k.begins(head[:n]) {
			continue
		}
		c, err := k.config(bufio.NewReader(f))
		switch {
		case err != nil:
			return nil, refuse("it begins like a %s and is none: %w", k.name, err)
		case c.Width < 1 || c.Height < 1:
			return nil, refuse("it is %d×%d pixels: there is nothing to see", c.Width, c.Height)
		case max(c.Width, c.Height) > maxSide || int64(c.Width)*int64(c.Height) > maxPixels:
			return nil, refuse("it is %d×%d pixels, more than the %d on a side and %d in all that are read", c.Width, c.Height, maxSide, maxPixels)
		}
		_, err = f.Seek(0, io.SeekStart)
		return &source{f, info.Size(), image.Pt(c.Width, c.Height), k}, err
	}
	return nil, refuse("it is none of the pictures that are read here (PNG, JPEG, GIF, WebP)")
}

// decode reads the pixels. A picture that is slow to read ends with ctx.
func (s *source) decode(ctx context.Context) (picture, error) {
	m, err := s.coder.decode(bufio.NewReader(&reader{ctx, io.LimitReader(s.file, maxBytes)}))
	if ctx.Err() != nil {
		return picture{}, context.Cause(ctx)
	}
	if err != nil {
		return picture{}, fault.As(fault.Permanent, fmt.Errorf("it is a %s that can't be read: %w", s.coder.name, err))
	}
	if size := m.Bounds().Size(); size.X < 1 || size.Y < 1 || size.X > s.size.X || size.Y > s.size.Y {
		return picture{}, fault.As(fault.Permanent, fmt.Errorf("its header promises %v pixels, and there are %v", s.size, size))
	}
	return newPicture(m), nil
}

// A reader reads until ctx ends.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p[:min(len(p), 4<<10)])
}

// A picture gives its pixels row by row as three bytes each: red, green, blue. Opacity is left out, as Pillow's convert("RGB")
// does, and colours are not multiplied by it.
type picture struct {
	size image.Point
	row  func(y int, line []byte)
}

func newPicture(m image.Image) picture {
	b := m.Bounds()
	p := picture{size: b.Size()}
	put := func(line []byte, x int, r, g, b byte) { line[3*x], line[3*x+1], line[3*x+2] = r, g, b }
	switch m := m.(type) {
	case *image.YCbCr:
		p.row = func(y int, line []byte) {
			for x := range p.size.X {
				at, chroma := m.YOffset(b.Min.X+x, b.Min.Y+y), m.COffset(b.Min.X+x, b.Min.Y+y)
				red, green, blue := color.YCbCrToRGB(m.Y[at], m.Cb[chroma], m.Cr[chroma])
				put(line, x, red, green, blue)
			}
		}
	case *image.NYCbCrA:
		return newPicture(&m.YCbCr)
	case *image.Gray:
		p.row = func(y int, line []byte) {
			for x, v := range m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):][:p.size.X] {
				put(line, x, v, v, v)
			}
		}
	default:
		p.row = func(y int, line []byte) {
			for x := range p.size.X {
				c := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
				put(line, x, c.R, c.G, c.B)
			}
		}
	}
	return p
}
