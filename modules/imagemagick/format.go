package imagemagick

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/fault"
)

// headLen is how much of a file tells its format, in bytes.
const headLen = 16

// formatOf tells a picture's format by how its file begins; a TGA, which has no such mark, by its name. The name alone is
// not believed of any other: what it makes of a file is what lets a script pass for a picture.
func formatOf(name string, head []byte) (string, error) {
	for _, mark := range []struct{ format, begins string }{
		{"PNG", "\x89PNG\r\n\x1a\n"},
		{"JPEG", "\xff\xd8\xff"},
		{"GIF", "GIF87a"},
		{"GIF", "GIF89a"},
		{"TIFF", "II*\x00"},
		{"TIFF", "MM\x00*"},
		{"TIFF", "II+\x00"},
		{"TIFF", "MM\x00+"},
		{"BMP", "BM"},
		{"PSD", "8BPS"},
		{"EXR", "\x76\x2f\x31\x01"},
		{"HDR", "#?RADIANCE"},
		{"HDR", "#?RGBE"},
		{"ICO", "\x00\x00\x01\x00"},
	} {
		if bytes.HasPrefix(head, []byte(mark.begins)) {
			return mark.format, nil
		}
	}
	switch {
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return "WEBP", nil
	case len(head) > 2 && head[0] == 'P' && head[1] >= '1' && head[1] <= '7' && strings.IndexByte(" \t\r\n#", head[2]) >= 0:
		return "PNM", nil
	case strings.EqualFold(path.Ext(name), ".tga"):
		return "TGA", nil
	}
	return "", fault.As(fault.Permanent, errors.New("it is none of the pictures that are read here ("+readable+")"))
}

const readable = "PNG, JPEG, GIF, TIFF, WebP, BMP, TGA, ICO, PNM, PSD, HDR, EXR"

// formatFor is the format that a file of that name is written in.
func formatFor(name string) (string, error) {
	ext := strings.ToUpper(strings.TrimPrefix(path.Ext(name), "."))
	if !slices.Contains(formats(), ext) {
		return "", fmt.Errorf("%q does not end in the name of a format that is written here (%s)", name, strings.ToLower(readable))
	}
	return ext, nil
}

// sizeOf reads a picture's size from its header, of the formats where Go can: 0×0 is unknown.
func sizeOf(format string, r io.Reader) (image.Config, error) {
	switch format {
	case "PNG":
		return png.DecodeConfig(r)
	case "JPEG":
		return jpeg.DecodeConfig(r)
	case "GIF":
		return gif.DecodeConfig(r)
	}
	return image.Config{}, nil
}

// headOf reads how a file begins, and rewinds it.
func headOf(f *os.File) ([]byte, error) {
	head := make([]byte, headLen)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return head[:n], err
}
