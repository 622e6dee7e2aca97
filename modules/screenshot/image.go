package screenshot

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path"
	"strings"

	"github.com/millrace/millrace/modules/workspace"
)

const jpegQuality = 92

// isJPEG goes by the extension; the other form there is, is PNG.
func isJPEG(name string) bool {
	extension := path.Ext(name)
	return strings.EqualFold(extension, ".jpg") || strings.EqualFold(extension, ".jpeg")
}

// write makes a picture appear under its name, reads it back, and returns its size in bytes.
func write(dir *workspace.Dir, name string, img *image.RGBA) (int64, error) {
	err := dir.Replace(name, func(f *os.File) error {
		w := bufio.NewWriterSize(f, 1<<16)
		if err := encode(w, name, img); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		return check(f, name, img.Rect.Size())
	})
	if err != nil {
		return 0, err
	}
	info, err := dir.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func encode(w io.Writer, name string, img *image.RGBA) error {
	if isJPEG(name) {
		return jpeg.Encode(w, img, &jpeg.Options{Quality: jpegQuality})
	}
	return png.Encode(w, img)
}

// check decodes what was written.
func check(f io.ReadSeeker, name string, size image.Point) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	decode := png.Decode
	if isJPEG(name) {
		decode = jpeg.Decode
	}
	img, err := decode(bufio.NewReader(f))
	if err != nil {
		return fmt.Errorf("read the picture back: %w", err)
	}
	if img.Bounds().Size() != size {
		return errors.New("read the picture back: it has another size")
	}
	return nil
}
