package fbx

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/modules/fault"
)

// measures are what an FBX says it holds.
type measures struct {
	bytes    int64
	unpacked int64    // bytes of its arrays, which may be packed
	corners  int64    // of its polygons
	textures []string // files that it names, of the machine where it was made
}

const (
	signature = "Kaydara FBX Binary  \x00\x1a\x00" // a binary file begins so, and its version follows
	wide      = 7500                               // from this version on, lengths have 64 bits
	maxNested = 64
	maxNodes  = 10_000_000
)

// errNone is a file that is no FBX; which words follow.
func errNone(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf("it is no FBX: "+format, args...))
}

// measure adds up what the header of each array in a binary FBX says; of an ASCII one, what it holds is no more than its text.
func measure(f io.ReadSeeker, size int64) (measures, error) {
	head := make([]byte, 1024)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return measures{}, err
	}
	head = head[:n]
	if !bytes.HasPrefix(head, []byte(signature)) {
		if err := ascii(head); err != nil {
			return measures{}, err
		}
		textures, err := asciiTextures(f)
		return measures{bytes: size, unpacked: size, textures: textures}, err
	}
	if n < 27 {
		return measures{}, errNone("it ends in its header")
	}
	w := walker{f: f, size: size, in: bufio.NewReader(f), wide: binary.LittleEndian.Uint32(head[23:]) >= wide}
	w.bytes = size
	if err := w.seek(27); err != nil {
		return measures{}, err
	}
	err = w.nodes(size, 0)
	return w.measures, err
}

// ascii says why a file that has not the signature of a binary FBX is no ASCII one either.
func ascii(head []byte) error {
	text := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	line, _, _ := bytes.Cut(text, []byte("\n"))
	switch {
	case bytes.HasPrefix(head, []byte(signature[:18])):
		return errNone("it begins like a binary one, and its header is damaged")
	case bytes.HasPrefix(line, []byte(";")) && bytes.Contains(line, []byte("FBX")):
	case bytes.Contains(text, []byte("FBXHeaderExtension")) && bytes.IndexByte(text, 0) < 0:
	default:
		return errNone("it begins neither like a binary nor like an ASCII one")
	}
	return nil
}

// A walker goes through the nodes of a binary FBX. https://code.blender.org/2013/08/fbx-binary-file-format-specification/
type walker struct {
	measures
	f    io.ReadSeeker
	in   *bufio.Reader
	at   int64 // where in reads
	size int64
	wide bool
	seen int // nodes
}

func (w *walker) seek(to int64) error {
	if ahead := to - w.at; w.at > 0 && ahead >= 0 && ahead <= int64(w.in.Buffered()) {
		_, err := w.in.Discard(int(ahead))
		w.at = to
		return err
	}
	_, err := w.f.Seek(to, io.SeekStart)
	w.in.Reset(w.f)
	w.at = to
	return err
}

func (w *walker) read(n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := io.ReadFull(w.in, b)
	w.at += int64(got)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errNone("it ends at byte %d, in the middle of a node", w.at)
	}
	return b, err
}

// length reads a length of the header of a node.
func (w *walker) length() (int64, error) {
	if !w.wide {
		b, err := w.read(4)
		return int64(binary.LittleEndian.Uint32(b)), err
	}
	b, err := w.read(8)
	return int64(binary.LittleEndian.Uint64(b)), err
}

// nodes goes through those up to end; the last of a list is empty.
func (w *walker) nodes(end int64, depth int) error {
	for w.at < end {
		start := w.at
		var head [3]int64 // where the node ends, its properties, and their bytes
		for i := range head {
			var err error
			if head[i], err = w.length(); err != nil {
				return err
			}
		}
		name, err := w.name()
		if err != nil {
			return err
		}
		if head[0] == 0 {
			return nil
		}
		inside := w.at + head[2]
		if w.seen++; w.seen > maxNodes || depth > maxNested {
			return errNone("it has more than %d nodes, or they are nested deeper than %d", maxNodes, maxNested)
		}
		if head[0] <= start || head[0] > end || head[2] < 0 || inside > head[0] {
			return errNone("the node at byte %d lies about where it ends", start)
		}
		if err := w.properties(name, head[1], inside); err != nil {
			return err
		}
		if err := w.seek(inside); err != nil {
			return err
		}
		if err := w.nodes(head[0], depth+1); err != nil {
			return err
		}
		if err := w.seek(head[0]); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) name() (string, error) {
	n, err := w.read(1)
	if err != nil {
		return "", err
	}
	name, err := w.read(int(n[0]))
	return string(name), err
}

// properties takes in the headers of arrays, and names of files.
func (w *walker) properties(node string, count, end int64) error {
	for range count {
		if w.at >= end {
			return errNone("the properties at byte %d are fewer than their node says", w.at)
		}
		kind, err := w.read(1)
		if err != nil {
			return err
		}
		skip, err := w.property(node, kind[0], end)
		if err != nil {
			return err
		}
		if w.at+skip > end {
			return errNone("the property at byte %d is longer than its node", w.at)
		}
		if err := w.seek(w.at + skip); err != nil {
			return err
		}
	}
	return nil
}

// property takes in one, and returns how much of it was not read.
func (w *walker) property(node string, kind byte, end int64) (skip int64, err error) {
	switch kind {
	case 'B', 'C':
		return 1, nil
	case 'Y':
		return 2, nil
	case 'I', 'F':
		return 4, nil
	case 'L', 'D':
		return 8, nil
	case 'S', 'R':
		return w.text(node, kind, end)
	case 'b', 'c':
		return w.array(node, 1)
	case 'i', 'f':
		return w.array(node, 4)
	case 'l', 'd':
		return w.array(node, 8)
	}
	return 0, errNone("the property at byte %d is of no known kind", w.at-1)
}

// text keeps the name of a file.
func (w *walker) text(node string, kind byte, end int64) (skip int64, err error) {
	head, err := w.read(4)
	if err != nil {
		return 0, err
	}
	length := int64(binary.LittleEndian.Uint32(head))
	if kind != 'S' || !isFileName(node) || length == 0 || length > maxName || w.at+length > end {
		return length, nil
	}
	name, err := w.read(int(length))
	w.textures = named(w.textures, string(name))
	return 0, err
}

// array returns how long the packed bytes of an array are.
func (w *walker) array(node string, element int64) (int64, error) {
	head, err := w.read(12)
	if err != nil {
		return 0, err
	}
	count := int64(binary.LittleEndian.Uint32(head))
	w.unpacked += count * element
	if node == "PolygonVertexIndex" {
		w.corners += count
	}
	if binary.LittleEndian.Uint32(head[4:]) == 0 {
		return count * element, nil
	}
	return int64(binary.LittleEndian.Uint32(head[8:])), nil
}
