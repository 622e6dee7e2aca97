package graph

import (
	"cmp"
	"slices"
)

// sweeps is how often the rows are gone through; after so many without fewer crossings it ends.
const (
	sweeps   = 16
	fruitful = 4
)

// untangle orders the cells of each row so that few lines cross: each below, then above, the middle of what it is joined
// to, by turns.
func (l *layout) untangle() {
	best, fewest := l.ranks(), l.crossings()
	for i, vain := 0, 0; i < sweeps && fewest > 0 && vain < fruitful; i++ {
		l.sweep(i%2 == 0)
		if n := l.crossings(); n < fewest {
			best, fewest, vain = l.ranks(), n, 0
			continue
		}
		vain++
	}
	l.restore(best)
}

// sweep orders each row by the one above it, from the top, or by the one below, from the bottom.
func (l *layout) sweep(downwards bool) {
	for i := range l.rows {
		row := l.rows[i]
		if !downwards {
			row = l.rows[len(l.rows)-1-i]
		}
		for _, c := range row {
			near := c.up
			if !downwards {
				near = c.down
			}
			c.barycentre = float64(c.rank)
			if len(near) > 0 {
				sum := 0
				for _, n := range near {
					sum += n.rank
				}
				c.barycentre = float64(sum) / float64(len(near))
			}
		}
		slices.SortStableFunc(row, func(a, b *cell) int { return cmp.Compare(a.barycentre, b.barycentre) })
		for rank, c := range row {
			c.rank = rank
		}
	}
}

func (l *layout) ranks() [][]*cell {
	out := make([][]*cell, len(l.rows))
	for i, row := range l.rows {
		out[i] = slices.Clone(row)
	}
	return out
}

func (l *layout) restore(rows [][]*cell) {
	l.rows = rows
	for _, row := range rows {
		for rank, c := range row {
			c.rank = rank
		}
	}
}

// crossings counts the pairs of lines that cross: of the lower ends in the order of the upper ones, the inversions.
func (l *layout) crossings() int {
	n := 0
	var ends []int
	for i := 0; i+1 < len(l.rows); i++ {
		ends = ends[:0]
		for _, c := range l.rows[i] {
			from := len(ends)
			for _, d := range c.down {
				ends = append(ends, d.rank)
			}
			slices.Sort(ends[from:])
		}
		n += inversions(ends, len(l.rows[i+1]))
	}
	return n
}

// inversions counts the pairs of list, which holds numbers below limit, that stand in falling order.
func inversions(list []int, limit int) int {
	tree := make([]int, limit+1) // a Fenwick tree: how many of each number were seen
	n := 0
	for seen, v := range list {
		n += seen
		for i := v + 1; i > 0; i -= i & -i {
			n -= tree[i]
		}
		for i := v + 1; i <= limit; i += i & -i {
			tree[i]++
		}
	}
	return n
}
