package glb

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"image/png"
)

// PictureSize reads the header of a picture: its MIME type, empty where it is none of PNG, JPEG, WebP, KTX2, and its size in
// pixels, 0 where the header does not tell.
func PictureSize(data []byte) (mime string, width, height int) {
	var c image.Config
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		mime = "image/png"
		c, _ = png.DecodeConfig(bytes.NewReader(data))
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		mime = "image/jpeg"
		c, _ = jpeg.DecodeConfig(bytes.NewReader(data))
	case len(data) >= 30 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		mime = "image/webp"
		c.Width, c.Height = webpSize(data)
	case len(data) >= 28 && bytes.HasPrefix(data, []byte("\xabKTX 20\xbb\r\n\x1a\n")):
		mime = "image/ktx2"
		c.Width, c.Height = int(binary.LittleEndian.Uint32(data[20:])), int(binary.LittleEndian.Uint32(data[24:]))
	}
	return mime, c.Width, c.Height
}

// webpSize reads the first chunk of a WebP of at least 30 bytes: VP8 (lossy), VP8L (lossless) or VP8X.
func webpSize(data []byte) (width, height int) {
	const bits14 = 1<<14 - 1
	switch b := data[20:]; string(data[12:16]) {
	case "VP8 ":
		return int(binary.LittleEndian.Uint16(b[6:])) & bits14, int(binary.LittleEndian.Uint16(b[8:])) & bits14
	case "VP8L":
		v := binary.LittleEndian.Uint32(b[1:])
		return int(v&bits14) + 1, int(v>>14&bits14) + 1
	case "VP8X":
		return int(b[4]) | int(b[5])<<8 | int(b[6])<<16 + 1, int(b[7]) | int(b[8])<<8 | int(b[9])<<16 + 1
	}
	return 0, 0
}

// nameTypes makes the MIME type of every picture what its bytes are.
func (d *Document) nameTypes() error {
	for i := range d.Images {
		m := &d.Images[i]
		data, err := d.Bytes(*m.View)
		if err != nil {
			return malformed("picture %d: its view is compressed", i)
		}
		if mime, _, _ := PictureSize(data); mime != "" {
			m.MIMEType = mime
		}
	}
	return nil
}
