package graph

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Bounds of a picture. A tall one is cut into bands that stand side by side, and a row holds so many boxes.
const (
	maxTasks  = 5_000
	maxPoints = 50_000 // of lines that pass rows
	fewRows   = 16     // a picture with no more is not cut
	fewBoxes  = 8      // a row may always hold so many
)

var errTooLarge = errors.New("the picture would be too large to be looked at; draw one entry, or take the form mermaid")

// A cell is a box, or a point where a line passes a row of boxes.
type cell struct {
	task        int // -1 is a point
	row         int
	rank        int     // in its row, from the left
	x           float64 // of its middle
	width       float64
	up, down    []*cell
	left, right *cell // neighbours in the row; nil at its ends, and before all have an x
	barycentre  float64
}

// A layout is a group's cells, row by row, from the top.
type layout struct {
	rows  [][]*cell
	boxes []*cell // by task
	bands [][2]int
}

// newLayout puts tasks into rows, orders each row so that few lines cross, and gives every cell its place from left to
// right; what a band's cells have in x begins at 0.
func newLayout(tasks []Task, box float64, aspect float64) (*layout, error) {
	if len(tasks) > maxTasks {
		return nil, fmt.Errorf("%d tasks: %w", len(tasks), errTooLarge)
	}
	l := &layout{}
	l.place(tasks, box)
	if err := l.connect(tasks); err != nil {
		return nil, err
	}
	l.untangle()
	l.cut(box, aspect)
	for _, b := range l.bands {
		l.align(b)
	}
	return l, nil
}

// place gives each task the row below all that it waits for; further down where that is full.
func (l *layout) place(tasks []Task, box float64) {
	most := max(fewBoxes, int(math.Sqrt(float64(len(tasks)))))
	after := make([][]int, len(tasks))
	for i, t := range tasks {
		after[i] = t.After
	}
	l.boxes = make([]*cell, len(tasks))
	for _, i := range inOrder(after) {
		row := 0
		for _, p := range after[i] {
			if l.boxes[p] != nil {
				row = max(row, l.boxes[p].row+1)
			}
		}
		for row < len(l.rows) && len(l.rows[row]) >= most {
			row++
		}
		l.boxes[i] = l.add(&cell{task: i, row: row, width: box})
	}
}

func (l *layout) add(c *cell) *cell {
	for len(l.rows) <= c.row {
		l.rows = append(l.rows, nil)
	}
	c.rank = len(l.rows[c.row])
	l.rows[c.row] = append(l.rows[c.row], c)
	return c
}

// connect joins boxes by points in the rows between. Lines with the same end, or else the same start, share theirs.
func (l *layout) connect(tasks []Task) error {
	long := func(from, to int) bool { return l.boxes[to].row-l.boxes[from].row > 1 }
	out := make([]int, len(tasks))
	for i, t := range tasks {
		for _, p := range t.After {
			if long(p, i) {
				out[p]++
			}
		}
	}
	starts, ends := newTrunks(l), newTrunks(l)
	for i, t := range tasks {
		in := 0
		for _, p := range t.After {
			if long(p, i) {
				in++
			}
		}
		for _, p := range t.After {
			from, to := l.boxes[p], l.boxes[i]
			switch {
			case from.row >= to.row:
				// a circle, which no parsed document has
			case !long(p, i):
				join(from, to)
			case in >= out[p]:
				join(from, ends.up(to, from.row+1))
			default:
				join(starts.down(from, to.row-1), to)
			}
		}
		if starts.points+ends.points > maxPoints {
			return errTooLarge
		}
	}
	return nil
}

// trunks are the points that lines share, by the box that they lead to or come from: the nearest first.
type trunks struct {
	*layout
	of     map[*cell][]*cell
	points int
}

func newTrunks(l *layout) *trunks { return &trunks{layout: l, of: map[*cell][]*cell{}} }

// up returns the point in row of the trunk that leads down to box, which is made as far as that.
func (t *trunks) up(box *cell, row int) *cell { return t.reach(box, row, -1) }

// down returns the point in row of the trunk that leads down from box.
func (t *trunks) down(box *cell, row int) *cell { return t.reach(box, row, 1) }

func (t *trunks) reach(box *cell, row, step int) *cell {
	points := t.of[box]
	for last := box; ; last = points[len(points)-1] {
		if len(points) > 0 {
			last = points[len(points)-1]
		}
		if (row-last.row)*step <= 0 {
			t.of[box] = points
			return points[(row-box.row)*step-1]
		}
		c := t.add(&cell{task: -1, row: last.row + step, width: pointWidth})
		t.points++
		if step < 0 {
			join(c, last)
		} else {
			join(last, c)
		}
		points = append(points, c)
	}
}

func join(a, b *cell) {
	if !slices.Contains(a.down, b) {
		a.down = append(a.down, b)
		b.up = append(b.up, a)
	}
}

// cut divides the rows into bands, so that a long chain is about as wide as it is high times aspect.
func (l *layout) cut(box, aspect float64) {
	widest := 1
	for _, row := range l.rows {
		widest = max(widest, len(row))
	}
	wide := float64(widest) * (box + boxGap)
	rows := int(math.Ceil(math.Sqrt(float64(len(l.rows)) * wide / (aspect * rowHeight))))
	rows = max(rows, fewRows)
	if len(l.rows) <= rows+rows/4 {
		rows = max(len(l.rows), 1)
	}
	n := max((len(l.rows)+rows-1)/rows, 1)
	rows = (len(l.rows) + n - 1) / n // all about as high
	for from := 0; from < len(l.rows); from += rows {
		l.bands = append(l.bands, [2]int{from, min(from+rows, len(l.rows))})
	}
}
