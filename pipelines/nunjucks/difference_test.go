package nunjucks

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The documented disagreements (docs/nunjucks.md).
const (
	halfCharacters   = "half characters"
	emptySwitch      = "a switch without a case"
	brokenCode       = "Nunjucks' code breaks"
	lastDigitOfPower = "last digit of **"
)

// class names the documented disagreement that s shows, or is empty.
func (p *nodeProcess) class(t testing.TB, s sample, node, ours verdict) string {
	t.Helper()
	switch {
	case s.used["odd "+brokenCode] && broken(node.Err):
		return brokenCode
	case s.used["operator **"] && node.Out != nil && ours.Out != nil && sameButLastDigits(*node.Out, *ours.Out):
		return lastDigitOfPower
	}
	// A case that never applies changes nothing for us, and so must both agree.
	if cased := s.withCases(); cased.Src != s.Src && cased.ours(t.Context()).agrees(ours) && p.agree(t, cased) {
		return emptySwitch
	}
	// Without characters of two units, both must agree.
	if whole, same := s.withoutPairs(t); !same && p.agree(t, whole) {
		return halfCharacters
	}
	return ""
}

// agree reports whether the engines make the same of s, but for a documented disagreement of its own.
func (p *nodeProcess) agree(t testing.TB, s sample) bool {
	t.Helper()
	require.NoError(t, p.in.Encode(s))
	var node verdict
	require.NoError(t, p.answer(&node))
	ours := s.ours(t.Context())
	return node.agrees(ours) || p.class(t, s, node, ours) != ""
}

// broken reports an error of the JavaScript that Nunjucks made of a template.
func broken(err string) bool {
	return slices.ContainsFunc([]string{"SyntaxError: ", "ReferenceError: ", `unknown block "b`}, func(s string) bool { return strings.Contains(err, s) })
}

// sameButLastDigits reports texts that differ in the last digits of long numbers alone.
func sameButLastDigits(a, b string) bool {
	number := regexp.MustCompile(`\d+(\.\d+)?(e[+-]\d+)?`)
	if number.ReplaceAllString(a, "0") != number.ReplaceAllString(b, "0") {
		return false
	}
	others := number.FindAllString(b, -1)
	for i, n := range number.FindAllString(a, -1) {
		if n != others[i] && !sameButLastDigit(n, others[i]) {
			return false
		}
	}
	return true
}

// sameButLastDigit reports numbers of which one has 15 digits or more, and which are the same in the first 14.
func sameButLastDigit(a, b string) bool {
	const long, precision = 15, 1e-14
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && max(digits(a), digits(b)) >= long && math.Abs(x-y) <= precision*math.Abs(x)
}

// digits is how many a number has before its exponent.
func digits(number string) int {
	number, _, _ = strings.Cut(number, "e")
	return len(strings.ReplaceAll(number, ".", ""))
}

// withCases is s with a case that never applies in every switch that has none.
func (s sample) withCases() sample {
	empty := regexp.MustCompile(`(\{%-?\s*switch(?:[^%]|%[^}])*%\})(\{%-?\s*(?:default|endswitch))`)
	s.Src = empty.ReplaceAllString(s.Src, `$1{% case "nothing has this value" %}$2`)
	return s
}

// withoutPairs is s with every character of two UTF-16 units replaced by one of a single unit, and whether there was none.
func (s sample) withoutPairs(t testing.TB) (whole sample, same bool) {
	t.Helper()
	replace := strings.NewReplacer("𝒳", "Ж", "😀", "☺")
	vars, err := json.Marshal(s.Vars)
	require.NoError(t, err)
	text := replace.Replace(string(vars))
	whole = s
	whole.Src, whole.Vars = replace.Replace(s.Src), nil
	require.NoError(t, json.Unmarshal([]byte(text), &whole.Vars))
	for k, v := range whole.Vars {
		_, order := Plain(s.Vars[k])
		whole.Vars[k] = WithOrder(v, order)
	}
	return whole, whole.Src == s.Src && text == string(vars)
}

func TestOnlyTheLastDigitsOfLongNumbersMayDiffer(t *testing.T) {
	require.True(t, sameButLastDigits("x 1.3161498074973253 y", "x 1.316149807497325 y"))
	require.True(t, sameButLastDigits("[2.4999999999999996]", "[2.5]"))
	for name, pair := range map[string][2]string{
		"short numbers":       {"2.5", "2.4"},
		"other text":          {"a 1.3161498074973253", "b 1.316149807497325"},
		"a digit before last": {"1.3161498074973253", "1.3161498084973253"},
		"one number more":     {"1.3161498074973253", "1.316149807497325 1"},
		"another size":        {"1.3161498074973253e+21", "1.3161498074973253e+22"},
	} {
		require.False(t, sameButLastDigits(pair[0], pair[1]), name)
	}
}
