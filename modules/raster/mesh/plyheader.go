package mesh

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// maxPLYHeader is how long the header of a PLY may be, in bytes.
const maxPLYHeader = 64 << 10

// A plyHeader is what a PLY says of itself.
type plyHeader struct {
	format   string
	elements []plyElement
}

type plyElement struct {
	name       string
	count      int64
	properties []plyProperty
}

type plyProperty struct {
	name        string
	list        bool
	count, kind plyKind // count is of a list's length
}

func (q plyProperty) isCorners() bool { return q.name == "vertex_indices" || q.name == "vertex_index" }

// left are the names of what is not read.
func (e plyElement) left() []string {
	read := []string{"x", "y", "z", "nx", "ny", "nz", "red", "green", "blue"}
	switch e.name {
	case "face":
		read = []string{"vertex_indices", "vertex_index"}
	case "vertex":
	default:
		return []string{e.name}
	}
	var names []string
	for _, q := range e.properties {
		if !slices.Contains(read, q.name) {
			names = append(names, q.name)
		}
	}
	return names
}

func readPLYHeader(br *bufio.Reader) (h plyHeader, err error) {
	for n := 0; ; n++ {
		line, err := br.ReadSlice('\n')
		if n*2+len(line) > maxPLYHeader || errors.Is(err, bufio.ErrBufferFull) {
			return h, malformed("the header of the PLY is longer than %d bytes", maxPLYHeader)
		}
		if errors.Is(err, io.EOF) {
			return h, malformed("the PLY ends in its header")
		}
		if err != nil {
			return h, fmt.Errorf("read PLY: %w", err)
		}
		words := strings.Fields(string(bytes.TrimSpace(line)))
		switch {
		case n == 0 && (len(words) != 1 || words[0] != "ply"):
			return h, malformed("the file is not PLY: it does not begin with \"ply\"")
		case len(words) > 0 && words[0] == "end_header":
			return h, h.check()
		}
		if err := h.line(words); err != nil {
			return h, err
		}
	}
}

func (h *plyHeader) line(words []string) error {
	if len(words) == 0 {
		return nil
	}
	switch {
	case words[0] == "format" && len(words) == 3:
		h.format = words[1]
	case words[0] == "element" && len(words) == 3:
		e := plyElement{name: words[1]}
		if _, err := fmt.Sscan(words[2], &e.count); err != nil || e.count < 0 || e.count >= math.MaxUint32 {
			return malformed("the PLY says that it has %.20q of %s", words[2], e.name)
		}
		h.elements = append(h.elements, e)
	case words[0] == "property" && len(h.elements) > 0 && (len(words) == 3 || len(words) == 5 && words[1] == "list"):
		q := plyProperty{name: words[len(words)-1], list: len(words) == 5, kind: kindOf(words[len(words)-2])}
		if q.list {
			q.count = kindOf(words[2])
		}
		if q.kind == 0 || q.list && (q.count == 0 || q.count.real()) {
			return malformed("property %.40q of the PLY has no known type", q.name)
		}
		e := &h.elements[len(h.elements)-1]
		e.properties = append(e.properties, q)
	case words[0] == "property", words[0] == "element", words[0] == "format":
		return malformed("the line %.80q of the PLY's header can't be read", strings.Join(words, " "))
	}
	return nil
}

func (h *plyHeader) check() error {
	if !slices.Contains([]string{"ascii", "binary_little_endian", "binary_big_endian"}, h.format) {
		return malformed("the PLY is written as %.40q, which is none of ascii, binary_little_endian and binary_big_endian", h.format)
	}
	for _, e := range h.elements {
		if len(e.properties) == 0 && e.count > 0 {
			return malformed("element %.40q of the PLY has no properties", e.name)
		}
	}
	return nil
}
