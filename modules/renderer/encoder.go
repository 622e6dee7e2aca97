package renderer

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/tool"
)

// The encoders.
const (
	auto     = "auto"
	software = "libx264"
	hardware = "h264_nvenc"
)

// An encoder is what encodes a video.
type encoder struct {
	name     string // as FFmpeg calls it
	gpu      string // name of the GPU it is on; empty of software
	warnings []string
}

// args are the options that have FFmpeg use it.
func (e encoder) args(quality int) []string {
	if e.name == hardware {
		return []string{"-c:v", hardware, "-preset", "p5", "-rc", "vbr", "-cq", strconv.Itoa(quality), "-b:v", "0"}
	}
	return []string{"-c:v", software, "-preset", "medium", "-crf", strconv.Itoa(quality)}
}

// chooseEncoder is the GPU's where a session truly opens on the task's GPU, and software where it does not and the task allows.
func chooseEncoder(ctx context.Context, c *modules.Call, want string) (encoder, error) {
	if want == software {
		return encoder{name: software}, nil
	}
	must := want == hardware || c.GPU.Use == gpu.Required
	if len(c.Devices) == 0 {
		if must {
			return encoder{}, fault.As(fault.Permanent, errors.New("GPU is required: the task has none to encode with; give it one (gpu: required), or take encoder: libx264 and gpu: preferred"))
		}
		return encoder{name: software}, nil
	}
	found, err := c.Tools.Find(ctx, tool.FFmpeg())
	if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
		return encoder{}, fault.As(fault.Permanent, lacks)
	}
	if err != nil {
		return encoder{}, fmt.Errorf("find FFmpeg: %w", err)
	}
	device := c.Devices[0]
	err = gpu.NVENC(c.Exec, found.Path, c.Env)(ctx, device)
	switch {
	case err == nil:
		return encoder{name: hardware, gpu: device.Name}, nil
	case ctx.Err() != nil:
		return encoder{}, context.Cause(ctx)
	case !must:
		return encoder{name: software, warnings: []string{fmt.Sprintf("libx264 encoded, in software, since the encoder of the GPU (%s) does not open: %v", device.Name, err)}}, nil
	}
	refusal := fmt.Errorf("GPU is required: the encoder of the GPU (%s) does not open; take encoder: libx264, or gpu: preferred: %w", device.Name, err)
	if errors.Is(err, gpu.ErrNoEncoder) {
		return encoder{}, fault.As(fault.Permanent, refusal)
	}
	return encoder{}, refusal
}
