package imagemagick

import (
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
)

// Limits of one run. Pictures are kept with eight bytes a pixel (ImageMagick's Q16), in memory up to maxMemory, then mapped,
// then on disk.
const (
	maxBytes  = 2 << 30     // of the file
	maxSide   = 32_000      // pixels
	maxPixels = 300_000_000 // of one picture
	maxFrames = 1_000       // of one file
	maxMemory = "1GiB"
	maxMapped = "2GiB"
	maxDisk   = "8GiB"
)

// formats are what is read and written: pictures made of pixels. Whatever else ImageMagick knows (scripts, drawings,
// documents, video, URLs, other programs) is not.
func formats() []string {
	return []string{
		"PNG", "PNG8", "PNG24", "PNG32", "PNG48", "PNG64", "JPEG", "JPG", "PJPEG", "GIF", "TIFF", "TIF", "WEBP", "BMP", "BMP2", "BMP3",
		"TGA", "ICO", "PNM", "PBM", "PGM", "PPM", "PAM", "PSD", "HDR", "EXR",
	}
}

// generators make pictures of nothing but their arguments.
const generators = "XC,CANVAS,GRADIENT,RADIAL-GRADIENT,PLASMA,PATTERN,HALD,NULL,MPR,LABEL,CAPTION"

// policy is ImageMagick's security policy for a run that may touch files below these folders alone. Later rules win over
// earlier ones; rules of the machine come after all of these and can only take away
// (https://imagemagick.org/script/security-policy.php).
func policy(folders ...string) []byte {
	var b strings.Builder
	b.WriteString("<policymap>\n")
	rule := func(domain, rights, pattern string) {
		fmt.Fprintf(&b, "  <policy domain=\"%s\" rights=\"%s\" pattern=\"%s\"/>\n", domain, rights, escape(pattern))
	}
	rule("delegate", "none", "*")
	rule("filter", "none", "*")
	rule("coder", "none", "*")
	rule("coder", "read|write", "{"+strings.Join(formats(), ",")+","+generators+"}")
	rule("path", "none", "/*")
	for _, dir := range folders {
		rule("path", "read|write", filepath.Join(globbed(dir), "*"))
	}
	rule("path", "none", "@*")
	rule("path", "none", "../*")
	rule("path", "none", "*/../*")
	for _, limit := range [][2]string{
		{"width", fmt.Sprint(maxSide)},
		{"height", fmt.Sprint(maxSide)},
		{"area", fmt.Sprint(maxPixels)},
		{"list-length", fmt.Sprint(maxFrames)},
		{"memory", maxMemory},
		{"map", maxMapped},
		{"disk", maxDisk},
	} {
		fmt.Fprintf(&b, "  <policy domain=\"resource\" name=\"%s\" value=\"%s\"/>\n", limit[0], limit[1])
	}
	b.WriteString("</policymap>\n")
	return []byte(b.String())
}

// globbed makes a pattern that matches a path alone.
func globbed(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "{", `\{`).Replace(path)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
