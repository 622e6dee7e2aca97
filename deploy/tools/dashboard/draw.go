package main

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Sizes, in pixels: of a unit of Grafana's grid, and of what stands around lines.
const (
	unitX, unitY = 56, 26
	marginLeft   = 58
	marginTop    = 26
	marginBottom = 26
	legendWidth  = 150
	mostLegends  = 10
)

// colors are what lines have, in turn.
func colors() []string {
	return []string{"#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffa6b0", "#96d98d", "#ffcb7d"}
}

// A sheet is what has been drawn.
type sheet struct {
	text   strings.Builder
	height int
}

func (s *sheet) svg() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="DejaVu Sans, sans-serif" font-size="11" fill="#ccccdc">`+
		"\n"+`<rect width="100%%" height="100%%" fill="#111217"/>`+"\n%s</svg>\n", 24*unitX, s.height, &s.text)
}

func (s *sheet) put(format string, args ...any) { fmt.Fprintf(&s.text, format+"\n", args...) }

func (s *sheet) write(x, y float64, style, text string) {
	s.put(`<text x="%.1f" y="%.1f" %s>%s</text>`, x, y, style, html.EscapeString(text))
}

// panel draws one picture in its place.
func (s *sheet) panel(p panel, lines []line) {
	x, y := float64(p.GridPos.X*unitX), float64(p.GridPos.Y*unitY)
	w, h := float64(p.GridPos.W*unitX), float64(p.GridPos.H*unitY)
	s.height = max(s.height, (p.GridPos.Y+p.GridPos.H)*unitY)
	if p.Type == "row" {
		s.write(x+8, y+18, `font-size="15" font-weight="bold"`, p.Title)
		return
	}
	s.put(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#181b1f" stroke="#2c2f36"/>`, x+3, y+3, w-6, h-6)
	s.write(x+12, y+19, `font-weight="bold"`, p.Title)
	unit := p.FieldConfig.Defaults.Unit
	if p.Type == "stat" {
		text := "no data"
		if len(lines) > 0 {
			text = say(lines[0].values[steps], unit)
		}
		s.write(x+w/2, y+h/2+22, `font-size="28" text-anchor="middle" fill="#73bf69"`, text)
		return
	}
	if len(lines) == 0 {
		s.write(x+w/2, y+h/2, `text-anchor="middle" fill="#888"`, "no data")
		return
	}
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = fmt.Sprintf("%s  %s", l.name, say(l.values[steps], unit))
	}
	if p.FieldConfig.Defaults.Custom.Stacking.Mode == "normal" {
		stack(lines)
	}
	s.lines(x+marginLeft, y+marginTop, w-marginLeft-legendWidth, h-marginTop-marginBottom, lines, unit)
	for i, name := range names[:min(len(names), mostLegends)] {
		s.write(x+w-legendWidth+12, y+marginTop+8+float64(i)*14, fmt.Sprintf(`font-size="9" fill=%q`, colors()[i%len(colors())]), name)
	}
}

// stack lays each line on those before it.
func stack(lines []line) {
	for i := 1; i < len(lines); i++ {
		for j := range lines[i].values {
			if below := lines[i-1].values[j]; !math.IsNaN(below) {
				lines[i].values[j] = below + zeroIfNone(lines[i].values[j])
			}
		}
	}
}

func zeroIfNone(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// lines draws axes and lines into a box.
func (s *sheet) lines(x, y, w, h float64, lines []line, unit string) {
	top := 0.0
	for _, l := range lines {
		for _, v := range l.values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				top = max(top, v)
			}
		}
	}
	top = cmp.Or(top*1.05, 1)
	for i := range 5 {
		at := y + h - h*float64(i)/4
		s.put(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#2c2f36"/>`, x, at, x+w, at)
		s.write(x-5, at+4, `font-size="9" text-anchor="end"`, say(top*float64(i)/4, unit))
	}
	for i, l := range lines {
		var path strings.Builder
		move := "M"
		for j, v := range l.values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				move = "M"
				continue
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", move, x+w*float64(j)/steps, y+h-h*v/top)
			move = "L"
		}
		s.put(`<path d=%q fill="none" stroke=%q stroke-width="1.5"/>`, path.String(), colors()[i%len(colors())])
	}
}

// say writes a value in a unit of Grafana's.
func say(v float64, unit string) string {
	if math.IsNaN(v) {
		return "–"
	}
	switch unit {
	case "percentunit":
		return short(v*100) + " %"
	case "s":
		return short(v) + " s"
	case "bytes":
		return size(v)
	case "Bps":
		return size(v) + "/s"
	case "ops", "reqps":
		return short(v) + "/s"
	}
	return short(v)
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }

// size writes bytes.
func size(v float64) string {
	for _, prefix := range []string{"", "Ki", "Mi", "Gi"} {
		if v < 1024 {
			return short(v) + " " + prefix + "B"
		}
		v /= 1024
	}
	return short(v) + " TiB"
}
