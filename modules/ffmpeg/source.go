package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

// Limits of one input.
const (
	maxSide     = 16_384         // pixels
	maxDuration = 24 * 3600      // seconds
	maxPictures = 100_000        // of a sequence
	maxBytes    = int64(1) << 40 // of all files
)

// demuxers are the formats that are read: files of video, sound, pictures and subtitles. Lists of other files (HLS, concat),
// drawings, devices, servers and what makes its own pictures are not.
func demuxers() []string {
	return []string{
		"mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "flv", "live_flv", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc",
		"obu", "av1", "ivf", "ogg", "asf", "mxf", "gxf", "nut", "dv", "rm", "wtv", "y4m", "yuv4mpegpipe", "rawvideo", "vc1", "mjpeg", "gif", "apng", "webp_pipe",
		"wav", "w64", "mp3", "aac", "ac3", "eac3", "dts", "flac", "aiff", "au", "caf", "amr", "wv", "ape", "tta", "opus",
		"s16le", "s16be", "s24le", "s32le", "f32le", "f64le", "u8", "mulaw", "alaw",
		"image2", "image2pipe", "png_pipe", "jpeg_pipe", "jpegls_pipe", "bmp_pipe", "tiff_pipe", "exr_pipe", "ppm_pipe", "pgm_pipe", "pbm_pipe", "pam_pipe",
		"psd_pipe", "sgi_pipe", "dpx_pipe", "qoi_pipe", "hdr_pipe", "j2k_pipe", "pcx_pipe", "sunrast_pipe", "srt", "ass", "webvtt",
	}
}

// pictures are the extensions that a sequence may have: what decodes each is chosen by its name.
func pictures() []string {
	return []string{".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".exr", ".ppm", ".pgm", ".pbm", ".pam", ".tga", ".dpx", ".qoi", ".hdr"}
}

// An input is a file, or a sequence of them, that was looked at.
type input struct {
	args          []string // up to its name
	warnings      []string
	bytes         int64
	files         int
	start         int     // number of the first of a sequence
	duration      float64 // seconds; 0 is unknown
	width, height int
}

// confined are the options that keep an input from being something else than it was taken for.
func confined() []string {
	return []string{"-protocol_whitelist", "file", "-format_whitelist", strings.Join(demuxers(), ",")}
}

// look finds an input by its name, and asks FFprobe what it is.
func look(ctx context.Context, c *modules.Call, name string, config map[string]any) (input, error) {
	args, warnings, err := inputOptions(config)
	if err != nil {
		return input{}, fault.As(fault.Permanent, err)
	}
	if err := checkValues(c, config); err != nil {
		return input{}, fault.As(fault.Permanent, err)
	}
	in := input{warnings: warnings}
	real, err := in.find(c, name)
	if err != nil {
		return input{}, err
	}
	if in.files > 1 && strings.ContainsAny(path.Base(name), "*?") {
		args = append(args, "-f", "image2", "-pattern_type", "glob")
	}
	if in.start > 0 && first(config, "start_number") == nil {
		args = append(args, "-start_number", strconv.Itoa(in.start))
	}
	in.args = append(append(confined(), args...), "-i", real)
	var about []string
	for i := 0; i+1 < len(args); i++ {
		// What tells FFprobe how to read the input; how much of it and how often is nothing to it.
		if slices.Contains([]string{"-f", "-pattern_type", "-start_number", "-framerate", "-pixel_format", "-video_size", "-ar", "-ac"}, args[i]) {
			about = append(about, args[i], args[i+1])
		}
	}
	p, err := ask(ctx, c, about, real)
	if err != nil {
		return input{}, err
	}
	in.width, in.height, in.duration = p.size()
	if in.files > 1 && in.duration == 0 {
		in.duration = float64(in.files) / 25
	}
	switch {
	case len(p.Streams) == 0:
		err = errors.New("there is no video, sound or picture in it")
	case max(in.width, in.height) > maxSide:
		err = fmt.Errorf("it is %d×%d pixels, more than the %d on a side that are read", in.width, in.height, maxSide)
	case in.duration > maxDuration:
		err = fmt.Errorf("it is %.0f s long, more than the %d that are read", in.duration, maxDuration)
	}
	return in, fault.As(fault.Permanent, err)
}

// find returns the real path of a file, or the pattern of a sequence all of whose files were looked at.
func (in *input) find(c *modules.Call, name string) (real string, err error) {
	if _, err := c.Workspace.Stat(name); errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(path.Base(name), "%*?") {
		return in.sequence(c, name)
	}
	in.files = 1
	if in.bytes, err = lookAt(c, name); err != nil {
		return "", err
	}
	return c.Workspace.Path(name)
}

func (in *input) sequence(c *modules.Call, name string) (string, error) {
	if !slices.Contains(pictures(), strings.ToLower(path.Ext(name))) {
		return "", fault.As(fault.Permanent, fmt.Errorf("%q is no sequence of pictures (%s)", name, strings.Join(pictures(), ", ")))
	}
	number := regexp.MustCompile(`%0?\d*d`)
	if n := len(number.FindAllString(path.Base(name), -1)); strings.Count(name, "%") != n || n > 1 || strings.ContainsAny(path.Dir(name), "%*?[") {
		return "", fault.As(fault.Permanent, fmt.Errorf("%q has more to fill in than one number (%%04d) in the name of the file", name))
	}
	all, err := c.Workspace.Glob(number.ReplaceAllString(name, "[0-9]*"))
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", fault.As(fault.Permanent, fmt.Errorf("there is no file %q; check the path and the task that should have written it", name))
	}
	if len(all) > maxPictures {
		return "", fault.As(fault.Permanent, fmt.Errorf("there are %d pictures, more than the %d that are read", len(all), maxPictures))
	}
	for _, file := range all {
		n, err := lookAt(c, file)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path.Base(file), err)
		}
		in.bytes += n
	}
	in.files = len(all)
	in.start = lowest(all, path.Base(name))
	dir, err := c.Workspace.Path(path.Dir(name))
	return filepath.Join(dir, path.Base(name)), err
}

// lowest is the smallest number that the names of a sequence have in the place of pattern's.
func lowest(names []string, pattern string) int {
	at := strings.IndexByte(pattern, '%')
	least := -1
	for _, name := range names {
		digits := regexp.MustCompile(`^\d+`).FindString(path.Base(name)[max(0, min(at, len(path.Base(name)))):])
		if n, err := strconv.Atoi(digits); err == nil && (least < 0 || n < least) {
			least = n
		}
	}
	return max(0, least)
}

// lookAt says how large a file is, if it is one and no list of others.
func lookAt(c *modules.Call, name string) (int64, error) {
	if _, err := c.Workspace.Path(name); err != nil {
		return 0, err
	}
	if ext := strings.ToLower(path.Ext(name)); ext == ".svg" || ext == ".svgz" {
		return 0, fault.As(fault.Permanent, errors.New("it is called a drawing, which may name files and servers of others; give a picture"))
	}
	f, err := c.Workspace.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	switch {
	case !info.Mode().IsRegular():
		return 0, fault.As(fault.Permanent, errors.New("it is not a regular file"))
	case info.Size() == 0:
		return 0, fault.As(fault.Permanent, errors.New("it is empty"))
	case info.Size() > maxBytes:
		return 0, fault.As(fault.Permanent, fmt.Errorf("it has %d GiB, more than the %d that are read", info.Size()>>30, maxBytes>>30))
	}
	head := make([]byte, 1024)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, err
	}
	return info.Size(), fault.As(fault.Permanent, lists(head[:n]))
}

// lists says which list of other files one is, by how it begins.
func lists(head []byte) error {
	text := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	for _, m := range []struct{ begins, what string }{
		{"#EXTM3U", "an HLS playlist"},
		{"ffconcat", "a list of files to join"},
		{"file ", "a list of files to join"},
		{"[playlist]", "a playlist"},
		{"v=0", "the description of a session on the network"},
		{"<", "XML, such as a drawing, a DASH manifest or a playlist"},
	} {
		if len(text) >= len(m.begins) && bytes.EqualFold(text[:len(m.begins)], []byte(m.begins)) {
			return fmt.Errorf("it is %s, which may name files and servers of others; give the files themselves", m.what)
		}
	}
	return nil
}
