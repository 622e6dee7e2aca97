package modules

import "strings"

// Closest returns the entry of list that word is most likely a slip for; empty when none is near.
// A third of the letters may differ, at least one, but never all; swapped neighbours count once, case not at all.
// Nothing is near a word of more than 64 bytes, or in a list of more than 1000: those are hostile, and comparing costs
// length squared, each.
func Closest(word string, list []string) string {
	const longest, most = 64, 1000
	if len(word) > longest || len(list) > most {
		return ""
	}
	letters := len([]rune(word))
	best, limit := "", min(letters-1, max(1, letters/3))
	for _, candidate := range list {
		d := distance(strings.ToLower(word), strings.ToLower(candidate))
		if d < limit || d == limit && best == "" {
			best, limit = candidate, d
		}
	}
	return best
}

// distance is the least number of letters to add, drop, change or swap with a neighbour.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, row := make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := range s {
		next := make([]int, len(t)+1)
		next[0] = i + 1
		for j := range t {
			change := row[j]
			if s[i] != t[j] {
				change++
			}
			next[j+1] = min(change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(t)]
}
