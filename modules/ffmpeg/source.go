package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/film"
)

// Limits of one input.
const (
	maxSide     = 16_384    // pixels
	maxDuration = 24 * 3600 // seconds
	maxPictures = 100_000   // of a sequence
)

// pictures are the extensions that a sequence may have: what decodes each is chosen by its name.
func pictures() []string {
	return []string{".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".exr", ".ppm", ".pgm", ".pbm", ".pam", ".tga", ".dpx", ".qoi", ".hdr"}
}

// An input is a file, or a sequence of them, that was looked at.
type input struct {
	args          []string // up to and with its name
	warnings      []string
	bytes         int64
	files         int
	duration      float64 // seconds; 0 is unknown
	width, height int
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
	real, err := in.find(c, name, config)
	if err != nil {
		return input{}, err
	}
	args = append(args, in.args...)
	in.args = append(append(film.Confined(), args...), "-i", real)
	var about []string
	for i := 0; i+1 < len(args); i++ {
		// What tells FFprobe how to read the input; how much of it and how often is nothing to it.
		if slices.Contains([]string{"-f", "-pattern_type", "-start_number", "-framerate", "-pixel_format", "-video_size", "-ar", "-ac"}, args[i]) {
			about = append(about, args[i], args[i+1])
		}
	}
	p, err := film.Ask(ctx, c, about, real)
	if err != nil {
		return input{}, err
	}
	in.width, in.height, in.duration = p.Size()
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
func (in *input) find(c *modules.Call, name string, config map[string]any) (real string, err error) {
	if _, err := c.Workspace.Stat(name); errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(path.Base(name), "%*?") {
		return in.sequence(c, name, given(config, "start_number"))
	}
	in.files = 1
	if in.bytes, err = film.Look(c, name); err != nil {
		return "", err
	}
	return c.Workspace.Path(name)
}

// sequence finds the pictures of a pattern; begins are the numbers that the first may have.
func (in *input) sequence(c *modules.Call, name string, begins []any) (string, error) {
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
		n, err := film.Look(c, file)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path.Base(file), err)
		}
		in.bytes += n
	}
	in.files = len(all)
	if number.MatchString(path.Base(name)) {
		in.count(all, name, begins)
	} else {
		in.args = []string{"-f", "image2", "-pattern_type", "glob"}
	}
	dir, err := c.Workspace.Path(path.Dir(name))
	return filepath.Join(dir, path.Base(name)), err
}

// count finds the number that a sequence begins with, and tells where it has a gap: FFmpeg reads no further.
func (in *input) count(all []string, pattern string, begins []any) {
	start := lowest(all, path.Base(pattern))
	if begins == nil {
		in.args = []string{"-start_number", strconv.Itoa(start)}
	} else if n, ok := number(begins[len(begins)-1]); ok {
		start = int(n)
	}
	there, end := map[string]bool{}, start
	for _, name := range all {
		there[name] = true
	}
	for there[fmt.Sprintf(path.Clean(pattern), end)] {
		delete(there, fmt.Sprintf(path.Clean(pattern), end))
		end++
	}
	later := slices.DeleteFunc(slices.Collect(maps.Keys(there)), func(name string) bool { return lowest([]string{name}, path.Base(pattern)) < end })
	if end > start && len(later) > 0 {
		in.warnings = append(in.warnings, fmt.Sprintf("there is no %s, and %d pictures after it were not read: a sequence ends where a number is missing",
			fmt.Sprintf(path.Clean(pattern), end), len(later)))
	}
}

// lowest is the smallest number that the names of a sequence have in the place of pattern's.
func lowest(names []string, pattern string) int {
	at := strings.IndexByte(pattern, '%')
	least, digit := -1, regexp.MustCompile(`^\d+`)
	for _, name := range names {
		digits := digit.FindString(path.Base(name)[max(0, min(at, len(path.Base(name)))):])
		if n, err := strconv.Atoi(digits); err == nil && (least < 0 || n < least) {
			least = n
		}
	}
	return max(0, least)
}
