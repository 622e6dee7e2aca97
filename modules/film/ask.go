// Package film is what FFmpeg and Renderer share: how ffmpeg and ffprobe are run over hostile files, and what they say.
package film

import (
	"context"
	"encoding/json"
	"errors"
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

// A Probe is what FFprobe says of a file.
type Probe struct {
	Format  Format   `json:"format"`
	Streams []Stream `json:"streams"`
}

// A Format is what holds the streams of a file.
type Format struct {
	Name     string `json:"format_name"`
	Duration string `json:"duration"`
}

// A Stream is one of a file's.
type Stream struct {
	Type     string `json:"codec_type"` // video, audio, subtitle
	Codec    string `json:"codec_name"`
	Pixels   string `json:"pix_fmt"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Duration string `json:"duration"`
	Packets  string `json:"nb_read_packets"`
}

// Size is the largest picture of a file, in pixels, and how long it is, in seconds.
func (p Probe) Size() (width, height int, duration float64) {
	for _, s := range p.Streams {
		width, height = max(width, s.Width), max(height, s.Height)
	}
	if d, err := strconv.ParseFloat(p.Format.Duration, 64); err == nil {
		duration = d
	}
	return width, height, duration
}

// Of returns the first stream of a type.
func (p Probe) Of(kind string) (Stream, bool) {
	for _, s := range p.Streams {
		if s.Type == kind {
			return s, true
		}
	}
	return Stream{}, false
}

const maxSaid = 4 << 20 // bytes of what FFprobe says

// Ask runs FFprobe over a real path, confined like FFmpeg itself.
func Ask(ctx context.Context, c *modules.Call, options []string, real string) (Probe, error) {
	quiet := *c
	quiet.Stdout = io.Discard
	var said limited
	args := append([]string{"-hide_banner", "-v", "error", "-print_format", "json", "-show_format", "-show_streams"}, Confined()...)
	args = append(append(args, options...), "-i", real)
	_, err := quiet.RunTool(ctx, modules.ToolRun{Tool: tool.FFprobe(), Args: args, Stdout: &said, Reason: Reason})
	if err != nil {
		err = Named(err)
		if _, refused := errors.AsType[*proc.EndedError](err); refused && fault.Of(err) == fault.Unknown && !passing(err) {
			err = fault.As(fault.Permanent, fmt.Errorf("it is no video, sound or picture that can be read: %w", err))
		}
		return Probe{}, err
	}
	var p Probe
	if err := json.Unmarshal(said.text, &p); err != nil {
		return Probe{}, fmt.Errorf("read what FFprobe says: %w", err)
	}
	return p, nil
}

// passing says that a look at a file failed for what has nothing to do with it.
func passing(err error) bool {
	return slices.ContainsFunc([]string{"Input/output error", "Too many open files", "Resource temporarily unavailable"}, func(says string) bool {
		return strings.Contains(err.Error(), says)
	})
}

// A limited keeps the first maxSaid bytes.
type limited struct{ text []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.text = append(l.text, p[:min(len(p), maxSaid-len(l.text))]...)
	return len(p), nil
}

// Reason is the line that says what is wrong: one that is known, else the last that is no mere consequence.
func Reason(lines []string) string {
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

// Named makes an error of what FFmpeg said permanent where it is one of outcomes; nil stays nil. One that was killed, or over its limits, stays
// what it is.
func Named(err error) error {
	switch err.(type) {
	case nil, *proc.KilledError, *proc.OverError:
		return err
	}
	for _, o := range outcomes() {
		if strings.Contains(err.Error(), o.says) {
			return fault.As(fault.Permanent, fmt.Errorf("%s: %w", o.means, err))
		}
	}
	return err
}
