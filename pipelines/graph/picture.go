package graph

import (
	"cmp"
	"math"
	"slices"
)

// Lengths are in px.
const (
	boxGap     = 28 // between boxes of a row, and to lines that pass
	pointGap   = 12 // between lines that pass
	pointWidth = 4
	rowGap     = 44
	rowHeight  = 52 + rowGap // of a box of two lines
	margin     = 24
	laneGap    = 10 // between lines that go to the next band
	gutter     = 44 // between bands, without lanes
	padX       = 14
	padY       = 11
	leastBox   = 150
	mostBox    = 300
)

// aspect is how wide a picture should be for its height.
const aspect = 1.6

// A line is one text of a box.
type line struct {
	class  string
	size   float64
	height float64 // from the line before
	text   string
}

// linesOf are the texts of a box, from the top. A note is one of a callback.
func linesOf(t Task) []line {
	all := []line{{"name", 13, 13, t.Name}, {"module", 12, 19, t.Module}}
	if t.When != "" {
		all = append(all, line{"when", 11.5, 18, "when " + t.When})
	}
	for i, text := range t.Callbacks {
		height := 16.0
		if i == 0 {
			height = 22
		}
		all = append(all, line{"note", 11, height, text})
	}
	return all
}

// pills are the words at the right end of a box's second line.
func pills(t Task) []line {
	var all []line
	if t.GPU != "" {
		all = append(all, line{class: "gpu", size: 10, text: t.GPU})
	}
	if t.Soft {
		all = append(all, line{class: "may", size: 10, text: "may fail"})
	}
	return all
}

const (
	pillPad  = 6
	pillGap  = 6
	pillHigh = 16
	mostPill = 140
)

func pillWidth(p line) float64 {
	return math.Ceil(width(fit(p.text, p.size, mostPill), p.size)) + 2*pillPad
}

// boxWidth is one for all boxes, so that they stand in columns.
func boxWidth(tasks []Task) float64 {
	most := float64(leastBox)
	for _, t := range tasks {
		for _, l := range linesOf(t) {
			w := width(l.text, l.size)
			if l.class == "module" {
				for _, p := range pills(t) {
					w += pillWidth(p) + pillGap
				}
			}
			most = max(most, w+2*padX)
		}
	}
	return math.Ceil(min(most, mostBox)/2) * 2
}

func boxHeight(t Task) float64 {
	h := 2.0*padY - 1
	for _, l := range linesOf(t) {
		h += l.height
	}
	return math.Ceil(h)
}

// A picture is a group with every place known. Its own corner is 0, 0.
type picture struct {
	*layout
	tasks         []Task
	box           float64 // width of boxes
	top, bottom   []float64
	left          []float64 // of each band
	lanes         [][]lane  // from each band to the next
	width, height float64
}

// A lane is the way of a line from the last row of a band to the first row of the next.
type lane struct{ from, to *cell }

func newPicture(tasks []Task) (*picture, error) {
	p := &picture{tasks: tasks, box: boxWidth(tasks)}
	var err error
	if p.layout, err = newLayout(tasks, p.box, aspect); err != nil {
		return nil, err
	}
	p.findLanes()
	p.spread()
	return p, nil
}

func (p *picture) findLanes() {
	p.lanes = make([][]lane, len(p.bands))
	for i, b := range p.bands[:max(len(p.bands)-1, 0)] {
		for _, c := range p.rows[b[1]-1] {
			for _, d := range c.down {
				p.lanes[i] = append(p.lanes[i], lane{c, d})
			}
		}
		slices.SortStableFunc(p.lanes[i], func(a, b lane) int {
			return cmp.Or(cmp.Compare(a.from.x, b.from.x), cmp.Compare(a.to.x, b.to.x))
		})
	}
}

// spread gives rows their height and bands their place, side by side.
func (p *picture) spread() {
	p.top, p.bottom = make([]float64, len(p.rows)), make([]float64, len(p.rows))
	most := 0
	for _, l := range p.lanes {
		most = max(most, len(l))
	}
	above := float64(0)
	if most > 0 {
		above = float64(most*laneGap) + laneGap
	}
	for i, b := range p.bands {
		y := above
		for row := b[0]; row < b[1]; row++ {
			p.top[row], p.bottom[row] = y, y+p.high(p.rows[row])
			y = p.bottom[row] + rowGap
		}
		p.height = max(p.height, y-rowGap)
		p.left = append(p.left, p.width)
		p.width += p.wide(b)
		if i+1 < len(p.bands) {
			p.width += gutter + float64(len(p.lanes[i])*laneGap)
		}
	}
	p.height += above
}

// high is how high a row is; points have no height of their own.
func (p *picture) high(row []*cell) float64 {
	h := 0.0
	for _, c := range row {
		if c.task >= 0 {
			h = max(h, boxHeight(p.tasks[c.task]))
		}
	}
	return h
}

func (p *picture) wide(band [2]int) float64 {
	w := 0.0
	for _, row := range p.rows[band[0]:band[1]] {
		if n := len(row); n > 0 {
			w = max(w, row[n-1].x+row[n-1].width/2)
		}
	}
	return w
}

func (p *picture) band(row int) int {
	return slices.IndexFunc(p.bands, func(b [2]int) bool { return row < b[1] })
}

// at is the middle of a cell's upper side.
func (p *picture) at(c *cell) (x, y float64) { return p.left[p.band(c.row)] + c.x, p.top[c.row] }

// foot is where lines leave a cell.
func (p *picture) foot(c *cell) (x, y float64) {
	x, y = p.at(c)
	if c.task >= 0 {
		y += boxHeight(p.tasks[c.task])
	}
	return x, y
}
