package ffmpeg

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules/argv"
	"github.com/millrace/millrace/modules/film"
)

// ours are options that the module sets, or that no job has a use for; what they ask for is not done, and said so.
func ours() []string {
	return []string{
		"y", "n", "i", "v", "loglevel", "hide_banner", "nostdin", "stdin", "progress", "stats", "nostats", "stats_period", "report",
		"benchmark", "benchmark_all", "debug_ts", "dump", "hex", "vstats", "psnr", "qphist", "timelimit", "cpuflags", "cpucount", "max_alloc",
	}
}

// refused are options that name files, servers or devices which nobody has looked at, and why.
func refused() map[string]string {
	const (
		script = "write the filters themselves (vf, af, filter_complex)"
		device = "files of the workspace are what is read and written"
	)
	return map[string]string{
		"filter_script": script, "filter_complex_script": script, "protocol_whitelist": device, "protocol_blacklist": device,
		"format_whitelist": device, "attach": device, "dump_attachment": device, "sdp_file": device, "vstats_file": device, "passlogfile": device,
		"fpre": device, "vpre": device, "apre": device, "spre": device, "pre": device, "tcp_nodelay": device, "headers": device, "http_proxy": device,
		"safe": device, "use_absolute_path": device, "enable_drefs": device, "allowed_extensions": device, "sources": device, "sinks": device,
		"export_path": device,
	}
}

// flags are options that take no value: one would be taken for a file to write.
func flags() []string {
	return []string{
		"re", "accurate_seek", "seek_timestamp", "copyts", "start_at_zero", "shortest", "bitexact", "copyinkf", "vn", "an", "sn", "dn",
		"autorotate", "autoscale", "find_stream_info", "fix_sub_duration", "ignore_unknown", "copy_unknown", "recast_media", "xerror",
		"reinit_filter", "auto_conversion_filters", "force_fps", "copypriorss",
	}
}

// inputOptions and outputOptions are the arguments that a map comes to, and a sentence on each key that changes nothing.
func inputOptions(config map[string]any) (args, warnings []string, err error) {
	for _, f := range given(config, "f") {
		if !slices.Contains(film.Demuxers(), fmt.Sprint(f)) {
			return nil, nil, fmt.Errorf("f: %v is not read here: it is a list of files, a device, a server or a program", f)
		}
	}
	for _, v := range given(config, "c", "codec", "vcodec") {
		if strings.Contains(fmt.Sprint(v), "svg") {
			return nil, nil, fmt.Errorf("the decoder %v reads drawings, which may name files and servers of others", v)
		}
	}
	return options("config.srcConfig", config)
}

func outputOptions(config map[string]any) (args, warnings []string, err error) {
	for _, f := range given(config, "f") {
		if err := checkFormat(fmt.Sprint(f)); err != nil {
			return nil, nil, err
		}
	}
	return options("config.destConfig", config)
}

func options(at string, config map[string]any) (args, warnings []string, err error) {
	good := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_:.+-]*$`)
	for _, key := range slices.Sorted(maps.Keys(config)) {
		name := strings.TrimLeft(key, "-")
		bare := bare(key)
		if !good.MatchString(name) {
			return nil, nil, fmt.Errorf("%q is no option of FFmpeg", key)
		}
		if why, ok := refused()[bare]; ok {
			return nil, nil, fmt.Errorf("%s is not taken here: %s", key, why)
		}
		if slices.Contains(ours(), bare) {
			warnings = append(warnings, fmt.Sprintf("%s.%s changes nothing: it is Millrace's own to say", at, key))
			continue
		}
		all, err := option(name, bare, config[key])
		if err != nil {
			return nil, nil, err
		}
		args = append(args, all...)
	}
	return args, warnings, nil
}

// bare is an option without its dashes and the streams that it is for.
func bare(key string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimLeft(key, "-"), "/"), ":")
	return name
}

// given are all values of options, by their bare names.
func given(config map[string]any, names ...string) (all []any) {
	for _, key := range slices.Sorted(maps.Keys(config)) {
		list, ok := config[key].([]any)
		if !ok {
			list = []any{config[key]}
		}
		if slices.Contains(names, bare(key)) {
			all = append(all, slices.DeleteFunc(slices.Clone(list), func(v any) bool { return v == nil || v == false })...)
		}
	}
	return all
}

// option is the arguments of one key. argv's rule for lists, all elements behind one option, is not FFmpeg's: it would write to a
// file that is called like the second.
func option(name, bare string, value any) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	var args []string
	for _, v := range list {
		if _, isMap := v.(map[string]any); isMap {
			return nil, fmt.Errorf("%s must be a text, a number, true or false, or a list of those", name)
		}
		if isFlag(bare) {
			on, err := isOn(v)
			if err != nil {
				return nil, fmt.Errorf("%s is true or false, and no %v", name, v)
			}
			v = on
		}
		words := argv.FromSingleDash(map[string]any{name: v})
		switch {
		case len(words) == 2 && isFilter(bare):
			if err := checkFilters(words[1]); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		case v == true && !isFlag(bare):
			words = append(words, "1") // of an option that takes a value, that is true
		}
		args = append(args, words...)
	}
	return args, nil
}

func isFlag(bare string) bool {
	return slices.Contains(flags(), bare) || slices.Contains(flags(), strings.TrimPrefix(bare, "no"))
}

func isOn(v any) (bool, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case string:
		return strconv.ParseBool(v)
	case int64:
		return strconv.ParseBool(strconv.FormatInt(v, 10))
	case int:
		return strconv.ParseBool(strconv.Itoa(v))
	}
	return false, errors.New("it is neither")
}

// checkDest says what is wrong with the name of the output.
func checkDest(dest string, config map[string]any) error {
	if given(config, "f") != nil {
		return nil
	}
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(dest), "."))
	if ext == "" {
		return errors.New("it has no extension that names a format; give one (.mp4), or config.destConfig.f")
	}
	return checkFormat(ext)
}

// checkFormat refuses those that write several files, to servers or to devices.
func checkFormat(format string) error {
	for name := range strings.SplitSeq(strings.ToLower(format), ",") {
		switch name {
		case "m3u8", "mpd", "ismv", "hls", "dash", "segment", "stream_segment", "ssegment", "smoothstreaming", "hds", "webm_chunk", "webm_dash_manifest":
			return fmt.Errorf("%s is a playlist and many files, which are not written here; write one (.mp4)", name)
		case "tee", "fifo", "fifo_test", "rtp", "rtp_mpegts", "rtsp", "sap", "sdp", "ffmetadata", "alsa", "oss", "pulse", "sdl", "sdl2", "opengl", "caca", "fbdev",
			"xv", "v4l2", "decklink", "chromaprint", "libtorrent", "tcp", "udp":
			return fmt.Errorf("%s is no file of video, sound or pictures; write one (.mp4)", name)
		}
	}
	return nil
}

// repeats says whether the options of an input make it endless.
func repeats(config map[string]any) bool {
	if slices.ContainsFunc(given(config, "stream_loop"), func(v any) bool { n, ok := number(v); return !ok || n < 0 }) {
		return true
	}
	loops := slices.ContainsFunc(given(config, "loop"), func(v any) bool { n, ok := number(v); return !ok || n != 0 })
	return loops && given(config, "t", "to") == nil
}

// ends says whether the options of the output bound it.
func ends(config map[string]any) bool {
	if given(config, "t", "to", "frames", "vframes", "fs") != nil {
		return true
	}
	return slices.ContainsFunc(given(config, "shortest"), func(v any) bool { on, err := isOn(v); return err == nil && on })
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case float64:
		return v, true
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	}
	return 0, false
}

// seconds reads a duration as FFmpeg writes it: a number, or [[HH:]MM:]SS.
func seconds(v any) (float64, bool) {
	if text, ok := v.(string); ok && strings.Contains(text, ":") {
		sum := 0.0
		for part := range strings.SplitSeq(text, ":") {
			f, err := strconv.ParseFloat(part, 64)
			if err != nil {
				return 0, false
			}
			sum = 60*sum + f
		}
		return sum, true
	}
	return number(v)
}
