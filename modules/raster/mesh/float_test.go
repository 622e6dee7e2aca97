package mesh

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestANumberIsReadToTheBitsThatStrconvReads(t *testing.T) {
	t.Parallel()
	short := 0
	check := func(text string) {
		want, err := strconv.ParseFloat(text, 32)
		got, ok := shortFloat([]byte(text))
		if ok {
			short++
			require.NoError(t, err, text)
			require.Equal(t, math.Float32bits(float32(want)), math.Float32bits(got), text)
		}
	}
	for _, text := range []string{
		"", "-", ".", "+.", "e5", "1e", "1e+", "1e123", "1..2", "1.2.3", "1.2345:789", "1.234/5678", "1.23456789:", "12345678.87654321", "0x10", "1_0", "inf", "nan", "-0", "0e99", "16777217", "16777219", "-16777217e0",
		"1.000000059604645", "1.00000017881393", "3.4028235e38", "3.5e38", "1e-45", "1.17549435e-38", "000000000000000000001", "1e-22", "5.", ".5", "+.5E-02",
	} {
		check(text)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		f := math.Float32frombits(r.Uint32())
		next := math.Nextafter32(f, f+1)
		middle := (float64(f) + float64(next)) / 2 // where rounding is a matter of one digit
		for _, format := range []byte{'e', 'f', 'g'} {
			check(strconv.FormatFloat(float64(f), format, -1, 32))
			check(strconv.FormatFloat(middle, format, r.IntN(16), 64))
		}
		check(fmt.Sprintf("%.*f", r.IntN(10), r.NormFloat64()*100))
	}
	require.Greater(t, short, 100_000)
}
