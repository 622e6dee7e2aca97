package bucket

import (
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"sync"
)

// A Sum is a checksum of a whole object, as a service keeps it. The zero Sum is none.
type Sum struct {
	Kind  SumKind
	Value uint64
}

// SumKind is which checksum it is. All can be put together of those of an object's parts.
type SumKind string

const (
	CRC32     SumKind = "CRC32"
	CRC32C    SumKind = "CRC32C"
	CRC64NVME SumKind = "CRC64NVME"
)

// Polynomials as hash/crc32 and hash/crc64 have them, the highest power in the lowest bit. That of CRC64NVME is AWS's
// (Amazon S3, "Checking object integrity"), 0xad93d23594c93659 reflected.
const polyNVME = 0x9a6c9329ac4bc9b5

var (
	tableC    = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })
	tableNVME = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(polyNVME) })
)

// newHash counts a checksum of this kind; nil for none.
func (k SumKind) newHash() hash.Hash {
	switch k {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(tableC())
	case CRC64NVME:
		return crc64.New(tableNVME())
	}
	return nil
}

func (k SumKind) field() field {
	switch k {
	case CRC32:
		return field{32, crc32.IEEE}
	case CRC32C:
		return field{32, crc32.Castagnoli}
	}
	return field{64, polyNVME}
}

// join is the checksum of two pieces that follow each other; the second is size bytes long.
func (k SumKind) join(first, second uint64, size int64) uint64 {
	f := k.field()
	return f.times(first, f.power(8*uint64(size))) ^ second
}

func (s Sum) String() string { return fmt.Sprintf("%s %0*x", s.Kind, s.Kind.field().bits/4, s.Value) }

// valueOf is what a hash of newHash has counted.
func valueOf(h hash.Hash) (v uint64) {
	for _, b := range h.Sum(nil) {
		v = v<<8 | uint64(b)
	}
	return v
}

// A field is polynomials over two elements modulo that of a checksum. Its elements have x⁰ in the highest bit.
type field struct {
	bits int
	poly uint64
}

func (f field) times(a, b uint64) (product uint64) {
	for bit := uint64(1) << (f.bits - 1); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= f.poly
		}
	}
	return product
}

// power is xⁿ.
func (f field) power(n uint64) uint64 {
	result, square := uint64(1)<<(f.bits-1), uint64(1)<<(f.bits-2)
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			result = f.times(result, square)
		}
		square = f.times(square, square)
	}
	return result
}
