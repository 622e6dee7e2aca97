package mesh

import (
	"encoding/binary"
	"math"
	"strconv"
)

// parseFloat reads a decimal number; one that is out of range becomes infinite.
func parseFloat(word []byte) (float32, error) {
	if x, ok := shortFloat(word); ok {
		return x, nil
	}
	x, err := strconv.ParseFloat(string(word), 32)
	if err != nil && !math.IsInf(x, 0) {
		return 0, err
	}
	return float32(x), nil
}

// Digits and powers of ten that a float64 holds without rounding.
const (
	exactDigits = 15
	exactPower  = 22
)

// shortFloat reads a number of up to 15 digits, as nearly all are, a few times as fast as strconv, and to the same bits: digits and
// power of ten are exact, so that their quotient is rounded once; ok is false for every other, and where rounding that to 32 bits
// could go the wrong way.
func shortFloat(word []byte) (x float32, ok bool) {
	i, negative := 0, false
	if len(word) > 0 && (word[0] == '-' || word[0] == '+') {
		negative = word[0] == '-'
		i++
	}
	var mantissa uint64
	first := i
	for ; i < len(word) && word[i]-'0' <= 9; i++ {
		mantissa = 10*mantissa + uint64(word[i]-'0')
	}
	digits, power := i-first, 0
	if i < len(word) && word[i] == '.' {
		i++
		first = i
		if eight, ok := eightDigits(word[i:]); ok {
			mantissa = 1e8*mantissa + eight
			i += 8
		}
		for ; i < len(word) && word[i]-'0' <= 9; i++ {
			mantissa = 10*mantissa + uint64(word[i]-'0')
		}
		power = first - i
		digits -= power
	}
	if digits == 0 || digits > exactDigits {
		return 0, false
	}
	if i < len(word) {
		e, there := shortExponent(word[i:])
		if !there {
			return 0, false
		}
		power += e
	}
	d := float64(mantissa)
	switch {
	case power < -exactPower || power > exactPower:
		return 0, false
	case power < 0:
		d /= powers[-power]
	default:
		d *= powers[power]
	}
	const half, below = 1 << 28, 1<<29 - 1 // of the bits that 32 bits have no room for
	if mantissa != 0 && (d < 1e-37 || d > 1e38 || math.Float64bits(d)&below == half) {
		return 0, false
	}
	if negative {
		d = -d
	}
	return float32(d), true
}

// eightDigits reads the number that the first eight bytes are, all at once; ok is false where they are not all digits, or fewer.
func eightDigits(word []byte) (n uint64, ok bool) {
	if len(word) < 8 {
		return 0, false
	}
	const ones = 0x0101010101010101
	v := binary.LittleEndian.Uint64(word)
	if v&(0xf0*ones)|(v+6*ones)&(0xf0*ones)>>4 != 0x33*ones {
		return 0, false
	}
	v -= '0' * ones
	v = 10*v + v>>8 // pairs, in every other byte
	const pairs = 0x000000ff000000ff
	return ((v&pairs)*(100+1_000_000<<32) + (v>>16&pairs)*(1+10_000<<32)) >> 32, true
}

// shortExponent reads e or E, a sign, and one or two digits.
func shortExponent(word []byte) (e int, ok bool) {
	if word[0]|0x20 != 'e' {
		return 0, false
	}
	word = word[1:]
	negative := false
	if len(word) > 0 && (word[0] == '-' || word[0] == '+') {
		negative, word = word[0] == '-', word[1:]
	}
	if len(word) == 0 || len(word) > 2 {
		return 0, false
	}
	for _, c := range word {
		if c < '0' || c > '9' {
			return 0, false
		}
		e = 10*e + int(c-'0')
	}
	if negative {
		e = -e
	}
	return e, true
}

// powers are those of ten, all exact.
var powers = [exactPower + 1]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}
