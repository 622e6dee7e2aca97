package gateway

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// Variables of a process that TestAsAGateway makes a gateway: a folder, or a bucket of a server.
const (
	asFolder = "MILLRACE_TEST_FOLDER"
	asBucket = "MILLRACE_TEST_BUCKET"
	asServer = "MILLRACE_TEST_SERVER"
)

// It is no test, but what tests run this program again for: a gateway that can be measured, and killed.
func TestAsAGateway(t *testing.T) {
	if os.Getenv(asFolder) == "" {
		return
	}
	store, uploads := openStore(t, os.Getenv(asFolder), os.Getenv(asServer), os.Getenv(asBucket))
	g, err := New(Config{
		Store: store, Uploads: uploads, Records: record.New(store, time.Now), Log: slog.New(slog.DiscardHandler),
		Send: func(context.Context, *job.Job, queue.Draft) error { return nil },
	})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	fmt.Println("http://" + l.Addr().String())
	server := &http.Server{Handler: g}
	go func() { _ = server.Serve(l) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = server.Close()
}

func openStore(t *testing.T, folder, endpoint, bucket string) (blob.Store, Uploads) {
	t.Helper()
	if bucket == "" {
		s, err := dirblob.Open(folder)
		require.NoError(t, err)
		return s, Uploads{}
	}
	s, err := s3blob.Open(t.Context(), s3blob.Config{AWS: sdk.AWS{Endpoint: endpoint, Region: "us-east-1"}, Bucket: bucket})
	require.NoError(t, err)
	return s, Uploads{Bucket: bucket, Spool: func() (*os.File, error) {
		f, err := os.CreateTemp(folder, "part-")
		if err == nil {
			err = os.Remove(f.Name())
		}
		return f, err
	}}
}

// A remote is a gateway in a process of its own.
type remote struct {
	t     *testing.T
	cmd   *exec.Cmd
	url   string
	store blob.Store
}

func newRemote(t *testing.T, endpoint string) *remote {
	t.Helper()
	folder, bucket := t.TempDir(), ""
	if endpoint != "" {
		bucket = blobtest.Bucket(t, endpoint)
		blobtest.AWS(t, endpoint) // its keys, in the environment
	}
	r := &remote{t: t, cmd: exec.Command(os.Args[0], "-test.run=^TestAsAGateway$")}
	r.store, _ = openStore(t, folder, endpoint, bucket)
	r.cmd.Env = append(os.Environ(), asFolder+"="+folder, asServer+"="+endpoint, asBucket+"="+bucket)
	stdin, err := r.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := r.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = r.cmd.Wait()
	})
	r.url, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	r.url = strings.TrimSpace(r.url)
	return r
}

// anonymous is how many bytes the process holds that are no file's.
func (r *remote) anonymous() int64 {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.cmd.Process.Pid), "status"))
	require.NoError(r.t, err)
	_, rest, _ := strings.Cut(string(b), "RssAnon:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	require.NoError(r.t, err)
	return kib << 10
}

// peak is the most that the process holds while f runs.
func (r *remote) peak(f func()) (most int64) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				most = max(most, r.anonymous())
			}
		}
	})
	f()
	close(done)
	wg.Wait()
	return max(most, r.anonymous())
}

func (r *remote) upload(name string, body io.Reader, size int64) (status int, err error) {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/v1/uploads?pipeline=hello&name="+name, body)
	if err != nil {
		return 0, err
	}
	req.ContentLength = size
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, cmp.Or(err, res.Body.Close())
}

// noughts is an endless file.
type noughts struct{}

func (noughts) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func envSize(t *testing.T, name string, small int64) int64 {
	t.Helper()
	n, err := strconv.ParseInt(cmp.Or(os.Getenv(name), strconv.FormatInt(small, 10)), 10, 64)
	require.NoError(t, err)
	return n
}

// One file of MILLRACE_SOAK_UPLOAD bytes (32 MiB), and MILLRACE_SOAK_UPLOADS (24) of 2 MiB at once that come slowly, leave the
// gateway's own memory as it is: the figures of `make soak`, 5 GiB and 500, are in docs/uploads.md.
func TestUploadsAreNeverHeldInMemory(t *testing.T) {
	size, many := envSize(t, "MILLRACE_SOAK_UPLOAD", 32<<20), int(envSize(t, "MILLRACE_SOAK_UPLOADS", 24))
	for name, endpoint := range map[string]string{"folder": "", "bucket": servertest.Versitygw(t)} {
		t.Run(name, func(t *testing.T) {
			r := newRemote(t, endpoint)
			status, err := r.upload("first", strings.NewReader("x"), 1)
			require.NoError(t, err)
			require.Equal(t, http.StatusAccepted, status)
			before := r.anonymous()

			begun := time.Now()
			one := r.peak(func() {
				status, err := r.upload("big", io.LimitReader(noughts{}, size), size)
				require.NoError(t, err)
				require.Equal(t, http.StatusAccepted, status)
			})
			took := time.Since(begun)
			t.Logf("%s: a file of %d MiB in %s: %d MiB, of %d MiB before", name, size>>20, took.Round(time.Millisecond), one>>20, before>>20)
			require.Less(t, one-before, size/2)
			require.Less(t, one, int64(100<<20)*slowdown)

			several := r.peak(func() { r.slowly(many) })
			t.Logf("%s: %d slow uploads at once: %d MiB", name, many, several>>20)
			require.Less(t, several-before, int64(many)<<20*slowdown, "half of what is on its way")
			require.Less(t, several, int64(256<<20)*slowdown)
		})
	}
}

// slowly sends that many files of 2 MiB at once. None ends before all have come half way.
func (r *remote) slowly(many int) {
	var half, all sync.WaitGroup
	half.Add(many)
	errs := make(chan error, many)
	for i := range many {
		all.Go(func() {
			body := &slowBody{left: 16, half: sync.OnceFunc(half.Done), all: half.Wait}
			defer body.half() // those who wait for it would wait for ever
			status, err := r.upload(fmt.Sprintf("slow-%d", i), body, 16*slowChunk)
			if err == nil && status != http.StatusAccepted {
				err = fmt.Errorf("answered %d", status)
			}
			errs <- err
		})
	}
	all.Wait()
	for range many {
		require.NoError(r.t, <-errs)
	}
}

const slowChunk = 128 << 10

// A slowBody comes in chunks, with pauses between them, and waits half way for the others.
type slowBody struct {
	left int
	half func() // says that it is half way
	all  func() // waits until all are
	bytes.Reader
}

func (s *slowBody) Read(p []byte) (int, error) {
	if s.Len() == 0 {
		if s.left == 0 {
			return 0, io.EOF
		}
		if s.left--; s.left == 8 {
			s.half()
			s.all()
		}
		time.Sleep(10 * time.Millisecond) // it is what makes it slow
		s.Reset(make([]byte, slowChunk))
	}
	return s.Reader.Read(p)
}

func TestAGatewayThatIsKilledLeavesNothingOfAnUpload(t *testing.T) {
	for name, endpoint := range map[string]string{"folder": "", "bucket": servertest.Versitygw(t)} {
		t.Run(name, func(t *testing.T) {
			r := newRemote(t, endpoint)
			body, w := io.Pipe()
			done := make(chan error, 1)
			go func() {
				_, err := r.upload("big", body, 64<<20)
				done <- err
			}()
			_, err := io.CopyN(w, noughts{}, 20<<20) // into the third part
			require.NoError(t, err)
			require.NoError(t, r.cmd.Process.Kill())
			_ = w.CloseWithError(io.ErrUnexpectedEOF)
			require.Error(t, <-done)
			for in, err := range r.store.List(t.Context(), "", "") {
				require.NoError(t, err)
				t.Fatalf("%s is left", in.Key)
			}
		})
	}
}

func TestABucketItselfTakesAFileThatAURLWasSignedFor(t *testing.T) {
	endpoint := servertest.Versitygw(t)
	bucket := blobtest.Bucket(t, endpoint)
	blobtest.AWS(t, endpoint)
	store, uploads := openStore(t, t.TempDir(), endpoint, bucket)
	uploads.Presign = store.(*s3blob.Store).Presign
	d := newDock(t, func(c *Config) { c.Store, c.Records, c.Uploads = store, record.New(store, time.Now), uploads })
	d.store = store
	got := d.post("/v1/uploads/presign", `{"name": "Räder 1.stl", "size": 5, "type": "model/stl", "fields": {"pipeline": "hello"}}`)
	require.Equal(t, http.StatusCreated, got.Status, got.Detail)
	require.True(t, strings.HasPrefix(got.URL, endpoint), got.URL)
	put := func(body string) int {
		r, err := http.NewRequestWithContext(t.Context(), got.Method, got.URL, strings.NewReader(body))
		require.NoError(t, err)
		for name, v := range got.Headers {
			r.Header.Set(name, v)
		}
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	require.GreaterOrEqual(t, put("more than five"), 400)
	require.Equal(t, http.StatusConflict, d.post(got.Complete, "").Status)
	require.Equal(t, http.StatusOK, put("hello"))
	done := d.post(got.Complete, "")
	require.Equal(t, http.StatusAccepted, done.Status, done.Detail)
	b, err := blob.ReadAll(t.Context(), store, d.sent()[0].Inputs[0].Key, 100)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
	require.Equal(t, bucket, d.sent()[0].State["stagingBucket"])
}
