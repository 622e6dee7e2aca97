package graph

import "fmt"

// wires draws the lines between all cells.
func (d *drawing) wires(p *picture) {
	for _, row := range p.rows {
		for _, c := range row {
			for _, to := range c.down {
				if p.band(c.row) == p.band(to.row) {
					d.wire(p, c, to)
				}
			}
		}
	}
	for band, lanes := range p.lanes {
		for i := range lanes {
			d.lane(p, band, i)
		}
	}
}

// wire draws a line to the next row: straight down past what is higher in its own row, then a curve through the gap
// between the rows, where there are no boxes.
func (d *drawing) wire(p *picture, from, to *cell) {
	x1, y1 := p.foot(from)
	x2, y2 := p.at(to)
	low := p.bottom[from.row]
	end := y2
	if to.task >= 0 {
		end -= tip
	}
	path := fmt.Sprintf("M%s %s", px(x1), px(y1))
	if y1 < low {
		path += "V" + px(low)
	}
	if x1 == x2 {
		path += "V" + px(end)
	} else {
		middle := (low + end) / 2
		path += fmt.Sprintf("C%s %s %s %s %s %s", px(x1), px(middle), px(x2), px(middle), px(x2), px(end))
	}
	d.printf(`<path class="wire" d="%s"/>`, path)
	d.tip(to, x2, y2)
}

// tip draws an arrow's head on a box; points have none.
func (d *drawing) tip(to *cell, x, y float64) {
	if to.task >= 0 {
		d.printf(`<path class="tip" d="M%s %sl-4 -%[3]dh8z"/>`, px(x), px(y), tip)
	}
}

// lane draws a line from the foot of a band to the head of the next, round the boxes: under the band, up between the
// two, over the next. Lines keep their order, so that they don't cross.
func (d *drawing) lane(p *picture, band, i int) {
	lanes := p.lanes[band]
	l, n := lanes[i], len(lanes)
	x1, y1 := p.foot(l.from)
	x2, y2 := p.at(l.to)
	end := y2
	if l.to.task >= 0 {
		end -= tip
	}
	row := p.bands[band][1] - 1
	under := p.bottom[row] + float64((n-i)*laneGap) + laneGap/2
	between := p.left[band+1] - gutter/2 - float64(i*laneGap)
	over := p.top[p.bands[band+1][0]] - float64((i+1)*laneGap) - tip
	r := float64(laneGap) / 2
	path := "M" + px(x1) + " " + px(y1) + "V" + px(under-r)
	path += turn(0, r, r, r) + "H" + px(between-r)
	path += turn(r, 0, r, -r) + "V" + px(over+r)
	path += turn(0, -r, r, -r) + "H" + px(x2-r)
	path += turn(r, 0, r, r) + "V" + px(end)
	d.printf(`<path class="wire" d="%s"/>`, path)
	d.tip(l.to, x2, y2)
}

// turn is a round corner: a curve to x, y from here, bent towards cx, cy.
func turn(cx, cy, x, y float64) string {
	return "q" + px(cx) + " " + px(cy) + " " + px(x) + " " + px(y)
}
