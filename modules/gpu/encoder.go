package gpu

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/proc"
)

const (
	// encoderLimit is how long an encoder session may take. The first one on a GPU loads CUDA, which takes seconds.
	encoderLimit = 30 * time.Second
	// tryAgain is how long what kept FFmpeg from a session is believed, where that may pass: memory that others have, a
	// program that was killed, a driver's limit of sessions.
	tryAgain = time.Minute
)

// ErrNoEncoder is the cause where a device itself has no video encoder.
var ErrNoEncoder = errors.New("no video encoder")

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
			Env:    Environ(env, []Device{d}),
			Stderr: &limited{&said, 4 << 10},
		})
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s was not found, and it is what tries the encoder: run make tools", ffmpeg)
		case err != nil:
			return err
		case exit.Code == 0:
			return nil
		}
		why := "FFmpeg could not open a session: " + cmp.Or(reason(said.String()), fmt.Sprintf("exit code %d", exit.Code))
		if lacking(why) {
			return &because{why, ErrNoEncoder}
		}
		return errors.New(why)
	}
}

// lacking says whether FFmpeg's words are the device's own no: libavcodec/nvenc.c prints "unsupported device" where the driver
// refuses sessions for good, and "No capable devices found" alone where none is even asked for one.
func lacking(why string) bool {
	return strings.HasSuffix(why, ": No capable devices found") || strings.Contains(why, "unsupported device")
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

// A trial is one attempt to open a session on a device. Nobody is leased the device meanwhile.
type trial struct {
	done chan struct{} // closed when it is over
	over bool
	err  error
	// until is when err has to be heard anew; zero: never.
	until time.Time
}

// known says whether t is an answer. The caller holds the mu of t's pool.
func (t *trial) known() bool {
	return t != nil && t.over && (t.until.IsZero() || time.Now().Before(t.until))
}

// prove tries the encoders of devices that n could otherwise use, that nobody has, and of which it is not known. It returns
// when all those trials are over, whoever began them. They go on where ctx ends first.
func (p *Pool) prove(ctx context.Context, m *Machine, n Need) error {
	n.Encoder = false
	var all []*trial
	p.mu.Lock()
	p.mark(m)
	for _, r := range m.Devices {
		t := p.trials[r.UUID]
		switch {
		case r.refuses(n) != "" || t.known():
			continue
		case t != nil && !t.over:
		case r.Leased || p.closed:
			continue
		default:
			t = &trial{done: make(chan struct{})}
			p.trials[r.UUID] = t
			p.wg.Go(func() { p.try(t, r.Device) })
		}
		all = append(all, t)
	}
	p.mu.Unlock()
	for _, t := range all {
		select {
		case <-t.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (p *Pool) try(t *trial, d Device) {
	var err error = &because{"this worker has no way to try", ErrNoEncoder}
	if p.cfg.Encode != nil {
		err = p.cfg.Encode(p.life, d)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.over, t.err = true, err
	if err != nil && !errors.Is(err, ErrNoEncoder) {
		t.until = time.Now().Add(tryAgain)
	}
	close(t.done)
	p.wake()
}
