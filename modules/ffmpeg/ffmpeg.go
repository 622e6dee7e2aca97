// Package ffmpeg is the FFmpeg module: it runs ffmpeg over files of the workspace, and checks what came of it.
package ffmpeg

import (
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/film"
	"github.com/millrace/millrace/modules/tool"
)

// Module is the FFmpeg task.
var Module = modules.Define(modules.Spec{
	Name:    "FFmpeg",
	Summary: "Runs FFmpeg over video, sound or pictures, ffmpeg SRC-CONFIG -i SRC DEST-CONFIG DEST, and checks what came of it.",
	Example: "- module: FFmpeg\n  props:\n    src: render_%d.png\n    dest: turntable.mp4\n    config:\n      srcConfig: {framerate: 30}\n" +
		"      destConfig: {c:v: libx264, pix_fmt: yuv420p, b:v: 4M}\n  register: video",
	Tools: []tool.Tool{tool.FFmpeg(), tool.FFprobe()},
}, run)

// Props are what a task writes under props.
type Props struct {
	Src    any    `json:"src" doc:"File to read, or a sequence of pictures: frame_%04d.png, or frame_*.png in the order of names; or a list of those, each an input."`
	Dest   string `json:"dest" aliases:"dst" doc:"File to write, in the format that its extension names; it appears when it is complete and checked. Pictures with %d in their name are written one by one."`
	Config Config `json:"config,omitzero" doc:"Options of FFmpeg, without their dash."`

	inputs []input // found by Probe
}

// Config are the options. A list gives an option once for each element.
type Config struct {
	Src  any            `json:"srcConfig,omitzero" doc:"What goes before the input: framerate, ss, t, loop …; where src is a list, a list of such maps, or one for the first."`
	Dest map[string]any `json:"destConfig,omitzero" doc:"What goes before the output: c:v, b:v, pix_fmt, vf …."`
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Duration float64  `json:"duration" doc:"Of what was written, in seconds; 0 of a picture."`
	Frames   int64    `json:"frames" doc:"Pictures of the video that was written."`
	Width    int      `json:"width" fact:"made.width" doc:"Of the video, in pixels."`
	Height   int      `json:"height" fact:"made.height" doc:"Of the video, in pixels."`
	Video    string   `json:"video" doc:"Codec of the video: h264; empty where there is none."`
	Audio    string   `json:"audio" doc:"Codec of the sound: aac; empty where there is none."`
	Encoder  string   `json:"encoder" doc:"Encoder of the video that was asked for: libx264; empty is FFmpeg's choice."`
	Files    int      `json:"files" doc:"Files that were written."`
	Warnings []string `json:"warnings" doc:"Damage of the input, and options that change nothing, a sentence each."`
}

// sources returns the names in src; nil when it is no text and no list of texts.
func (p *Props) sources() []string {
	list, ok := p.Src.([]any)
	if !ok {
		list = []any{p.Src}
	}
	names := make([]string, 0, len(list))
	for _, v := range list {
		name, ok := v.(string)
		if !ok || name == "" {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// configs are the options before each of n inputs.
func (c Config) configs(n int) ([]map[string]any, error) {
	all := make([]map[string]any, n)
	list, ok := c.Src.([]any)
	if !ok {
		list = []any{c.Src}
	}
	if len(list) > n {
		return nil, fmt.Errorf("there are %d, and src names %d", len(list), n)
	}
	for i, v := range list {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			all[i] = v
		default:
			return nil, fmt.Errorf("it must be a map of options, or a list of maps")
		}
	}
	return all, nil
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	var problems []modules.Problem
	report := func(path string, err error) {
		if err != nil {
			problems = append(problems, modules.Problem{Path: path, Msg: fmt.Sprintf("prop %q: %v", path, err)})
		}
	}
	names := p.sources()
	if len(names) == 0 {
		report("src", fmt.Errorf("it must be a file, a sequence of pictures, or a list of those"))
	}
	report("dest", checkDest(p.Dest, p.Config.Dest))
	configs, err := p.Config.configs(max(1, len(names)))
	report("config.srcConfig", err)
	endless := false
	for _, config := range configs {
		_, _, err := inputOptions(config)
		report("config.srcConfig", err)
		endless = endless || repeats(config)
	}
	_, _, err = outputOptions(p.Config.Dest)
	report("config.destConfig", err)
	if endless && !ends(p.Config.Dest) {
		report("config.srcConfig", fmt.Errorf("the input is repeated without end; say how long the output is (config.destConfig.t: 10)"))
	}
	if problems != nil {
		return &modules.PropError{Problems: problems}
	}
	return nil
}

// Probe refuses what can't be read, is too large, or would read something else, before any of it is decoded.
func (p *Props) Probe(ctx context.Context, c *modules.Call) (modules.Demand, error) {
	if err := p.find(ctx, c); err != nil {
		return modules.Demand{}, err
	}
	var d modules.Demand
	for _, in := range p.inputs {
		d.Input += in.bytes
		d.Memory += 64<<20 + int64(in.width)*int64(in.height)*framesHeld*bytesPerPixel
	}
	return d, nil
}

const (
	framesHeld    = 64 // that decoders, filters and encoders keep
	bytesPerPixel = 4
)

// find looks at the inputs, once.
func (p *Props) find(ctx context.Context, c *modules.Call) error {
	if p.inputs != nil {
		return nil
	}
	configs, err := p.Config.configs(len(p.sources()))
	if err != nil {
		return err
	}
	for i, name := range p.sources() {
		in, err := look(ctx, c, name, configs[i])
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		p.inputs = append(p.inputs, in)
	}
	return nil
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	if err := p.find(ctx, c); err != nil {
		return Output{}, err
	}
	w, err := newWork(c, p)
	if err != nil {
		return Output{}, fmt.Errorf("prepare %s: %w", path.Base(p.Dest), err)
	}
	defer w.remove()
	quiet, flaws := *c, &film.Damage{Show: c.Stderr}
	quiet.Stdout, quiet.Stderr = io.Discard, flaws // what it says on standard output is for us
	watched := &film.Progress{Show: c.Stdout, Report: c.Progress, Total: expected(p)}
	stats, err := quiet.RunTool(ctx, modules.ToolRun{Tool: tool.FFmpeg(), Args: w.args, Stdout: watched, Reason: film.Reason})
	if err != nil {
		return Output{}, fmt.Errorf("make %s: %w", p.Dest, film.Named(err))
	}
	made, err := w.verify(ctx, c, watched)
	if err != nil {
		return Output{}, fmt.Errorf("check what FFmpeg wrote for %s: %w", p.Dest, err)
	}
	if err := w.publish(); err != nil {
		return Output{}, fmt.Errorf("write %s: %w", p.Dest, err)
	}
	if flaws.First != "" {
		w.warnings = append(w.warnings, "the input is damaged, and what was written lacks what FFmpeg could not read: "+flaws.First)
	}
	return Output{
		ToolOutput: modules.ToolOutput{
			Src: strings.Join(p.sources(), ", "), Dest: p.Dest,
			Config: map[string]any{"srcConfig": p.Config.Src, "destConfig": p.Config.Dest},
			Size:   strconv.FormatInt(made.bytes, 10), Stats: stats,
		},
		Duration: made.duration, Frames: made.frames, Width: made.width, Height: made.height, Video: made.video, Audio: made.audio,
		Encoder: encoder(p.Config.Dest), Files: len(w.files), Warnings: w.warnings,
	}, nil
}

// expected is how long the output will be, in seconds; 0 is unknown.
func expected(p Props) float64 {
	for _, v := range given(p.Config.Dest, "t") {
		if t, ok := seconds(v); ok {
			return t
		}
	}
	if len(p.inputs) != 1 {
		return 0
	}
	return p.inputs[0].duration
}

// encoder is the one that was asked for the video.
func encoder(config map[string]any) string {
	for _, key := range []string{"c:v", "codec:v", "vcodec", "c:v:0"} {
		for _, dashes := range []string{"", "-", "--"} {
			if name, ok := config[dashes+key].(string); ok {
				return name
			}
		}
	}
	return ""
}
