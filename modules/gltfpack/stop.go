package gltfpack

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// stopAt is the address of a byte that ends the program where it is not zero. It is below all that the program has there: its
// linker puts nothing at address 0.
const stopAt = 0

// stoppable returns the program with a look at stopAt at the head of every loop, so that no loop goes on after it was told to stop.
// wazero's own way (WithCloseOnContextDone) leaves the compiled code at every turn of a loop, which takes 15 times as long.
func stoppable(wasm []byte) ([]byte, error) {
	const header, codeSection = 8, 10
	if len(wasm) < header {
		return nil, errCode
	}
	out := append([]byte{}, wasm[:header]...)
	for c := (cursor{wasm[header:]}); len(c.rest) > 0; {
		id := c.byte()
		body, ok := c.take(c.uint())
		if !ok {
			return nil, errCode
		}
		if id == codeSection {
			var err error
			if body, err = guard(body); err != nil {
				return nil, err
			}
		}
		out = append(binary.AppendUvarint(append(out, id), uint64(len(body))), body...)
	}
	return out, nil
}

var errCode = errors.New("it is no WebAssembly that is understood here")

// guard puts the look into every function of a code section.
func guard(section []byte) ([]byte, error) {
	c := cursor{section}
	n := c.uint()
	out := binary.AppendUvarint(nil, n)
	for range n {
		body, ok := c.take(c.uint())
		if !ok {
			return nil, errCode
		}
		body, err := guardFunction(body)
		if err != nil {
			return nil, err
		}
		out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	}
	return out, nil
}

// look is: i32.const stopAt, i32.load8_u, if, unreachable, end.
const look = "\x41\x00\x2d\x00\x00\x04\x40\x00\x0b"

func guardFunction(body []byte) ([]byte, error) {
	const loop = 0x03
	c := cursor{body}
	for range c.uint() { // kinds of locals
		c.uint()
		c.byte()
	}
	var out []byte
	from := 0
	for len(c.rest) > 0 {
		op := c.byte()
		if err := c.skip(op); err != nil {
			return nil, err
		}
		if op == loop {
			at := len(body) - len(c.rest)
			out = append(append(out, body[from:at]...), look...)
			from = at
		}
	}
	return append(out, body[from:]...), nil
}

// A cursor reads WebAssembly. Beyond the end it reads zeros, and take fails.
type cursor struct{ rest []byte }

func (c *cursor) byte() byte {
	if len(c.rest) == 0 {
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

// uint reads a LEB128 number. Read as unsigned, a signed one has another value and the same length.
func (c *cursor) uint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.rest = nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) take(n uint64) ([]byte, bool) {
	if n > uint64(len(c.rest)) {
		return nil, false
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b, true
}

// skip reads what follows an instruction's first byte.
func (c *cursor) skip(op byte) error {
	numbers, bytes := 0, uint64(0) // that follow
	switch {
	case op >= 0x02 && op <= 0x04, op == 0x0c, op == 0x0d, op == 0x10, op >= 0x20 && op <= 0x26, op >= 0x3f && op <= 0x42, op == 0xd0, op == 0xd2:
		numbers = 1 // a type, a label, an index, a constant
	case op == 0x11, op >= 0x28 && op <= 0x3e:
		numbers = 2 // call_indirect; an access to memory
	case op == 0x0e: // br_table
		numbers = int(min(c.uint(), uint64(len(c.rest)))) + 1
	case op == 0x1c: // select with types
		bytes = c.uint()
	case op == 0x43:
		bytes = 4
	case op == 0x44:
		bytes = 8
	case op == 0xfc:
		numbers = bulk(c.uint())
	case op == 0xfd:
		numbers, bytes = vector(c.uint())
	case op <= 0x01, op == 0x05, op == 0x0b, op == 0x0f, op == 0x1a, op == 0x1b, op >= 0x45 && op <= 0xc4, op == 0xd1:
	default:
		return fmt.Errorf("%w: instruction %#x", errCode, op)
	}
	for range numbers {
		c.uint()
	}
	if _, ok := c.take(bytes); !ok {
		return errCode
	}
	return nil
}

// bulk is how many numbers follow an instruction on memories and tables.
func bulk(op uint64) (numbers int) {
	switch op {
	case 8, 10, 12, 14: // init and copy
		return 2
	case 9, 11, 13, 15, 16, 17:
		return 1
	}
	return 0 // conversions
}

// vector is what follows an instruction on vectors.
func vector(op uint64) (numbers int, bytes uint64) {
	switch {
	case op <= 11, op == 92, op == 93: // an access to memory
		return 2, 0
	case op == 12, op == 13: // a constant, a shuffle
		return 0, 16
	case op >= 21 && op <= 34: // a lane
		return 0, 1
	case op >= 84 && op <= 91: // an access to memory, and a lane
		return 2, 1
	}
	return 0, 0
}
