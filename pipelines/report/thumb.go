package report

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"time"

	_ "image/gif" // a format that pictures have

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // the same

	"github.com/millrace/millrace/modules/workspace"
)

// What small pictures may cost. They stand in the page itself, so that it shows them wherever it is read.
const (
	maxThumbs       = 12
	maxThumb        = 64 << 10 // bytes of one
	maxDrawn        = 6        // models that are drawn
	maxPixels       = 40 << 20 // of a picture that is made small
	maxPictureBytes = 64 << 20
	maxThumbTime    = 4 * time.Second // of all; what is left then has none
)

// sides are how large they are, in pixels: the first that has no more than maxThumb bytes.
var sides = []int{256, 192, 128, 64}

// A thumber makes the small pictures of one page.
type thumber struct {
	ws    *workspace.Dir
	draw  func(ctx context.Context, model string) (image.Image, error)
	until time.Time
	left  int               // pictures that may still be made
	drawn int               // models that may still be drawn
	made  map[string]string // by path; empty is one that there is none of
}

func newThumber(in Input) *thumber {
	return &thumber{
		ws: in.Workspace, draw: in.Draw, until: time.Now().Add(maxThumbTime), left: maxThumbs, drawn: maxDrawn, made: map[string]string{},
	}
}

// of is the small picture of a picture or a model, as a URL that holds it; empty where there is none: it can't be read, is too
// large, or is one too many. size is what the file had when its task ended: one that was written over since has none.
func (t *thumber) of(ctx context.Context, path string, size int64) string {
	if url, known := t.made[path]; known {
		return url
	}
	if t.ws == nil || t.left == 0 || time.Now().After(t.until) || ctx.Err() != nil {
		return ""
	}
	t.made[path] = ""
	img, err := t.look(ctx, path, size)
	if err != nil {
		return ""
	}
	url := small(img)
	if url != "" {
		t.left--
	}
	t.made[path] = url
	return url
}

func (t *thumber) look(ctx context.Context, path string, size int64) (image.Image, error) {
	info, err := t.ws.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != size {
		return nil, errors.New("it is another file now")
	}
	if isPicture(path) {
		return t.open(path, size)
	}
	if t.draw == nil || t.drawn == 0 {
		return nil, errors.New("it is not drawn")
	}
	t.drawn--
	return t.draw(ctx, path)
}

// open reads a picture that is not too large.
func (t *thumber) open(path string, size int64) (image.Image, error) {
	if size > maxPictureBytes {
		return nil, fmt.Errorf("%s has %d bytes", path, size)
	}
	data, err := t.ws.ReadFile(path)
	if err != nil {
		return nil, err
	}
	head, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if int64(head.Width)*int64(head.Height) > maxPixels {
		return nil, fmt.Errorf("%s has %d x %d pixels", path, head.Width, head.Height)
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	return img, err
}

// small is a picture of at most maxThumb bytes, as a URL that holds it.
func small(img image.Image) string {
	for _, side := range sides {
		shrunk := shrink(img, side)
		kind, data := "png", pngOf(shrunk)
		if shrunk.Opaque() && len(data) > maxThumb/4 {
			kind, data = "jpeg", jpegOf(shrunk)
		}
		if data != nil && len(data) <= maxThumb {
			return "data:image/" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)
		}
	}
	return ""
}

// shrink makes a picture fit into a square; a smaller one stays as it is.
func shrink(img image.Image, side int) *image.NRGBA {
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	if most := max(w, h); most > side {
		w, h = max(1, w*side/most), max(1, h*side/most)
	}
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	if w == b.Dx() && h == b.Dy() {
		draw.Copy(out, image.Point{}, img, b, draw.Src, nil)
		return out
	}
	draw.BiLinear.Scale(out, out.Rect, img, b, draw.Src, nil)
	return out
}

func pngOf(img image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil
	}
	return b.Bytes()
}

func jpegOf(img image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 85}); err != nil {
		return nil
	}
	return b.Bytes()
}
