package graph

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strconv"
)

// style holds for light and dark, whichever the reader's system prefers. The fonts are the system's.
const style = `text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Noto Sans","DejaVu Sans",sans-serif}
.page{fill:#fff}.title{font-size:16px;font-weight:600;fill:#1f2328}.entry{font-size:13px;font-weight:600;fill:#1f2328}
.frame{fill:#f6f8fa;stroke:#d8dee4}.box{fill:#fff;stroke:#afb8c1;stroke-width:1.25}.soft{stroke-dasharray:5 4}
.bar{fill:#0969da}.bar.gpubar{fill:#1a7f37}.bar.whenbar{fill:#bf8700}
.name{font-size:13px;font-weight:600;fill:#1f2328}.module{font-size:12px;fill:#59636e}.when{font-size:11.5px;font-style:italic;fill:#8a5a00}
.note{font-size:11px;fill:#6e7781}.rule{stroke:#d8dee4}.pill{font-size:10px;font-weight:600;text-anchor:middle}
.gpu{fill:#dafbe1}.gputext{fill:#116329}.may{fill:#eaeef2}.maytext{fill:#57606a}
.wire{fill:none;stroke:#8c959f;stroke-width:1.5;stroke-linecap:round}.tip{fill:#8c959f}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.title,.entry,.name{fill:#e6edf3}
.frame{fill:#12171e;stroke:#2b323b}.box{fill:#171d25;stroke:#444c56}.bar{fill:#4493f8}.bar.gpubar{fill:#3fb950}.bar.whenbar{fill:#d29922}
.module{fill:#9da7b3}.when{fill:#d9a53a}.note{fill:#8b949e}.rule{stroke:#2b323b}
.gpu{fill:#12391f}.gputext{fill:#56d364}.may{fill:#2a313a}.maytext{fill:#adb7c2}.wire{stroke:#6e7681}.tip{fill:#6e7681}}`

// SVG draws the graph as a picture that stands alone: no scripts, nothing fetched, light or dark as the reader's system
// is. It refuses what is too large to be looked at.
func (g *Graph) SVG(w io.Writer) error {
	d := &drawing{}
	y, wide := float64(margin), 0.0
	if g.Title != "" {
		y += 16
		d.text("title", margin, y, fit(g.Title, 16, mostTitle))
		wide = width(fit(g.Title, 16, mostTitle), 17)
		y += 20
	}
	for _, note := range g.Callbacks {
		d.text("note", margin, y, fit(note, 11, mostTitle))
		wide = max(wide, width(fit(note, 11, mostTitle), 11))
		y += 16
	}
	for _, group := range g.Groups {
		w, h, err := d.group(group, y)
		if err != nil {
			return err
		}
		wide = max(wide, w)
		y += h + margin
	}
	wide = math.Ceil(wide + 2*margin)
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %[1]s %[2]s" role="img">`+"\n", px(wide), px(y))
	fmt.Fprintf(&out, "<title>%s</title>\n<style>%s</style>\n", escapeXML(g.Title), style)
	fmt.Fprintf(&out, `<rect class="page" width="%s" height="%s"/>`+"\n", px(wide), px(y))
	out.Write(d.out.Bytes())
	out.WriteString("</svg>\n")
	_, err := w.Write(out.Bytes())
	return err
}

const (
	mostTitle = 600 // px
	framePad  = 18
	entryHigh = 30 // of an entry's heading
	corner    = 8  // radius
	tip       = 7  // length of an arrow's head
)

type drawing struct{ out bytes.Buffer }

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.out, format+"\n", args...) }

func (d *drawing) text(class string, x, y float64, text string) {
	d.printf(`<text class="%s" x="%s" y="%s">%s</text>`, class, px(x), px(y), escapeXML(text))
}

// group draws one list of tasks at y, in a frame where it has a name.
func (d *drawing) group(g Group, y float64) (wide, high float64, err error) {
	p, err := newPicture(g.Tasks)
	if err != nil {
		return 0, 0, err
	}
	x := float64(margin)
	wide, high = p.width, p.height
	if g.Name != "" {
		heading := fit("entry "+g.Name, 13, mostTitle)
		inner := max(p.width, width(heading, 13.5))
		wide, high = inner+2*framePad, p.height+entryHigh+2*framePad
		d.printf(`<rect class="frame" x="%s" y="%s" width="%s" height="%s" rx="10"/>`, px(x), px(y), px(wide), px(high))
		d.text("entry", x+framePad, y+framePad+10, heading)
		if len(g.Tasks) == 0 {
			d.text("note", x+framePad, y+framePad+entryHigh, "no tasks")
		}
		x, y = x+framePad+math.Round((inner-p.width)/2), y+framePad+entryHigh
	}
	d.printf(`<g transform="translate(%s %s)">`, px(x), px(y))
	d.wires(p)
	for i, t := range g.Tasks {
		d.box(p, p.boxes[i], t)
	}
	d.printf(`</g>`)
	return wide, high, nil
}

func (d *drawing) box(p *picture, c *cell, t Task) {
	x, y := p.at(c)
	x -= p.box / 2
	soft, bar := "", ""
	switch {
	case t.GPU != "":
		bar = " gpubar"
	case t.When != "":
		bar = " whenbar"
	}
	if t.Soft {
		soft = " soft"
	}
	h := boxHeight(t)
	d.printf(`<g transform="translate(%s %s)"><title>%s</title>`, px(x), px(y), escapeXML(tooltip(t)))
	d.printf(`<rect class="box%s" width="%s" height="%s" rx="%d"/>`, soft, px(p.box), px(h), corner)
	d.printf(`<rect class="bar%s" x="5" y="9" width="3" height="%s" rx="1.5"/>`, bar, px(h-18))
	down := float64(padY - 1)
	ruled := false
	for _, l := range linesOf(t) {
		room := p.box - 2*padX
		down += l.height
		switch {
		case l.class == "module":
			room = d.pills(pills(t), p.box-padX, down-12) - padX
		case l.class == "note" && !ruled:
			ruled = true
			d.printf(`<path class="rule" d="M%d %sH%s"/>`, padX, px(down-15), px(p.box-padX))
		}
		d.text(l.class, padX, down, fit(l.text, l.size, room))
	}
	d.printf(`</g>`)
}

// pills draws words in rounded boxes from right to left, and returns where the free room ends.
func (d *drawing) pills(list []line, right, y float64) float64 {
	for _, p := range list {
		w := pillWidth(p)
		right -= w
		d.printf(`<rect class="%s" x="%s" y="%s" width="%s" height="%d" rx="8"/>`, p.class, px(right), px(y), px(w), pillHigh)
		d.text("pill "+p.class+"text", right+w/2, y+11.5, fit(p.text, p.size, mostPill))
		right -= pillGap
	}
	return right
}

// tooltip is all that a box knows, uncut.
func tooltip(t Task) string {
	text := t.Name + "\n" + t.Module
	for _, more := range linesOf(t)[2:] {
		text += "\n" + more.text
	}
	for _, p := range pills(t) {
		text += "\n" + p.text
	}
	return text
}

// px writes a length, to a tenth.
func px(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func escapeXML(text string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		panic(err) // a Buffer takes everything
	}
	return b.String()
}
