package film

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A Progress reads what ffmpeg -progress says, and tells a person how far it is at every tenth.
type Progress struct {
	Show   io.Writer
	Report func(done float64) // nil: nobody asks
	Total  float64            // seconds that the output will have; 0 is unknown

	// What it said last.
	Seconds float64 // written
	Frames  int64
	Ended   bool // it is done

	held   string
	speed  string
	tenths int // that were told
}

// A Damage hears what FFmpeg says of an input that it can't read all of, and goes on with what it can.
type Damage struct {
	Show  io.Writer
	First string // line; empty is none

	held string
}

func (d *Damage) Write(b []byte) (int, error) {
	d.held += string(b)
	for {
		line, rest, ok := strings.Cut(d.held, "\n")
		if !ok {
			d.held = d.held[max(0, len(d.held)-maxHeld):]
			return d.Show.Write(b)
		}
		d.held = rest
		if d.First == "" && isDamage(line) {
			d.First = strings.ToValidUTF8(strings.TrimSpace(line), "�")
		}
	}
}

func isDamage(line string) bool {
	for _, says := range []string{
		"File ended prematurely", "Invalid data found", "rror while decoding", "Packet corrupt", "corrupt decoded frame", "Truncating packet",
		"partial file", "concealing", "Invalid NAL", "error reading", "Error submitting packet",
	} {
		if strings.Contains(line, says) {
			return true
		}
	}
	return false
}

const maxHeld = 64 << 10

func (p *Progress) Write(b []byte) (int, error) {
	p.held += string(b)
	for {
		line, rest, ok := strings.Cut(p.held, "\n")
		if !ok {
			p.held = p.held[max(0, len(p.held)-maxHeld):]
			return len(b), nil
		}
		p.held = rest
		p.line(strings.TrimSpace(line))
	}
}

// line takes in one: "frame=10", "out_time_us=901000", "speed=2.16x", "progress=continue".
func (p *Progress) line(text string) {
	key, value, _ := strings.Cut(text, "=")
	value = strings.TrimSpace(value)
	switch key {
	case "frame":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			p.Frames = n
		}
	case "out_time_us":
		if us, err := strconv.ParseInt(value, 10, 64); err == nil {
			p.Seconds = float64(us) / 1e6
		}
	case "speed":
		p.speed = value
	case "progress":
		p.Ended = value == "end"
		p.tell()
	}
}

// tell is silent until another tenth is done.
func (p *Progress) tell() {
	if p.Total <= 0 {
		return
	}
	done := min(1, p.Seconds/p.Total)
	if p.Ended {
		done = 1
	}
	if p.Report != nil {
		p.Report(done)
	}
	if tenths := int(10 * done); tenths > p.tenths {
		p.tenths = tenths
		fmt.Fprintf(p.Show, "%d %%: %.1f s of %.1f s, %d frames, speed %s\n", int(100*done), p.Seconds, p.Total, p.Frames, p.speed)
	}
}
