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
	if f < 0 && strings.Trim(text, "0.") != "" {
		return "-" + text
	}
	return text
}

// formatPrecision is f.toPrecision(digits), with 1 to 100 digits.
func formatPrecision(f float64, digits int) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return formatNumber(f)
	}
	scientific := strconv.FormatFloat(f, 'e', digits-1, 64)
	mantissa, exponent, _ := strings.Cut(scientific, "e")
	e, _ := strconv.Atoi(exponent)
	if e >= -6 && e < digits {
		return strconv.FormatFloat(f, 'f', digits-1-e, 64)
	}
	return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}

// formatBase is f.toString(base) of a whole number, with base 2 to 36.
func formatBase(f float64, base int) string {
	i, _ := big.NewFloat(f).Int(nil)
	return i.Text(base)
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
	return math.Pow(base, exponent)
}
