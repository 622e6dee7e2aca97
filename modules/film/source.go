package film

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
)

const maxBytes = int64(1) << 40 // of a file

// Demuxers are the formats that are read: files of video, sound, pictures and subtitles. Lists of other files (HLS, concat),
// drawings, devices, servers and what makes its own pictures are not.
func Demuxers() []string {
	return []string{
		"mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "flv", "live_flv", "mpegts", "mpeg", "mpegvideo", "m4v", "h264", "hevc",
		"obu", "av1", "ivf", "ogg", "asf", "mxf", "gxf", "nut", "dv", "rm", "wtv", "y4m", "yuv4mpegpipe", "rawvideo", "vc1", "mjpeg", "gif", "apng", "webp_pipe",
		"wav", "w64", "mp3", "aac", "ac3", "eac3", "dts", "flac", "aiff", "au", "caf", "amr", "wv", "ape", "tta", "opus",
		"s16le", "s16be", "s24le", "s32le", "f32le", "f64le", "u8", "mulaw", "alaw",
		"image2", "image2pipe", "png_pipe", "jpeg_pipe", "jpegls_pipe", "bmp_pipe", "tiff_pipe", "exr_pipe", "ppm_pipe", "pgm_pipe", "pbm_pipe", "pam_pipe",
		"psd_pipe", "sgi_pipe", "dpx_pipe", "qoi_pipe", "hdr_pipe", "j2k_pipe", "pcx_pipe", "sunrast_pipe", "srt", "ass", "webvtt",
	}
}

// Confined are the options that keep an input from being something else than it was taken for.
func Confined() []string {
	return []string{"-protocol_whitelist", "file", "-format_whitelist", strings.Join(Demuxers(), ",")}
}

// Look says how large a file is, if it is one and no list of others.
func Look(c *modules.Call, name string) (int64, error) {
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
