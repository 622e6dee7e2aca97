//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/base64"
	endian "encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
)

// avatar is a picture with a head and shoulders, and nothing behind it.
func avatar(t *testing.T) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 300, 300))
	for y := range 300 {
		for x := range 300 {
			head := math.Hypot(float64(x-150), float64(y-110)) < 70
			shoulders := math.Hypot(float64(x-150)/1.4, float64(y-300)) < 95
			switch {
			case head:
				img.SetNRGBA(x, y, color.NRGBA{230, 180, 150, 255})
			case shoulders:
				img.SetNRGBA(x, y, color.NRGBA{40, 90, 160, 255})
			}
		}
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, img))
	return b.Bytes()
}

// voice is a tone of some seconds, as WAV.
func voice(t *testing.T, seconds int) []byte {
	t.Helper()
	const rate = 8000
	var b bytes.Buffer
	n := uint32(rate * seconds * 2)
	for _, v := range []any{
		[]byte("RIFF"), 36 + n, []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(2 * rate), uint16(2), uint16(16), []byte("data"), n,
	} {
		require.NoError(t, endian.Write(&b, endian.LittleEndian, v))
	}
	for i := range rate * seconds {
		require.NoError(t, endian.Write(&b, endian.LittleEndian, int16(8000*math.Sin(float64(i)/5))))
	}
	return b.Bytes()
}

// A studio is a bucket of avatars, with the variables by which the renderer of VideoGenie finds it.
type studio struct {
	*mill
	cos    *s3.Client
	bucket string
	said   chan map[string]any // completion callbacks
	urls   string              // of what takes them, and has the voice
}

func newStudio(t *testing.T) *studio {
	t.Helper()
	s := &studio{bucket: "vg-" + strings.ToLower(strconv.FormatInt(int64(os.Getpid()), 36)) + "-videos", said: make(chan map[string]any, 8)}
	s.cos = s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(servertest.Versitygw(t)), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(servertest.AccessKey, servertest.SecretKey, ""),
	})
	_, err := s.cos.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &s.bucket})
	require.NoError(t, err)
	for _, name := range []string{"anna", "default"} {
		_, err = s.cos.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.bucket, Key: aws.String("avatars/" + name + ".png"), Body: bytes.NewReader(avatar(t))})
		require.NoError(t, err)
	}
	spoken := voice(t, 3)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/voice.wav" {
			_, _ = w.Write(spoken)
			return
		}
		var body map[string]any
		if json.NewDecoder(r.Body).Decode(&body) == nil {
			s.said <- body
		}
	}))
	t.Cleanup(server.Close)
	s.urls = server.URL
	s.mill = newMill(
		t, "COS_ENDPOINT="+servertest.Versitygw(t), "COS_BUCKET="+s.bucket, "COS_ACCESS_KEY="+servertest.AccessKey, "COS_SECRET_KEY="+servertest.SecretKey,
		"MILLRACE_ALLOW_HOSTS=127.0.0.1", "MILLRACE_CALLBACK_SECRET=whsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))),
	)
	return s
}

// order sends the payload of VideoGenie.
func (s *studio) order(id string, payload map[string]any) {
	s.job(id, "videogenie_render", map[string]any{"state": payload, "callback": map[string]any{"url": s.urls + "/done"}})
}

// fetch is a video of the bucket, as a file.
func (s *studio) fetch(key string) string {
	s.t.Helper()
	got, err := s.cos.GetObject(context.Background(), &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	require.NoError(s.t, err)
	defer got.Body.Close()
	require.Equal(s.t, "video/mp4", aws.ToString(got.ContentType))
	data, err := io.ReadAll(got.Body)
	require.NoError(s.t, err)
	file := filepath.Join(s.t.TempDir(), "video.mp4")
	require.NoError(s.t, os.WriteFile(file, data, 0o600))
	return file
}

// about is what FFprobe says of a video: its frames, seconds and streams.
func about(t *testing.T, file string) (frames, streams int, seconds float64) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-count_frames", "-show_entries", "format=nb_streams,duration:stream=nb_read_frames,codec_type", "-of", "json", file).Output()
	require.NoError(t, err)
	var got struct {
		Format struct {
			Streams  int `json:"nb_streams"`
			Duration string
		}
		Streams []struct {
			Type   string `json:"codec_type"`
			Frames string `json:"nb_read_frames"`
		}
	}
	require.NoError(t, json.Unmarshal(out, &got))
	require.Equal(t, "video", got.Streams[0].Type)
	frames, err = strconv.Atoi(got.Streams[0].Frames)
	require.NoError(t, err)
	seconds, err = strconv.ParseFloat(got.Format.Duration, 64)
	require.NoError(t, err)
	return frames, got.Format.Streams, seconds
}

// G3, G4, G5: the payloads that the renderer of VideoGenie and its producer know, from a message to a video in the bucket, and its
// address in the record and in the callback.
func TestG3VideoGenieIsRenderedFromBucketToBucket(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.order("renderers", map[string]any{"jobId": "b2c8", "avatar": "anna", "script": "Welcome to the mill. It's 100% water: %{pts} {\\an8} \"quoted\"."})
	s.order("producers", map[string]any{
		"jobId": "../x", "avatarId": "anna", "voiceId": "en-1", "text": "The voice is longer.", "slides": []any{map[string]any{"title": "One"}},
		"voiceUrl": s.urls + "/voice.wav", "width": 320, "height": 240,
	})
	s.order("least", map[string]any{})
	s.order("stranger", map[string]any{"jobId": "b2c9", "avatar": "nobody", "script": "Hello"})
	s.order("metadata", map[string]any{"jobId": "b2ca", "voiceUrl": "http://169.254.169.254/latest/meta-data/voice.mp3"})
	log := s.work()

	endpoint := servertest.Versitygw(t) + "/" + s.bucket + "/videos/"
	urls := map[string]string{}
	for range 5 {
		body := hear(t, s.said)["data"].(map[string]any)
		if result, ok := body["result"].(map[string]any); ok && result["uploaded"] != nil {
			urls[body["id"].(string)] = result["uploaded"].(map[string]any)["url"].(string)
		}
	}
	for _, tt := range []struct {
		id, key string
		frames  int
		streams int
		cues    float64
	}{
		{"renderers", "b2c8.mp4", 100, 1, 1}, // ten words at 150 a minute
		{"producers", "..-x.mp4", 75, 2, 1},
		{"least", "least.mp4", 125, 1, 0},
	} {
		rec := s.record(tt.id)
		require.Equal(t, "SUCCEEDED", string(rec.Status), "%s: %s\n%s", tt.id, rec.Message, log)
		require.Equal(t, endpoint+tt.key, urls[tt.id], tt.id)
		require.Equal(t, urls[tt.id], rec.Result["uploaded"].(map[string]any)["url"])
		video := rec.Result["video"].(map[string]any)
		require.EqualValues(t, tt.frames, video["frames"], tt.id)
		require.EqualValues(t, tt.cues, video["captions"], tt.id)
		require.Contains(t, []any{"libx264", "h264_nvenc"}, video["encoder"])
		file := s.fetch("videos/" + tt.key)
		frames, streams, seconds := about(t, file)
		require.Equal(t, tt.frames, frames, tt.id)
		require.Equal(t, tt.streams, streams, tt.id)
		require.InDelta(t, float64(tt.frames)/25, seconds, 0.1)
	}
	for id, want := range map[string]string{"stranger": "avatars/nobody.png", "metadata": "169.254.169.254"} {
		rec := s.record(id)
		require.Contains(t, []string{"FAILED", "DEAD"}, string(rec.Status), id)
		require.Contains(t, rec.Message, want)
	}
	list, err := s.cos.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String("videos/")})
	require.NoError(t, err)
	require.Len(t, list.Contents, 3, "who fails uploads nothing")
	private, err := http.Get(endpoint + "b2c8.mp4")
	require.NoError(t, err)
	require.NoError(t, private.Body.Close())
	require.Equal(t, http.StatusForbidden, private.StatusCode)

	// G1: a pod that is there for one job finds the same payload in its environment.
	pod := newPlace(t)
	pod.env = append(slices.Clone(s.env), `JOB_PAYLOAD={"jobId": "b2cb", "avatarId": "anna", "voiceId": "en-1", "text": "Once.", "width": 320, "height": 240}`)
	pod.succeeds("run")
	_, streams, _ := about(t, s.fetch("videos/b2cb.mp4"))
	require.Equal(t, 1, streams)
}
