package job

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// GPUsLabel is how many GPUs a worker has. Where its labels do not say it, the machine does: see GPUs.
const GPUsLabel = "gpus"

// GPUs is how many GPUs the machine itself must have for what is required: 0 where that is none, or where labels say how many
// the worker has.
func GPUs(requires, labels map[string]string) int {
	if _, ok := labels[GPUsLabel]; ok {
		return 0
	}
	n, err := strconv.ParseUint(requires[GPUsLabel], 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// Misfit says why a worker with these labels can't run a job that requires those; empty when it can, but for its GPUs.
func Misfit(requires, labels map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(requires)) {
		has, ok := labels[name]
		switch want := requires[name]; {
		case name == GPUsLabel && (want == "0" || GPUs(requires, labels) > 0):
		case !ok:
			return fmt.Sprintf("the job requires %s=%s, and this worker has no such label", name, want)
		case !satisfies(name, has, want):
			return fmt.Sprintf("the job requires %s=%s, and this worker has %s", name, want, has)
		}
	}
	return ""
}

// satisfies says whether a label's value is what a job wants. Numbers, versions and sizes ("2", "12.4", "16Gi") have to be
// at least as large; text, and every class, has to be equal without regard to case, where "*" stands for any text.
func satisfies(name, has, want string) bool {
	if name == ClassLabel {
		return Matches(has, want)
	}
	if h, w := version(has), version(want); h != nil && w != nil {
		return slices.Compare(h, w) >= 0
	}
	h, isNumber := quantity(has)
	w, wantsNumber := quantity(want)
	if isNumber && wantsNumber {
		return h >= w
	}
	return Matches(has, want)
}

// Matches says whether a label's text is what a job wants: equal without regard to case, where "*" stands for any text.
func Matches(has, want string) bool {
	parts := strings.Split(strings.ToLower(want), "*")
	rest, ok := strings.CutPrefix(strings.ToLower(has), parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[last])
}

// version reads whole numbers with dots between them, so that 12.10 is more than 12.4; nil when s is something else.
func version(s string) (parts []uint64) {
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return nil
		}
		parts = append(parts, n)
	}
	return parts
}

// quantity reads a number, or a size as Kubernetes writes it, or in another case: but m is a thousandth, M a million.
func quantity(s string) (float64, bool) {
	units := map[string]float64{
		"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40,
	}
	digits := strings.TrimRight(s, "KMGTkmgtiI")
	unit := s[len(digits):]
	factor, known := units[strings.ToLower(unit)]
	if unit == "m" {
		factor = 1e-3
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !known || strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	return n * factor, true
}
