package ffmpeg_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/ffmpeg"
)

func TestWhatReachesForOthersIsRefused(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.mp4")
	c, _ := real(t)
	source(t, c, "clip.mp4", "-i", "testsrc=s=64x48:r=10:d=1")
	require.NoError(t, c.Workspace.WriteFile("words.srt", []byte("1\n00:00:00,000 --> 00:00:01,000\nHi\n")))
	data, err := c.Workspace.ReadFile("clip.mp4")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(secret, data, 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(c.Workspace.Real(), "link.mp4")))
	playlist := "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://" + secret + "\n#EXT-X-ENDLIST\n"
	for name, text := range map[string]string{
		"hls.mp4": playlist, "h l s.mp4": playlist,
		"web.mp4": "#EXTM3U\n#EXTINF:1,\nhttp://169.254.169.254/latest\n#EXT-X-ENDLIST\n",
		"cat.mp4": "ffconcat version 1.0\nfile '" + secret + "'\n", "cat.txt": "# mine\nfile '" + secret + "'\n",
		"svg.png": "<!-- x --><svg><image href='" + secret + "'/></svg>", "sdp.mp4": "v=0\no=- 0 0 IN IP4 10.0.0.1\n", "pic.svg": "GIF89a",
	} {
		require.NoError(t, c.Workspace.WriteFile(name, []byte(text)))
	}
	for _, tt := range []struct {
		name    string
		src     string
		in, out map[string]any
		want    string
	}{
		{"an HLS playlist", "hls.mp4", nil, nil, "read hls.mp4: it is an HLS playlist"},
		{"one of a server", "web.mp4", nil, nil, "it is an HLS playlist"},
		{"a list to join", "cat.mp4", nil, nil, "it is a list of files to join"},
		{"one behind a comment", "cat.txt", nil, nil, "it is no"},
		{"a list to join, by its option", "cat.txt", map[string]any{"f": "concat", "safe": int64(0)}, nil, "f: concat is not read here"},
		{"a drawing", "svg.png", nil, nil, "it is XML, such as a drawing"},
		{"a drawing by its name", "pic.svg", nil, nil, "it is called a drawing"},
		{"a decoder of drawings", "clip.mp4", map[string]any{"c:v": "librsvg"}, nil, "reads drawings"},
		{"a session", "sdp.mp4", nil, nil, "it is the description of a session"},
		{"an address", "http://169.254.169.254/x.mp4", nil, nil, "there is no file"},
		{"a protocol", "concat:clip.mp4|clip.mp4", nil, nil, "there is no file"},
		{"an absolute path", secret, nil, nil, "is outside the workspace"},
		{"a link", "link.mp4", nil, nil, "is outside the workspace"},
		{"a device", "clip.mp4", map[string]any{"f": "x11grab"}, nil, "f: x11grab is not read here"},
		{"a filter's file", "clip.mp4", nil, map[string]any{"vf": "movie=" + secret + "[a];[in][a]overlay"}, "is outside the workspace"},
		{"in quotes", "clip.mp4", nil, map[string]any{"vf": `movie='\` + secret + `'[a];[in][a]overlay`}, "is outside the workspace"},
		{"through a link", "clip.mp4", nil, map[string]any{"vf": "movie=link.mp4[a];[in][a]overlay"}, "is outside the workspace"},
		{"upwards", "clip.mp4", nil, map[string]any{"vf": "subtitles=../other/words.srt"}, "leads out"},
		{"a server", "clip.mp4", nil, map[string]any{"vf": `movie=http\\://169.254.169.254/x[a];[in][a]overlay`}, "is not opened here"},
		{"a server without slashes", "clip.mp4", nil, map[string]any{"vf": `movie=http\\:169.254.169.254/x[a];[in][a]overlay`}, "http: is not opened here"},
		{"a stream of one", "clip.mp4", nil, map[string]any{"vf": `subtitles=rtsp\:169.254.169.254/x`}, "rtsp: is not opened here"},
		{"a filter's playlist", "clip.mp4", nil, map[string]any{"vf": "movie=hls.mp4[a];[in][a]overlay"}, "read hls.mp4: it is an HLS playlist"},
		{"one with a strange name", "clip.mp4", nil, map[string]any{"vf": `movie='h l s.mp4'[a];[in][a]overlay`}, `"h l s.mp4" is no name for a file that an option reads`},
		{"a list that a filter joins", "clip.mp4", nil, map[string]any{"vf": "movie=filename=cat.txt:f=concat[a];[in][a]overlay"}, "f of the filter movie is not taken here"},
		{"commands", "clip.mp4", nil, map[string]any{"vf": "sendcmd=f=words.srt"}, "the filter sendcmd is not run here"},
		{"joined by a filter", "clip.mp4", nil, map[string]any{"vf": `movie=concat\\:a|b[a];[in][a]overlay`}, "is not opened here"},
		{"a filter that listens", "clip.mp4", nil, map[string]any{"vf": "scale=32:-1,zmq"}, "the filter zmq is not run here"},
		{"a filter that loads", "clip.mp4", nil, map[string]any{"filter:v": "frei0r=glow"}, "the filter frei0r is not run here"},
		{"filters in a file", "clip.mp4", nil, map[string]any{"filter_complex_script": "x.txt"}, "filter_complex_script is not taken here"},
		{"an attachment", "clip.mp4", nil, map[string]any{"attach": "/etc/passwd"}, "attach is not taken here"},
		{"a file of the encoder", "clip.mp4", nil, map[string]any{"x264-params": "qpfile=/etc/passwd"}, "is outside the workspace"},
		{"another input", "clip.mp4", nil, map[string]any{"-i /etc/passwd": true}, "is no option of FFmpeg"},
		{"another output", "clip.mp4", nil, map[string]any{"shortest": "/tmp/x.mp4"}, "shortest is true or false"},
		{"a tee", "clip.mp4", nil, map[string]any{"f": "tee"}, "tee is no file"},
		{"many files, with a dash", "clip.mp4", nil, map[string]any{"-f": "hls"}, "hls is a playlist and many files"},
		{"many files, of a stream", "clip.mp4", nil, map[string]any{"f:v": "hls"}, "hls is a playlist and many files"},
		{"many files, at last", "clip.mp4", nil, map[string]any{"f": []any{"mp4", "hls"}}, "hls is a playlist and many files"},
		{"no end, with a dash", "clip.mp4", map[string]any{"-stream_loop": int64(-1)}, nil, "without end"},
		{"no end, of a stream", "clip.mp4", map[string]any{"stream_loop:v": int64(-1)}, nil, "without end"},
		{"no end, in a list", "clip.mp4", map[string]any{"stream_loop": []any{" -1"}}, nil, "without end"},
		{"an end that is none", "clip.mp4", map[string]any{"stream_loop": int64(-1)}, map[string]any{"t": false}, "without end"},
		{"many files", "clip.mp4", nil, map[string]any{"f": "hls"}, "hls is a playlist and many files"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ffmpeg.Module.Run(t.Context(), c, props(tt.src, "out.mp4", tt.in, tt.out))
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			_, err = c.Workspace.Stat("out.mp4")
			require.Error(t, err)
		})
	}
	_, err = ffmpeg.Module.Run(t.Context(), c, props("clip.mp4", "out.mp4", nil, map[string]any{"vf": "subtitles=/home/workspace/words.srt"}))
	require.NoError(t, err, "the job's own files may be named")
	_, err = ffmpeg.Module.Run(t.Context(), c, props("clip.mp4", "out.mp4", nil, map[string]any{"vf": "drawtext=fontfile=/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:text='50/50'"}))
	require.NoError(t, err, "and the machine's fonts")
	_, err = ffmpeg.Module.Run(t.Context(), c, props("clip.mp4", "out.mp4", nil, map[string]any{"vf": "drawtext=fontfile=/usr/share/fonts/../../../etc/passwd:text=x"}))
	require.ErrorContains(t, err, "is outside the workspace")
}
