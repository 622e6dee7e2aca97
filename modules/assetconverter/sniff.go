package assetconverter

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blender"
	"github.com/millrace/millrace/modules/fault"
)

// A kind is what a file is, by the extension that such files have.
type kind string

const (
	kindGLB  = kind(blender.GLB)
	kindGLTF = kind("gltf")
	kindZIP  = kind("zip")
)

// An asset is a file to convert.
type asset struct {
	kind kind
	size int64 // bytes
}

// byMark are the kinds that assimp reads and that begin in a way of their own.
func byMark() []struct{ mark, kind string } {
	return []struct{ mark, kind string }{
		{"AC3D", "ac"},
		{"BB3D", "b3d"},
		{"BLENDER", "blend"},
		{"Caligari ", "cob"},
		{"INTERQUAKEMODEL\x00", "iqm"},
		{"IDP2", "md2"},
		{"IDP3", "md3"},
		{"IDPO", "mdl"},
		{"MS3D000000", "ms3d"},
		{"MD5Version", "md5mesh"},
		{"#VRML V2", "wrl"},
		{"*3DSMAX_ASCIIEXPORT", "ase"},
		{"xof 0", "x"},
		{"quick3D", "q3o"},
		{"HMP7", "hmp"},
	}
}

// cad are the formats that only a licensed converter reads, by how they begin.
func cad() []struct{ mark, name string } {
	return []struct{ mark, name string }{
		{"**ABCDEFGHIJKLMNOPQRSTUVWXYZ", "Parasolid"},
		{"T51 : TRANSMIT FILE", "Parasolid"},
		{"PS\x00\x00", "Parasolid"},
		{"ACIS BinaryFile", "ACIS"},
		{"ASM BinaryFile", "ACIS"},
		{"V5_CFV2\x00", "CATIA V5"},
		{"Version 8.", "JT"},
		{"Version 9.", "JT"},
		{"Version 10.", "JT"},
		{"U3D\x00", "U3D"},
		{"PRC", "PRC"},
		{"AC10", "DWG"},
		{"%!PS-Adobe-3.0 DWF", "DWF"},
		{"(DWF V", "DWF"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "SolidWorks, Inventor, Revit or Solid Edge"},
		{"#UGC:2", "Creo"},
	}
}

// sniff tells what a file is. What is nothing that is known here is a permanent error.
func sniff(f *os.File) (asset, error) {
	info, err := f.Stat()
	if err != nil {
		return asset{}, err
	}
	if !info.Mode().IsRegular() {
		return asset{}, permanent("it is not a regular file")
	}
	a := asset{size: info.Size()}
	head := make([]byte, blender.HeadLen)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return a, err
	}
	head, err = head[:n], nil
	switch found := blender.Sniff(head, a.size); {
	case found != "":
		a.kind = kind(found)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		a.kind, err = inArchive(f, a.size)
	default:
		a.kind, err = other(head, a.size)
	}
	return a, err
}

// other tells the kinds that Blender does not read.
func other(head []byte, size int64) (kind, error) {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, m := range byMark() {
		if bytes.HasPrefix(text, []byte(m.mark)) {
			return kind(m.kind), nil
		}
	}
	switch {
	case len(text) > 0 && text[0] == '{' && isGLTF(text):
		return kindGLTF, nil
	case len(head) > 16 && head[0] == 'M' && head[1] == 'M' && int64(binary.LittleEndian.Uint32(head[2:])) <= size && isChunk3DS(head):
		return "3ds", nil
	case len(head) > 12 && string(head[:4]) == "FORM" && slices.Contains([]string{"LWO2", "LWOB", "LXOB", "LWLO"}, string(head[8:12])):
		return "lwo", nil
	case bytes.HasPrefix(text, []byte("OFF")) && isText(text):
		return "off", nil
	case bytes.HasPrefix(text, []byte("ISO-10303-21;")):
		if bytes.Contains(text, []byte("IFC")) {
			return "ifc", nil
		}
		return kindOfCAD("STEP"), nil
	case len(text) > 80 && isText(text) && (text[72] == 'S' || text[72] == 'F') && bytes.HasPrefix(bytes.TrimLeft(text[73:80], " "), []byte("1")):
		return kindOfCAD("IGES"), nil
	case isText(text) && dxf(text):
		return "dxf", nil
	case bytes.Contains(text[:min(len(text), 4096)], []byte("<X3D")) && isText(text):
		return "x3d", nil
	case bytes.Contains(text[:min(len(text), 4096)], []byte("<amf")) && isText(text):
		return "amf", nil
	}
	for _, m := range cad() {
		if bytes.HasPrefix(text, []byte(m.mark)) {
			return kindOfCAD(m.name), nil
		}
	}
	return "", permanent("it is no 3D file that is known here, whatever its name says")
}

// dxf says whether a text is pairs of a number and a value, of which the first is a section.
func dxf(text []byte) bool {
	lines := strings.Fields(string(text[:min(len(text), 4096)]))
	for len(lines) > 2 && lines[0] == "999" { // comments
		i := slices.Index(lines[1:], "0")
		if i < 0 {
			return false
		}
		lines = lines[i+1:]
	}
	return len(lines) > 1 && lines[0] == "0" && lines[1] == "SECTION"
}

func isText(text []byte) bool { return bytes.IndexByte(text, 0) < 0 }

// isChunk3DS says whether the first chunk inside the main one is one that stands there.
func isChunk3DS(head []byte) bool {
	return slices.Contains([]uint16{0x0002, 0x3d3d, 0xb000, 0x0010, 0xafff}, binary.LittleEndian.Uint16(head[6:]))
}

// isGLTF says whether a JSON begins as a glTF does: with one of its keys.
func isGLTF(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return false
	}
	key, err := d.Token()
	name, ok := key.(string)
	return err == nil && ok && slices.Contains(strings.Fields("asset accessors animations buffers bufferViews cameras extensions extensionsRequired "+
		"extensionsUsed extras images materials meshes nodes samplers scene scenes skins textures"), name)
}

// inArchive tells a USDZ, a 3MF and a ZIP of files apart.
func inArchive(f io.ReaderAt, size int64) (kind, error) {
	z, err := readZIP(f, size)
	if err != nil {
		return "", err
	}
	for i, entry := range z.File {
		ext := extension(entry.Name)
		switch {
		case i == 0 && entry.Method == zip.Store && slices.Contains([]string{"usd", "usda", "usdc"}, ext):
			return kind(blender.USDZ), nil
		case ext == "model" && strings.EqualFold(path.Dir(entry.Name), "3d"):
			return "3mf", nil
		case strings.EqualFold(path.Base(entry.Name), "Manifest.xml") && slices.ContainsFunc(z.File, is3DXML):
			return kindOfCAD("3DXML"), nil
		}
	}
	return kindZIP, nil
}

func is3DXML(f *zip.File) bool { return extension(f.Name) == "3dxml" || extension(f.Name) == "3drep" }

// kindOfCAD is the kind of a CAD format.
func kindOfCAD(name string) kind { return kind("CAD (" + name + ")") }

func (k kind) isCAD() bool { return strings.HasPrefix(string(k), "CAD (") }

func permanent(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}

// open opens a file of the workspace and tells what it is.
func open(c *modules.Call, name string) (*os.File, asset, error) {
	f, err := c.Workspace.Open(name)
	if err != nil {
		return nil, asset{}, err
	}
	a, err := sniff(f)
	if err != nil {
		return nil, a, errors.Join(err, f.Close())
	}
	return f, a, nil
}
