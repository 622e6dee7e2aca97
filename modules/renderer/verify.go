package renderer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"strconv"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/film"
	"github.com/millrace/millrace/modules/tool"
)

func permanent(format string, args ...any) error {
	return fault.As(fault.Permanent, fmt.Errorf(format, args...))
}

// A product is what was made.
type product struct {
	bytes    int64
	duration float64
	frames   int64
	audio    string
}

// verify opens what was written as its reader will, and holds it against what was to be made.
func (w *work) verify(ctx context.Context) (product, error) {
	made := product{}
	if !w.told.Ended {
		return made, errors.New("FFmpeg did not say that it came to the end")
	}
	info, err := os.Lstat(w.real(movie))
	if err != nil {
		return made, err
	}
	made.bytes = info.Size()
	p, err := film.Ask(ctx, w.c, []string{"-count_packets"}, w.real(movie))
	if err != nil {
		return made, err
	}
	video, ok := p.Of("video")
	if !ok {
		return made, errors.New("there is no video in it")
	}
	_, _, made.duration = p.Size()
	made.frames, _ = strconv.ParseInt(video.Packets, 10, 64)
	pl := w.plan
	switch {
	case video.Codec != "h264" || video.Pixels != "yuv420p":
		return made, fmt.Errorf("it is %s in %s, and was to be h264 in yuv420p", video.Codec, video.Pixels)
	case video.Width != pl.Width || video.Height != pl.Height:
		return made, fmt.Errorf("it is %d x %d pixels, and was to be %d x %d", video.Width, video.Height, pl.Width, pl.Height)
	case made.frames != int64(pl.frames):
		return made, fmt.Errorf("it holds %d of %d frames", made.frames, pl.frames)
	case math.Abs(made.duration-pl.long()) > 0.1+1/float64(pl.FPS):
		return made, fmt.Errorf("it is %.2f s long, and was to be %.2f", made.duration, pl.long())
	}
	if err := made.listen(p, pl); err != nil {
		return made, err
	}
	if err := w.isFast(); err != nil {
		return made, err
	}
	return made, w.captionsShow(ctx)
}

// listen is an error where the sound is not what was to be made, or ends before the pictures do.
func (made *product) listen(p film.Probe, pl *plan) error {
	sound, ok := p.Of("audio")
	if !ok && pl.Audio == "" {
		return nil
	}
	made.audio = sound.Codec
	long, _ := strconv.ParseFloat(sound.Duration, 64)
	if sound.Codec != "aac" || pl.Audio == "" || long < pl.long()-0.2 {
		return fmt.Errorf("its sound is %q of %.2f s, and was to be aac of %.2f", sound.Codec, long, pl.long())
	}
	return nil
}

// isFast is an error where the index does not come before the pictures: players on the web begin only when they have it.
func (w *work) isFast() error {
	f, err := os.Open(w.real(movie))
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		var box [8]byte
		if _, err := io.ReadFull(f, box[:]); err != nil {
			return fmt.Errorf("read its boxes: %w", err)
		}
		switch string(box[4:]) {
		case "moov":
			return nil
		case "mdat":
			return errors.New("its index comes last")
		}
		if _, err := f.Seek(int64(binary.BigEndian.Uint32(box[:4]))-8, io.SeekCurrent); err != nil {
			return err
		}
	}
}

// spots are frames on which captions are looked for: in the middle of the first and of the last.
func (w *work) spots() (all []int) {
	pl := w.plan
	if len(pl.cues) == 0 {
		return nil
	}
	for _, q := range []cue{pl.cues[0], pl.cues[len(pl.cues)-1]} {
		first, last := q.frames(pl.FPS, pl.frames)
		all = append(all, (first+last)/2)
	}
	return all
}

// picture is the number of the one that frame n shows: each begins with the frame that is nearest to its time.
func (w *work) picture(n int) int {
	i := (n + 1) * w.plan.pictures / w.plan.frames
	for ; i > 0; i-- {
		if int(float64(i)*float64(w.plan.frames)/float64(w.plan.pictures)+0.5) <= n {
			break
		}
	}
	return min(i, w.plan.pictures-1)
}

// captionsShow is an error where a frame that should have a caption looks as if it had none.
func (w *work) captionsShow(ctx context.Context) error {
	for _, n := range w.spots() {
		plain := w.kept[w.picture(n)]
		shown, err := w.frame(ctx, n)
		if err != nil {
			return fmt.Errorf("look at frame %d: %w", n, err)
		}
		if differing(plain, shown) < max(4, len(shown)/3/20_000) {
			return fmt.Errorf("no caption is seen on frame %d; are the fonts of this machine whole (fc-list)?", n)
		}
	}
	return nil
}

// frame decodes one, in RGB.
func (w *work) frame(ctx context.Context, n int) ([]byte, error) {
	at := max(0, (float64(n)-0.5)/float64(w.plan.FPS))
	args := append([]string{"-nostdin", "-hide_banner", "-y", "-v", "error", "-nostats"}, film.Confined()...)
	args = append(args, "-ss", strconv.FormatFloat(at, 'f', 6, 64), "-i", w.real(movie), "-map", "0:v:0", "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", w.real("frame.rgb"))
	if _, err := w.c.RunTool(ctx, modules.ToolRun{Tool: tool.FFmpeg(), Args: args, Reason: film.Reason}); err != nil {
		return nil, err
	}
	pixels, err := os.ReadFile(w.real("frame.rgb"))
	if err == nil && len(pixels) != 3*w.plan.Width*w.plan.Height {
		err = errors.New("it is not there")
	}
	return pixels, err
}

const differs = 3 * 40 // of the sum of three colours: more than coding does

// differing counts pixels of the lower half that are not alike.
func differing(plain *image.RGBA, shown []byte) int {
	if plain == nil {
		return 0
	}
	count := 0
	for i := len(shown) / 6; i < len(shown)/3; i++ {
		sum := 0
		for k := range 3 {
			d := int(plain.Pix[4*i+k]) - int(shown[3*i+k])
			sum += max(d, -d)
		}
		if sum > differs {
			count++
		}
	}
	return count
}
