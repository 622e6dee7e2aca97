package nunjucks

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// formatNumber is String(f): the shortest text that reads back as f, without an exponent up to 1e21.
func formatNumber(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		return "0"
	}
	if a := math.Abs(f); a < 1e21 && a >= 1e-6 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}

// formatFixed is f.toFixed(digits), exact: halves of the binary value go up.
func formatFixed(f float64, digits int) string {
	if math.IsNaN(f) || math.IsInf(f, 0) || math.Abs(f) >= 1e21 {
		return formatNumber(f)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	r := new(big.Rat).SetFloat64(math.Abs(f))
	r.Mul(r, new(big.Rat).SetInt(scale))
	r.Add(r, big.NewRat(1, 2))
	text := new(big.Int).Quo(r.Num(), r.Denom()).String()
	if missing := digits + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	if digits > 0 {
		point := len(text) - digits
		text = text[:point] + "." + text[point:]
	}
	if f < 0 {
		return "-" + text
	}
	return text
}

// formatPrecision is f.toPrecision(digits), with 1 to 100 digits.
func formatPrecision(f float64, digits int) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return formatNumber(f)
	}
	if f == 0 {
		f = 0 // without a sign
	}
	if next := math.Nextafter(f, math.Copysign(math.Inf(1), f)); isTie(f, digits) {
		f = next // halves go away from zero
	}
	scientific := strconv.FormatFloat(f, 'e', digits-1, 64)
	mantissa, exponent, _ := strings.Cut(scientific, "e")
	e, _ := strconv.Atoi(exponent)
	if e >= -6 && e < digits {
		return strconv.FormatFloat(f, 'f', digits-1-e, 64)
	}
	return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}

// isTie reports whether f lies in the middle between two numbers of so many digits.
func isTie(f float64, digits int) bool {
	exact := strconv.FormatFloat(math.Abs(f), 'e', 800, 64)
	exact, _, _ = strings.Cut(strings.Replace(exact, ".", "", 1), "e")
	return strings.TrimRight(exact[digits:], "0") == "5"
}

const digits36 = "0123456789abcdefghijklmnopqrstuvwxyz"

// formatBase is f.toString(base), with base 2 to 36: of a fraction as many digits as tell f from its neighbours.
func formatBase(f float64, base int) string {
	if base == 10 || math.IsNaN(f) || math.IsInf(f, 0) {
		return formatNumber(f)
	}
	sign := ""
	if f < 0 {
		sign, f = "-", -f
	}
	whole, fraction := math.Modf(f)
	digits, carry := fractionDigits(fraction, max((math.Nextafter(f, math.Inf(1))-f)/2, math.SmallestNonzeroFloat64), base)
	if carry {
		whole++
	}
	if digits != "" {
		digits = "." + digits
	}
	return sign + wholeDigits(whole, base) + digits
}

// fractionDigits writes a fraction to within delta; carry says that it came out as 1.
func fractionDigits(fraction, delta float64, base int) (text string, carry bool) {
	var digits []int
	for fraction >= delta {
		fraction *= float64(base)
		delta *= float64(base)
		digit := int(fraction)
		digits = append(digits, digit)
		fraction -= float64(digit)
		up := fraction > 0.5 || fraction == 0.5 && digit%2 == 1
		if !up || fraction+delta <= 1 {
			continue
		}
		for len(digits) > 0 && digits[len(digits)-1]+1 == base {
			digits = digits[:len(digits)-1]
		}
		if len(digits) == 0 {
			return "", true
		}
		digits[len(digits)-1]++
		break
	}
	var b strings.Builder
	for _, d := range digits {
		b.WriteByte(digits36[d])
	}
	return b.String(), false
}

// wholeDigits writes a whole number; digits beyond a float's precision are 0.
func wholeDigits(whole float64, base int) string {
	zeros := 0
	for ; whole >= 1<<53; whole /= float64(base) {
		zeros++
	}
	return strconv.FormatInt(int64(whole), base) + strings.Repeat("0", zeros)
}

// parseNumber is Number(text): the whole text, or NaN. Blank is 0.
func parseNumber(text string) float64 {
	text = strings.Trim(text, jsSpace)
	if text == "" {
		return 0
	}
	if len(text) > 2 && text[0] == '0' && strings.IndexByte("xXoObB", text[1]) >= 0 {
		return parseBased(text)
	}
	switch text {
	case "Infinity", "+Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	if strings.ContainsAny(text, "xX_pPiInN") {
		return math.NaN() // Go's spellings, not JavaScript's
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) {
		return math.NaN()
	}
	return f
}

func parseBased(text string) float64 {
	if strings.ContainsRune(text, '_') {
		return math.NaN()
	}
	n, err := strconv.ParseUint(strings.ToLower(text), 0, 64)
	if err != nil {
		return math.NaN()
	}
	return float64(n)
}

// parseLeadingInt is parseInt(text, base): as many digits as there are, or NaN. Base 0 is 10, or 16 after 0x.
func parseLeadingInt(text string, base int) float64 {
	text = strings.Trim(text, jsSpace)
	sign := 1.0
	if text != "" && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	if (base == 16 || base == 0) && (strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0X")) {
		text, base = text[2:], 16
	}
	if base == 0 {
		base = 10
	}
	if base < 2 || base > 36 {
		return math.NaN()
	}
	n, digits := 0.0, 0
	for _, c := range []byte(text) {
		d := digitValue(c)
		if d >= base {
			break
		}
		n = n*float64(base) + float64(d)
		digits++
	}
	if digits == 0 {
		return math.NaN()
	}
	return sign * n
}

// digitValue is 0 to 35, or more for what is no digit.
func digitValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'z':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'Z':
		return int(c-'A') + 10
	}
	return 99
}

// power is base ** exponent, which JavaScript leaves undecided where Go says 1.
func power(base, exponent float64) float64 {
	if math.IsNaN(exponent) || math.IsInf(exponent, 0) && math.Abs(base) == 1 {
		return math.NaN()
	}
	if n := int(exponent); float64(n) == exponent && n > -1100 && n < 1100 && !math.IsInf(base, 0) && !math.IsNaN(base) && base != 0 {
		return wholePower(base, n)
	}
	return math.Pow(base, exponent)
}

// wholePower is base ** n to the last digit, which math.Pow misses.
func wholePower(base float64, n int) float64 {
	result, square := newBig(1), newBig(base)
	for m := max(n, -n); m > 0; m >>= 1 {
		if m&1 == 1 {
			result.Mul(result, square)
		}
		square.Mul(square, square)
	}
	if n < 0 {
		result.Quo(newBig(1), result)
	}
	f, _ := result.Float64()
	return f
}

func newBig(f float64) *big.Float { return new(big.Float).SetPrec(256).SetFloat64(f) }
