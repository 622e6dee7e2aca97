package threejs

import "encoding/binary"

// roomFile is a room in a form that packs well: of each face and level the differences of the three colours' halves from those to
// their left, colour by colour, the low bytes of all and then the high ones.
const roomFile = "room.bin"

// roomSides are the texels of a side of the levels.
var roomSides = [...]int{256, 128, 64, 32, 16, 8}

const (
	dropped = 2      // bits of a half that are not kept
	opaque  = 0x3c00 // 1 as a half
)

// delta packs the RGBA halves of a room.
func delta(room []byte) []byte {
	n := len(room) / 8 * 3
	packed, i := make([]byte, 2*n), 0
	eachLine(func(side int, at int) {
		for colour := range 3 {
			var left uint16
			for x := range side {
				half := (binary.LittleEndian.Uint16(room[8*(at+x)+2*colour:]) + 1<<dropped/2) >> dropped
				packed[i], packed[n+i] = byte(half-left), byte((half-left)>>8)
				left, i = half, i+1
			}
		}
	})
	return packed
}

// undelta is what delta has packed.
func undelta(packed []byte) []byte {
	n := len(packed) / 2
	room, i := make([]byte, n/3*8), 0
	eachLine(func(side int, at int) {
		for colour := range 3 {
			var half uint16
			for x := range side {
				half += uint16(packed[i]) | uint16(packed[n+i])<<8
				binary.LittleEndian.PutUint16(room[8*(at+x)+2*colour:], half<<dropped)
				binary.LittleEndian.PutUint16(room[8*(at+x)+6:], opaque)
				i++
			}
		}
	})
	return room
}

// eachLine calls f for every line of texels, with how many it has and the number of the first.
func eachLine(f func(side, at int)) {
	at := 0
	for range 6 {
		for _, side := range roomSides {
			for range side {
				f(side, at)
				at += side
			}
		}
	}
}
