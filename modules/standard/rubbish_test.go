package standard_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// noise is so many bytes that mean nothing, the same ones each time.
func noise(seed string, n int) []byte {
	var key [32]byte
	copy(key[:], seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func TestRandomBytesUnderEveryExtensionAreRefused(t *testing.T) {
	for name, r := range readers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := real(t)
			for extension := range strings.FieldsSeq(r.extensions) {
				src := "in." + extension
				require.NoError(t, c.Workspace.WriteFile(src, noise(src, 3000)))
				r.refused(t, c, src, []string{".", src})
				require.NoError(t, c.Workspace.Remove(src))
			}
		})
	}
}

// heads are how files of each kind begin.
func heads() map[string]string {
	return map[string]string{
		"glTF": "glTF\x02\x00\x00\x00\xc4\x0b\x00\x00", "JSON": `{"asset":{"version":"2.0"},"meshes":[`, "FBX": "Kaydara FBX Binary  \x00\x1a\x00\xe8\x1c\x00\x00",
		"FBX in text": "; FBX 7.4.0 project file\nFBXHeaderExtension:  {\n", "STL": "solid x\nfacet normal 0 0 1\n", "PLY": "ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nend_header\n",
		"OBJ": "# OBJ\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nmtllib ", "DAE": "<?xml version=\"1.0\"?>\n<COLLADA xmlns=\"http://www.collada.org/2005/11/COLLADASchema\" version=\"1.4.1\">", "USDA": "#usda 1.0\n(\n", "USDC": "PXR-USDC\x00\x08\x00\x00\x00\x00\x00\x00",
		"ZIP": "PK\x03\x04\x14\x00\x00\x00\x00\x00", "ABC": "Ogawa\xff\x00\x01", "3DS": "MM\xb8\x0b\x00\x00\x02\x00\x0a\x00\x00\x00\x03\x00\x00\x00", "Blender": "BLENDER-v405", "LWO": "FORM\x00\x00\x0b\xb0LWO2", "MD2": "IDP2\x08\x00\x00\x00", "X": "xof 0303bin 0032", "OFF": "OFF\n8 6 0\n",
		"PNG": "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "JPEG": "\xff\xd8\xff\xe0\x00\x10JFIF\x00", "GIF": "GIF89a\x40\x00\x40\x00\xf7\x00\x00", "WebP": "RIFF\xb0\x0b\x00\x00WEBPVP8 ", "BMP": "BM\xb8\x0b\x00\x00\x00\x00\x00\x00", "TIFF": "II*\x00\x08\x00\x00\x00", "PSD": "8BPS\x00\x01", "EXR": "\x76\x2f\x31\x01\x02\x00\x00\x00",
		"MP4": "\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2", "Matroska": "\x1a\x45\xdf\xa3\x01\x00\x00\x00\x00\x00\x00\x23", "Ogg": "OggS\x00\x02", "FLAC": "fLaC\x00\x00\x00\x22", "WAV": "RIFF\xb0\x0b\x00\x00WAVEfmt ", "AVI": "RIFF\xb0\x0b\x00\x00AVI LIST", "FLV": "FLV\x01\x05\x00\x00\x00\x09", "MPEG-TS": "G@\x00\x10\x00",
	}
}

// What passes the first look is rubbish behind it: readers, and the tools behind them, must see that.
func TestRubbishBehindARightBeginningIsRefused(t *testing.T) {
	for name, r := range readers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := real(t)
			for kind, head := range heads() {
				src := "in." + strings.Fields(r.extensions)[0]
				require.NoError(t, c.Workspace.WriteFile(src, append([]byte(head), noise(kind, 3000-len(head))...)))
				t.Logf("%s", kind)
				r.refused(t, c, src, []string{".", src})
			}
		})
	}
}
