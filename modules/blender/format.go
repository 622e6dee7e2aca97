package blender

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// A Format is how a file is written, by the extension that it usually has.
type Format string

// The formats that Blender reads and writes here.
const (
	GLB  Format = "glb"
	FBX  Format = "fbx"
	OBJ  Format = "obj"
	STL  Format = "stl"
	PLY  Format = "ply"
	DAE  Format = "dae"
	ABC  Format = "abc"
	USD  Format = "usd" // either of the next two, when it is written
	USDA Format = "usda"
	USDC Format = "usdc"
	USDZ Format = "usdz"
)

// Readable are the formats that are read.
func Readable() []Format { return []Format{GLB, FBX, OBJ, STL, PLY, DAE, ABC, USDA, USDC, USDZ} }

// Writable are the formats that are written.
func Writable() []Format { return append(Readable(), USD) }

// HeadLen is how much of a file Sniff looks at, in bytes.
const HeadLen = 64 << 10

// Sniff tells which of Readable a file is by how it begins; size is that of all of it, in bytes. Empty is none. Of a USDZ it is the
// caller who must look into the archive. A text that Blender would take for an OBJ of nothing is none.
func Sniff(head []byte, size int64) Format {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("glTF")):
		return GLB
	case bytes.HasPrefix(head, []byte("Kaydara FBX Binary  \x00")), isASCIIFBX(text):
		return FBX
	case bytes.HasPrefix(head, []byte("ply\n")), bytes.HasPrefix(head, []byte("ply\r")):
		return PLY
	case bytes.HasPrefix(head, []byte("Ogawa\xff")), bytes.HasPrefix(head, []byte("Ogawa\x00")):
		return ABC
	case bytes.HasPrefix(head, []byte("#usda ")):
		return USDA
	case bytes.HasPrefix(head, []byte("PXR-USDC")):
		return USDC
	case isCollada(head):
		return DAE
	case isSTL(head, text, size):
		return STL
	case isOBJ(head):
		return OBJ
	}
	return ""
}

func isASCIIFBX(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return bytes.HasPrefix(line, []byte(";")) && bytes.Contains(line, []byte("FBX")) ||
		bytes.Contains(text[:min(len(text), 1024)], []byte("FBXHeaderExtension")) && bytes.IndexByte(text[:min(len(text), 1024)], 0) < 0
}

// isCollada looks for the root element; a file may be UTF-16.
func isCollada(head []byte) bool {
	head = bytes.ReplaceAll(head[:min(len(head), 4096)], []byte{0}, nil)
	return bytes.Contains(head, []byte("<COLLADA"))
}

func isSTL(head, text []byte, size int64) bool {
	const header, triangle = 84, 50
	if len(head) >= header {
		n := int64(binary.LittleEndian.Uint32(head[80:]))
		if n > 0 && size >= header+triangle*n && size <= header+triangle*n+1024 {
			return true
		}
	}
	return bytes.HasPrefix(bytes.ToLower(text[:min(len(text), 6)]), []byte("solid")) && bytes.IndexByte(head, 0) < 0 &&
		(bytes.Contains(text, []byte("facet")) || bytes.Contains(text, []byte("FACET")))
}

// isOBJ says whether all lines are statements of an OBJ, and one of them makes a vertex.
func isOBJ(head []byte) bool {
	if bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	if len(head) == HeadLen { // the last line may be cut
		head = head[:max(0, bytes.LastIndexByte(head, '\n'))]
	}
	vertex, goesOn := false, false
	for line := range strings.Lines(strings.TrimPrefix(string(head), "\ufeff")) {
		words := strings.Fields(line)
		before := goesOn
		goesOn = strings.HasSuffix(strings.TrimRight(line, "\r\n"), `\`)
		if before || len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if !slices.Contains(statements(), strings.ToLower(words[0])) {
			return false
		}
		vertex = vertex || words[0] == "v"
	}
	return vertex
}

// statements are those of an OBJ (Wavefront, Appendix B1).
func statements() []string {
	return strings.Fields("v vt vn vp cstype deg bmat step p l f fo curv curv2 surf parm trim hole scrv sp end con g s mg o bevel c_interp " +
		"d_interp lod maplib usemap usemtl mtllib shadow_obj trace_obj ctech stech call csh bsp bzp cdc cdp res")
}
