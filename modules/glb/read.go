package glb

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"reflect"
	"strings"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/workspace"
)

// A Format is how a document is packed.
type Format int

// What Sniff tells.
const (
	Neither Format = iota
	Binary         // .glb
	Text           // .gltf, or other JSON: only Read can tell
)

// Sniff tells the format by how a file begins; 64 bytes are enough.
func Sniff(head []byte) Format {
	switch text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n"); {
	case bytes.HasPrefix(head, []byte("glTF")):
		return Binary
	case bytes.HasPrefix(text, []byte("{")):
		return Text
	}
	return Neither
}

// Limits bound what is read; 0 is the default.
type Limits struct {
	Bytes  int64 // of the file, its buffers and its pictures, together; 1 GiB
	JSON   int64 // bytes of its JSON; 64 MiB
	Depth  int   // how deep its JSON nests; 64
	Values int   // in its JSON; 4 Mi
	Count  int64 // elements of one accessor that is not backed by bytes; 16 Mi
}

func (l Limits) orDefaults() Limits {
	set := func(v, std int64) int64 {
		if v == 0 {
			return std
		}
		return v
	}
	return Limits{
		Bytes: set(l.Bytes, 1<<30), JSON: set(l.JSON, 64<<20), Count: set(l.Count, 16<<20),
		Depth: int(set(int64(l.Depth), 64)), Values: int(set(int64(l.Values), 4<<20)),
	}
}

// A Source says what a document may take in.
type Source struct {
	// Open opens a file that the document names beside itself: a relative path with slashes, cleaned, that may begin with "..":
	// Open decides how far it leads. nil refuses all.
	Open   func(name string) (fs.File, error)
	Limits Limits
}

// Open reads a document of the workspace. Its buffers and pictures may lie anywhere in the workspace, and nowhere else.
func Open(w *workspace.Dir, name string, l Limits) (*Document, error) {
	f, err := w.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, malformed("it is not a regular file"))
	}
	return Read(f, Source{Limits: l, Open: func(uri string) (fs.File, error) { return w.Open(path.Join(path.Dir(name), uri)) }})
}

// Read reads a document, binary or text.
func Read(r io.Reader, s Source) (*Document, error) {
	in := intake{open: s.Open, left: s.Limits.orDefaults().Bytes, limits: s.Limits.orDefaults(), seen: map[string][]byte{}}
	file, err := in.take(r)
	if err != nil {
		return nil, err
	}
	text, bin, err := unpack(file)
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > in.limits.JSON {
		return nil, malformed("its JSON is %d bytes, more than the %d that are read", len(text), in.limits.JSON)
	}
	if err := scan(text, in.limits); err != nil {
		return nil, err
	}
	if !json.Valid(text) {
		return nil, malformed("its JSON is broken: %w", json.Unmarshal(text, new(any)))
	}
	d := &Document{limits: in.limits}
	if err := decode(text, reflect.ValueOf(d).Elem()); err != nil {
		return nil, malformed("its JSON: glTF%w", err)
	}
	if major, _, _ := strings.Cut(d.Asset.Version, "."); major != "2" {
		return nil, malformed("it is glTF version %q, and only version 2 is read", d.Asset.Version)
	}
	if err := in.buffers(d, bin); err != nil {
		return nil, err
	}
	if err := in.pictures(d); err != nil {
		return nil, err
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	return d, d.nameTypes()
}

// unpack finds the JSON, and of a GLB the binary chunk.
func unpack(file []byte) (text, bin []byte, err error) {
	switch Sniff(file) {
	case Neither:
		return nil, nil, malformed("it is neither GLB nor glTF")
	case Text:
		return bytes.TrimSpace(bytes.TrimPrefix(file, []byte("\xef\xbb\xbf"))), nil, nil
	}
	const header, chunkHeader = 12, 8
	if len(file) < header+chunkHeader {
		return nil, nil, malformed("the GLB is truncated: it has %d bytes", len(file))
	}
	if v := binary.LittleEndian.Uint32(file[4:]); v != 2 {
		return nil, nil, malformed("it is a GLB of version %d, and only version 2 is read", v)
	}
	if n := binary.LittleEndian.Uint32(file[8:]); int64(n) > int64(len(file)) {
		return nil, nil, malformed("the GLB is truncated: its header promises %d bytes, it has %d", n, len(file))
	} else if n >= header {
		file = file[:n]
	}
	for i, at := 0, header; at+chunkHeader <= len(file); i++ {
		n, kind := int64(binary.LittleEndian.Uint32(file[at:])), string(file[at+4:at+8])
		at += chunkHeader
		if n > int64(len(file)-at) {
			return nil, nil, malformed("the GLB is truncated: chunk %d promises %d bytes, and there are %d", i, n, len(file)-at)
		}
		chunk := file[at : at+int(n)]
		at += int(n)
		switch {
		case i == 0 && kind != "JSON":
			return nil, nil, malformed("the GLB does not begin with its JSON")
		case i == 0:
			text = bytes.TrimSpace(chunk)
		case i == 1 && kind == "BIN\x00":
			bin = chunk
		}
	}
	return text, bin, nil
}

// An intake reads files, and counts their bytes.
type intake struct {
	open   func(string) (fs.File, error)
	left   int64 // bytes that may still be read
	limits Limits
	seen   map[string][]byte // files by name: many may name one
}

// take reads r to its end.
func (in *intake) take(r io.Reader) ([]byte, error) {
	var b bytes.Buffer
	if f, ok := r.(fs.File); ok {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if info.Size() > in.left {
			return nil, in.count(info.Size())
		}
		b.Grow(int(info.Size()) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(r, in.left+1))
	if err != nil {
		return nil, err
	}
	return b.Bytes(), in.count(n)
}

func (in *intake) count(n int64) error {
	if n > in.left {
		return fault.As(fault.Permanent, fmt.Errorf("it is more than the %d MiB that are read, with its buffers and pictures", in.limits.Bytes>>20))
	}
	in.left -= n
	return nil
}
