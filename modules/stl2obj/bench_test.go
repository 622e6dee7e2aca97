package stl2obj_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/stl2obj"
)

// BenchmarkConvert reports triangles per second of a closed, curved surface whose coordinates have no short decimal form.
func BenchmarkConvert(b *testing.B) {
	const side = 708 // 2 × 708² is 1,002,528 triangles
	triangles := torus(side, side)
	for _, form := range []struct {
		name string
		stl  []byte
	}{
		{"binary", binarySTL("bench", triangles)},
		{"ascii", asciiSTL("bench", triangles[:len(triangles)/4])},
	} {
		b.Run(form.name, func(b *testing.B) {
			b.SetBytes(int64(len(form.stl)))
			b.ReportAllocs()
			var done int64
			for b.Loop() {
				counts, err := stl2obj.Convert(b.Context(), io.Discard, bytes.NewReader(form.stl))
				require.NoError(b, err)
				done += counts.Triangles
			}
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "triangles/s")
		})
	}
}

type triangle [3][3]float32

// torus makes 2·n·m triangles that close.
func torus(n, m int) []triangle {
	at := func(i, j int) [3]float32 {
		s1, c1 := math.Sincos(2 * math.Pi * float64(i%n) / float64(n))
		s2, c2 := math.Sincos(2 * math.Pi * float64(j%m) / float64(m))
		r := 40 + 13*c2
		return [3]float32{float32(r * c1), float32(r * s1), float32(13 * s2)}
	}
	ts := make([]triangle, 0, 2*n*m)
	for i := range n {
		for j := range m {
			a, b, c, d := at(i, j), at(i+1, j), at(i+1, j+1), at(i, j+1)
			ts = append(ts, triangle{a, b, c}, triangle{a, c, d})
		}
	}
	return ts
}

func binarySTL(header string, ts []triangle) []byte {
	b := make([]byte, 84, 84+50*len(ts))
	copy(b[:80], header)
	binary.LittleEndian.PutUint32(b[80:], uint32(len(ts)))
	for _, t := range ts {
		b = append(b, make([]byte, 12)...)
		for _, v := range t {
			for _, x := range v {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
			}
		}
		b = append(b, 0, 0)
	}
	return b
}

func asciiSTL(name string, ts []triangle) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "solid %s\n", name)
	for _, t := range ts {
		b.WriteString("  facet normal 0 0 0\n    outer loop\n")
		for _, v := range t {
			fmt.Fprintf(&b, "      vertex %.8e %.8e %.8e\n", v[0], v[1], v[2])
		}
		b.WriteString("    endloop\n  endfacet\n")
	}
	fmt.Fprintf(&b, "endsolid %s\n", name)
	return b.Bytes()
}
