package graph

import "math"

// passes is how often the cells of a band are moved towards those that they are joined to.
const passes = 24

// align gives the cells of a band their x: near those they are joined to, lines straight where they can be, and
// nothing nearer to its neighbour than boxGap.
func (l *layout) align(band [2]int) {
	rows := l.rows[band[0]:band[1]]
	for _, row := range rows {
		x := 0.0
		for i, c := range row {
			if i > 0 {
				x += apart(row[i-1], c)
			}
			c.x = x
		}
		for _, c := range row {
			c.x -= x / 2
		}
	}
	inside := func(c *cell) bool { return c.row >= band[0] && c.row < band[1] }
	for pass := range passes {
		for i := range rows {
			row := rows[i]
			up, down := true, pass >= passes-4
			if pass%2 == 1 {
				row = rows[len(rows)-1-i]
				up, down = down, true
			}
			straight := 8.0
			if len(row) > 2*fewBoxes {
				straight = 1e5 // or its many boxes would push the lines aside, each row a little further
			}
			settle(row, func(c *cell) (x, weight float64) { return pull(c, up, down, straight, inside) })
		}
	}
	for _, row := range rows {
		for i, c := range row[1:] {
			c.left, row[i].right = row[i], c
		}
	}
	for _, row := range rows {
		for _, c := range row {
			straighten(c, inside)
		}
	}
	left := math.Inf(1)
	for _, row := range rows {
		for _, c := range row {
			left = min(left, c.x-c.width/2)
		}
	}
	for _, row := range rows {
		for _, c := range row {
			c.x = math.Round(c.x - left)
		}
	}
}

// straighten gives the points of a line, from its first on, one x, where their neighbours leave room for it.
func straighten(c *cell, inside func(*cell) bool) {
	point := func(c *cell) bool { return c.task < 0 && inside(c) }
	if !point(c) || len(c.up) == 1 && point(c.up[0]) {
		return
	}
	line, least, most := []*cell{}, math.Inf(-1), math.Inf(1)
	sum := 0.0
	for next := c; ; next = next.down[0] {
		line = append(line, next)
		sum += next.x
		if next.left != nil {
			least = max(least, next.left.x+apart(next.left, next))
		}
		if next.right != nil {
			most = min(most, next.right.x-apart(next, next.right))
		}
		if len(next.down) != 1 || !point(next.down[0]) {
			break
		}
	}
	if least > most {
		return
	}
	x := max(least, min(most, sum/float64(len(line))))
	for _, p := range line {
		p.x = x
	}
}

// apart is how far the middles of two neighbours must be from each other.
func apart(a, b *cell) float64 {
	gap := float64(boxGap)
	if a.task < 0 && b.task < 0 {
		gap = pointGap
	}
	return (a.width+b.width)/2 + gap
}

// pull is where a cell's lines want it, and how much: a line that passes a row wants to be straight more than a box
// wants to stand in the middle.
func pull(c *cell, up, down bool, straight float64, inside func(*cell) bool) (x, weight float64) {
	add := func(near []*cell) {
		for _, n := range near {
			if !inside(n) {
				continue
			}
			w := 1.0
			switch {
			case n.task < 0 && c.task < 0:
				w = straight
			case n.task < 0 || c.task < 0:
				w = 2
			}
			x += w * n.x
			weight += w
		}
	}
	if up {
		add(c.up)
	}
	if down {
		add(c.down)
	}
	if weight == 0 {
		return c.x, 0.1
	}
	return x / weight, weight
}

// A run of cells stands as near together as it may: it moves as one.
type block struct {
	first       int     // in the row
	x           float64 // of the first
	sum, weight float64 // of where its cells want the first to be
}

// settle moves the cells of a row to where they are wanted, as near as their order and distance allow: the least sum of
// weighted squares (pool adjacent violators).
func settle(row []*cell, wanted func(*cell) (x, weight float64)) {
	offsets := make([]float64, len(row)) // of each cell from the first, if all stood close
	blocks := make([]block, 0, len(row))
	for i, c := range row {
		if i > 0 {
			offsets[i] = offsets[i-1] + apart(row[i-1], c)
		}
		x, w := wanted(c)
		b := block{first: i, sum: (x - offsets[i]) * w, weight: w}
		b.x = b.sum / b.weight
		for len(blocks) > 0 && blocks[len(blocks)-1].x > b.x {
			last := blocks[len(blocks)-1]
			blocks = blocks[:len(blocks)-1]
			b = block{first: last.first, sum: last.sum + b.sum, weight: last.weight + b.weight}
			b.x = b.sum / b.weight
		}
		blocks = append(blocks, b)
	}
	for n, b := range blocks {
		end := len(row)
		if n+1 < len(blocks) {
			end = blocks[n+1].first
		}
		for i := b.first; i < end; i++ {
			row[i].x = b.x + offsets[i]
		}
	}
}
