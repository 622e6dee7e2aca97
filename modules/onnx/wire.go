package onnx

import (
	"encoding/binary"
	"errors"
)

// The wire types of Protocol Buffers that ONNX has. Groups, the other two, it has not.
const (
	varint  = 0
	fixed64 = 1
	bytesOf = 2
	fixed32 = 5
)

var errWire = errors.New("it is no ONNX file, or one that is cut off")

// A field is one of a message: number, for varint its value, for bytesOf what it holds.
type field struct {
	num   uint64
	wire  uint64
	value uint64
	data  []byte
}

// next splits the first field off a message.
func next(b []byte) (f field, rest []byte, err error) {
	key, n := binary.Uvarint(b)
	if n <= 0 || key>>3 == 0 {
		return f, nil, errWire
	}
	f.num, f.wire, b = key>>3, key&7, b[n:]
	size := uint64(0)
	switch f.wire {
	case varint:
		if f.value, n = binary.Uvarint(b); n <= 0 {
			return f, nil, errWire
		}
		return f, b[n:], nil
	case fixed64:
		size = 8
	case fixed32:
		size = 4
	case bytesOf:
		if size, n = binary.Uvarint(b); n <= 0 {
			return f, nil, errWire
		}
		b = b[n:]
	default:
		return f, nil, errWire
	}
	if size > uint64(len(b)) {
		return f, nil, errWire
	}
	f.data = b[:size]
	return f, b[size:], nil
}

// each calls take for every field of a message.
func each(b []byte, take func(field) error) error {
	for len(b) > 0 {
		f, rest, err := next(b)
		if err != nil {
			return err
		}
		if err := take(f); err != nil {
			return err
		}
		b = rest
	}
	return nil
}
