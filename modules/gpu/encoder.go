package gpu

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/proc"
)

// encoderLimit is how long an encoder session may take. The first one on a GPU loads CUDA, which takes seconds.
const encoderLimit = 30 * time.Second

// NVENC proves encoders by FFmpeg, which encodes a few black pictures on the device: data-centre GPUs without an encoder
// look like those with one. env is the environment of its programs; it needs PATH, and LD_LIBRARY_PATH where the driver's
// libraries lie elsewhere.
func NVENC(run proc.Runner, ffmpeg string, env []string) func(context.Context, Device) error {
	return func(ctx context.Context, d Device) error {
		ctx, cancel := context.WithTimeoutCause(ctx, encoderLimit, fmt.Errorf("FFmpeg took longer than %s", encoderLimit))
		defer cancel()
		var said bytes.Buffer
		exit, err := run.Run(ctx, proc.Cmd{
			Path: ffmpeg,
			Args: []string{
				"-hide_banner", "-nostdin", "-loglevel", "error",
				"-f", "lavfi", "-i", "color=s=256x256:d=0.1", "-c:v", "h264_nvenc", "-f", "null", "-",
			},
			Env:    append(slices.Clone(env), Environ([]Device{d})...),
			Stderr: &limited{&said, 4 << 10},
		})
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s was not found, and it is what tries the encoder: run make tools", ffmpeg)
		case err != nil:
			return err
		case exit.Code != 0:
			return errors.New("FFmpeg could not open a session: " + cmp.Or(reason(said.String()), fmt.Sprintf("exit code %d", exit.Code)))
		}
		return nil
	}
}

// reason is the first line of what FFmpeg said, without the address of who says it: "[h264_nvenc @ 0x55d0] No capable devices".
func reason(said string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	if _, text, ok := strings.Cut(line, "] "); ok && strings.HasPrefix(line, "[") {
		return text
	}
	return line
}

// limited keeps the first bytes and drops the rest.
type limited struct {
	w    *bytes.Buffer
	left int
}

func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	l.w.Write(b[:n])
	return len(b), nil
}

// prove asks for the encoders of devices that n could otherwise use and that were not asked yet. An answer that ctx cut
// short is none.
func (p *Pool) prove(ctx context.Context, m *Machine, n Need) error {
	n.Encoder = false
	for _, r := range m.Devices {
		p.mu.Lock()
		_, asked := p.encoders[r.UUID]
		p.mu.Unlock()
		if asked || r.refuses(n) != "" {
			continue
		}
		err := errors.New("this worker has no way to try")
		if p.cfg.Encode != nil {
			err = p.cfg.Encode(ctx, r.Device)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.mu.Lock()
		p.encoders[r.UUID] = err
		p.mu.Unlock()
	}
	return nil
}
