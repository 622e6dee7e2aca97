package mesh

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
	"strconv"
)

// A plyKind is a type of a value; 0 is none.
type plyKind int

const (
	plyInt8 plyKind = iota + 1
	plyUint8
	plyInt16
	plyUint16
	plyInt32
	plyUint32
	plyFloat32
	plyFloat64
)

func kindOf(name string) plyKind {
	switch name {
	case "char", "int8":
		return plyInt8
	case "uchar", "uint8":
		return plyUint8
	case "short", "int16":
		return plyInt16
	case "ushort", "uint16":
		return plyUint16
	case "int", "int32":
		return plyInt32
	case "uint", "uint32":
		return plyUint32
	case "float", "float32":
		return plyFloat32
	case "double", "float64":
		return plyFloat64
	}
	return 0
}

func (k plyKind) real() bool { return k >= plyFloat32 }

// size is how many bytes a value has.
func (k plyKind) size() int {
	switch k {
	case plyInt8, plyUint8:
		return 1
	case plyInt16, plyUint16:
		return 2
	case plyFloat64:
		return 8
	}
	return 4
}

// most is what stands for 1 in a colour.
func (k plyKind) most() float64 {
	bits := 8 * k.size()
	if k == plyInt8 || k == plyInt16 || k == plyInt32 {
		bits--
	}
	return math.Exp2(float64(bits)) - 1
}

// values reads what follows the header.
func (h *plyHeader) values(br *bufio.Reader) plyValues {
	switch h.format {
	case "ascii":
		return &plyText{newWords(br)}
	case "binary_big_endian":
		return &plyBinary{in: br, order: binary.BigEndian}
	}
	return &plyBinary{in: br, order: binary.LittleEndian}
}

type plyText struct{ words *words }

func (t *plyText) value(plyKind) (float64, error) {
	word := t.words.next()
	if word == nil {
		return 0, t.words.err
	}
	v, err := strconv.ParseFloat(string(word), 64)
	if err != nil {
		return 0, malformed("the word %.40q of the PLY is no number", word)
	}
	return v, nil
}

type plyBinary struct {
	in    io.Reader
	order binary.ByteOrder
	buf   [8]byte
}

func (b *plyBinary) value(kind plyKind) (float64, error) {
	raw := b.buf[:kind.size()]
	if _, err := io.ReadFull(b.in, raw); err != nil {
		return 0, err
	}
	switch kind {
	case plyInt8:
		return float64(int8(raw[0])), nil
	case plyUint8:
		return float64(raw[0]), nil
	case plyInt16:
		return float64(int16(b.order.Uint16(raw))), nil
	case plyUint16:
		return float64(b.order.Uint16(raw)), nil
	case plyInt32:
		return float64(int32(b.order.Uint32(raw))), nil
	case plyUint32:
		return float64(b.order.Uint32(raw)), nil
	case plyFloat32:
		return float64(math.Float32frombits(b.order.Uint32(raw))), nil
	}
	return math.Float64frombits(b.order.Uint64(raw)), nil
}
