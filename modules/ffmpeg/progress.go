package ffmpeg

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// progress reads what ffmpeg -progress says, and tells a person how far it is at every tenth.
type progress struct {
	show   io.Writer
	report func(done float64) // nil: nobody asks
	total  float64            // seconds that the output will have; 0 is unknown

	held    string
	seconds float64 // written
	frames  int64
	speed   string
	ended   bool // it has said that it is done
	tenths  int  // that were told
}

// damage hears what FFmpeg says of an input that it can't read all of, and goes on with what it can.
type damage struct {
	show  io.Writer
	held  string
	first string // line; empty is none
}

func (d *damage) Write(b []byte) (int, error) {
	d.held += string(b)
	for {
		line, rest, ok := strings.Cut(d.held, "\n")
		if !ok {
			d.held = d.held[max(0, len(d.held)-maxHeld):]
			return d.show.Write(b)
		}
		d.held = rest
		if d.first == "" && isDamage(line) {
			d.first = strings.ToValidUTF8(strings.TrimSpace(line), "�")
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

func (p *progress) Write(b []byte) (int, error) {
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
func (p *progress) line(text string) {
	key, value, _ := strings.Cut(text, "=")
	value = strings.TrimSpace(value)
	switch key {
	case "frame":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			p.frames = n
		}
	case "out_time_us":
		if us, err := strconv.ParseInt(value, 10, 64); err == nil {
			p.seconds = float64(us) / 1e6
		}
	case "speed":
		p.speed = value
	case "progress":
		p.ended = value == "end"
		p.tell()
	}
}

// tell is silent until another tenth is done.
func (p *progress) tell() {
	if p.total <= 0 {
		return
	}
	done := min(1, p.seconds/p.total)
	if p.ended {
		done = 1
	}
	if p.report != nil {
		p.report(done)
	}
	if tenths := int(10 * done); tenths > p.tenths {
		p.tenths = tenths
		fmt.Fprintf(p.show, "%d %%: %.1f s of %.1f s, %d frames, speed %s\n", int(100*done), p.seconds, p.total, p.frames, p.speed)
	}
}
