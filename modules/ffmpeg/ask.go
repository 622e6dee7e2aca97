package ffmpeg

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// A probe is what FFprobe says of a file.
type probe struct {
	Format  probeFormat   `json:"format"`
	Streams []probeStream `json:"streams"`
}

type probeFormat struct {
	Name     string `json:"format_name"`
	Duration string `json:"duration"`
}

type probeStream struct {
	Type     string `json:"codec_type"`
	Codec    string `json:"codec_name"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Duration string `json:"duration"`
	Packets  string `json:"nb_read_packets"`
}

// size is the largest picture of a file, in pixels, and how long it is, in seconds.
func (p probe) size() (width, height int, duration float64) {
	for _, s := range p.Streams {
		width, height = max(width, s.Width), max(height, s.Height)
	}
	if d, err := strconv.ParseFloat(p.Format.Duration, 64); err == nil {
		duration = d
	}
	return width, height, duration
}

// of returns the first stream of a type.
func (p probe) of(kind string) (probeStream, bool) {
	for _, s := range p.Streams {
		if s.Type == kind {
			return s, true
		}
	}
	return probeStream{}, false
}

const maxSaid = 4 << 20 // bytes of what FFprobe says

// ask runs FFprobe over a real path, confined like FFmpeg itself.
func ask(ctx context.Context, c *modules.Call, options []string, real string) (probe, error) {
	quiet := *c
	quiet.Stdout = io.Discard
	var said limited
	args := append([]string{"-hide_banner", "-v", "error", "-print_format", "json", "-show_format", "-show_streams"}, confined()...)
	args = append(append(args, options...), "-i", real)
	_, err := quiet.RunTool(ctx, modules.ToolRun{Tool: tool.FFprobe(), Args: args, Stdout: &said, Reason: reason})
	if err != nil {
		return probe{}, named(err)
	}
	var p probe
	if err := json.Unmarshal(said.text, &p); err != nil {
		return probe{}, fmt.Errorf("read what FFprobe says: %w", err)
	}
	return p, nil
}

// A limited keeps the first maxSaid bytes.
type limited struct{ text []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.text = append(l.text, p[:min(len(p), maxSaid-len(l.text))]...)
	return len(p), nil
}

// reason is the line that says what is wrong: one that is known, else the last that is no mere consequence.
func reason(lines []string) string {
	for _, o := range outcomes() {
		for _, line := range lines {
			if strings.Contains(line, o.says) {
				return line
			}
		}
	}
	for _, line := range slices.Backward(lines) {
		if line != "Conversion failed!" && !strings.HasPrefix(line, "Error initializing output stream") {
			return line
		}
	}
	return lines[len(lines)-1]
}

// An outcome is a thing that FFmpeg says, and what it means.
type outcome struct{ says, means string }

// outcomes are those that trying again does not change, the more telling first.
func outcomes() []outcome {
	return []outcome{
		{"not on whitelist", "it is of a format that is not read here (a playlist, a drawing, a device or a server)"},
		{"moov atom not found", "it is the beginning of a video, and the rest is missing"},
		{"Unknown encoder", "this FFmpeg has no such encoder"},
		{"Unrecognized option", "this FFmpeg has no such option"},
		{"Option not found", "this FFmpeg has no such option"},
		{"No such filter", "this FFmpeg has no such filter"},
		{"matches no streams", "config.destConfig.map names a stream that the input has not"},
		{"does not contain any stream", "there is nothing in the input that the output can hold"},
		{"Unable to find a suitable output format", "dest names no format of FFmpeg"},
		{"Cannot load libcuda", "this machine has no NVIDIA driver for the encoder; use libx264"},
		{"No capable devices found", "this machine has no video encoder on its GPU; use libx264"},
		{"not divisible by 2", "the picture's width and height must be even: scale it (vf: \"pad=ceil(iw/2)*2:ceil(ih/2)*2\")"},
		{"Invalid data found", "it is no video, sound or picture, or is damaged"},
	}
}

// named makes an error of what FFmpeg said permanent where it is one of outcomes. One that was killed, or over its limits, stays
// what it is.
func named(err error) error {
	switch err.(type) {
	case *proc.KilledError, *proc.OverError:
		return err
	}
	for _, o := range outcomes() {
		if strings.Contains(err.Error(), o.says) {
			return fault.As(fault.Permanent, fmt.Errorf("%s: %w", o.means, err))
		}
	}
	return err
}
