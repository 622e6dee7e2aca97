package mesh

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// A Welder gives equal positions one index. It is an open-addressing table: several times as fast as a map, and a third of
// its memory. Its hash is keyed, so that no file can be made to collide.
type Welder struct {
	positions []Vec
	slots     []uint32 // index + 1 into positions, 0 is free; the length is a power of two
	key       [2]uint64
}

// NewWelder makes an empty Welder.
func NewWelder() *Welder {
	return &Welder{slots: make([]uint32, 1024), key: [2]uint64{rand.Uint64(), rand.Uint64()}}
}

// Positions returns the distinct positions so far, in the order of their indices. It stays valid until the next Add.
func (w *Welder) Positions() []Vec { return w.positions }

// Add returns the index of v, counted from 0, and whether v was not there before. v must not hold a NaN; -0 is 0.
func (w *Welder) Add(v Vec) (index uint32, added bool) {
	for k := range v {
		if v[k] == 0 {
			v[k] = 0
		}
	}
	mask := uint64(len(w.slots) - 1)
	at := w.hash(v) & mask
	for ; w.slots[at] != 0; at = (at + 1) & mask {
		if i := w.slots[at] - 1; w.positions[i] == v {
			return i, false
		}
	}
	w.positions = append(w.positions, v)
	w.slots[at] = uint32(len(w.positions))
	if len(w.positions)*2 > len(w.slots) {
		w.grow()
	}
	return uint32(len(w.positions) - 1), true
}

func (w *Welder) grow() {
	slots := make([]uint32, 2*len(w.slots))
	mask := uint64(len(slots) - 1)
	for i, v := range w.positions {
		at := w.hash(v) & mask
		for slots[at] != 0 {
			at = (at + 1) & mask
		}
		slots[at] = uint32(i + 1)
	}
	w.slots = slots
}

func (w *Welder) hash(v Vec) uint64 {
	xy := uint64(math.Float32bits(v[0])) | uint64(math.Float32bits(v[1]))<<32
	hi, lo := bits.Mul64(xy^w.key[0], uint64(math.Float32bits(v[2]))^w.key[1])
	return hi ^ lo
}
