package graph

import (
	"slices"

	"github.com/millrace/millrace/pipelines"
)

// maxReduced is for how many tasks the arrows that follow from others are looked for: it takes their square in bits.
const maxReduced = 10_000

// reduce returns what each task waits for, without what one of the others waits for anyway.
func reduce(list []pipelines.Task) [][]int {
	after := make([][]int, len(list))
	for i, t := range list {
		after[i] = t.After
	}
	if len(list) > maxReduced || !slices.ContainsFunc(after, func(a []int) bool { return len(a) > 1 }) {
		return after
	}
	before := make([]bits, len(list)) // all that must have ended
	out := make([][]int, len(list))
	for _, i := range inOrder(after) {
		set := newBits(len(list))
		for _, p := range after[i] {
			set.addAll(before[p])
		}
		for _, p := range after[i] {
			if !set.has(p) {
				out[i] = append(out[i], p)
			}
		}
		for _, p := range after[i] {
			set.add(p)
		}
		before[i] = set
	}
	return out
}

// inOrder returns the tasks so that each comes behind those it waits for; of those that are free the first first.
// Tasks in a circle, which no parsed document has, come last.
func inOrder(after [][]int) []int {
	waits := make([]int, len(after))
	followers := make([][]int, len(after))
	var order []int
	for i, preds := range after {
		waits[i] = len(preds)
		for _, p := range preds {
			followers[p] = append(followers[p], i)
		}
		if len(preds) == 0 {
			order = append(order, i)
		}
	}
	for at := 0; at < len(order); at++ {
		for _, f := range followers[order[at]] {
			if waits[f]--; waits[f] == 0 {
				order = append(order, f)
			}
		}
	}
	for i, n := range waits {
		if n > 0 {
			order = append(order, i)
		}
	}
	return order
}

// bits is a set of small numbers.
type bits []uint64

func newBits(n int) bits      { return make(bits, (n+63)/64) }
func (b bits) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b bits) addAll(others bits) { // others may be empty
	for i, w := range others {
		b[i] |= w
	}
}
