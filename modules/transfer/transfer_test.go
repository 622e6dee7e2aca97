package transfer_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/transfer"
	"github.com/millrace/millrace/modules/workspace"
)

// A yard is a bucket and a workspace.
type yard struct {
	t      *testing.T
	client *s3.Client
	name   string
	bucket transfer.Bucket
	dir    *workspace.Dir
}

func newYard(t *testing.T, objects ...string) *yard {
	t.Helper()
	endpoint := blobtest.Fake(t)
	y := &yard{t: t, client: blobtest.Client(endpoint), name: blobtest.Bucket(t, endpoint)}
	var err error
	y.bucket, err = s3blob.Open(t.Context(), s3blob.Config{AWS: blobtest.AWS(t, endpoint), Bucket: y.name, Foreign: true})
	require.NoError(t, err)
	y.dir, err = workspace.Open(t.TempDir(), workspace.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, y.dir.Close()) })
	for _, key := range objects {
		y.put(key, "object "+key)
	}
	return y
}

func (y *yard) put(key, body string) {
	y.t.Helper()
	_, err := y.client.PutObject(y.t.Context(), &s3.PutObjectInput{Bucket: &y.name, Key: &key, Body: strings.NewReader(body)})
	require.NoError(y.t, err)
}

func (y *yard) files(names ...string) {
	y.t.Helper()
	for _, name := range names {
		require.NoError(y.t, y.dir.WriteFile(name, []byte("file "+name)))
	}
}

func (y *yard) move(action, src, dest string, also ...func(*transfer.Transfer)) (transfer.Result, error) {
	y.t.Helper()
	tr := &transfer.Transfer{
		What:   transfer.What{Action: action, Src: src, Dest: dest, MaxFiles: 100},
		Bucket: y.bucket, Scheme: "s3", Name: "assets", Dir: y.dir, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range also {
		change(tr)
	}
	return tr.Run(y.t.Context())
}

// moved are the pairs "key → file" of a result.
func moved(r transfer.Result) (pairs []string) {
	for _, f := range r.Files {
		pairs = append(pairs, f.Key+" → "+f.Path)
	}
	return pairs
}

func TestADownloadGoesWhereCpWouldPutIt(t *testing.T) {
	for _, tt := range []struct {
		name, src, dest string
		want            []string
		at              string
	}{
		{"a key to a new name", "m/gear.stl", "model.stl", []string{"m/gear.stl → model.stl"}, "model.stl"},
		{"a key into a new folder", "m/gear.stl", "in/new/", []string{"m/gear.stl → in/new/gear.stl"}, "in/new/gear.stl"},
		{"a key into a folder that is there", "m/gear.stl", "old", []string{"m/gear.stl → old/gear.stl"}, "old/gear.stl"},
		{"a key into the workspace", "m/gear.stl", ".", []string{"m/gear.stl → gear.stl"}, "gear.stl"},
		{"a key under the workspace's other name", "m/gear.stl", "/home/workspace/x.stl", []string{"m/gear.stl → /home/workspace/x.stl"}, "/home/workspace/x.stl"},
		{"a key with slashes in front", "//m/gear.stl", "x.stl", []string{"m/gear.stl → x.stl"}, "x.stl"},
		{"a prefix", "m/", "in", []string{"m/deep/b.png → in/deep/b.png", "m/gear.stl → in/gear.stl", "m/x[1].png → in/x[1].png"}, "in"},
		{"the whole bucket", "/", "all", []string{"m/deep/b.png → all/m/deep/b.png", "m/gear.stl → all/m/gear.stl", "m/x[1].png → all/m/x[1].png", "top.txt → all/top.txt"}, "all"},
		{"a pattern", "m/*.stl", "in", []string{"m/gear.stl → in/gear.stl"}, "in"},
		{"a pattern of any depth", "m/**/*.png", "in", []string{"m/deep/b.png → in/deep/b.png", "m/x[1].png → in/x[1].png"}, "in"},
		{"a key that looks like a pattern", "m/x[1].png", "in/", []string{"m/x[1].png → in/x[1].png"}, "in/x[1].png"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := newYard(t, "m/gear.stl", "m/deep/b.png", "m/x[1].png", "top.txt")
			y.put("m/folder/", "") // as consoles make them
			y.files("old/file")
			r, err := y.move(transfer.Download, tt.src, tt.dest)
			require.NoError(t, err)
			require.Equal(t, tt.want, moved(r))
			require.Equal(t, tt.at, r.Dest)
			for _, f := range r.Files {
				b, err := y.dir.ReadFile(f.Path)
				require.NoError(t, err)
				require.Equal(t, "object "+f.Key, string(b))
				require.EqualValues(t, len(b), f.Size)
				require.NotEmpty(t, f.ETag)
			}
			require.Empty(t, temporary(t, y.dir), "nothing half written is left")
		})
	}
}

func temporary(t *testing.T, dir *workspace.Dir) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir.Real(), "*.tmp"))
	require.NoError(t, err)
	return all
}

func TestAnUploadGoesWhereCpWouldPutIt(t *testing.T) {
	for _, tt := range []struct {
		name, src, dest string
		want            []string
		at              string
	}{
		{"a file to a new key", "out/a.glb", "models/gear.glb", []string{"models/gear.glb → out/a.glb"}, "models/gear.glb"},
		{"a file below a prefix", "out/a.glb", "models/", []string{"models/a.glb → out/a.glb"}, "models/a.glb"},
		{"a file into the bucket", "out/a.glb", "/", []string{"a.glb → out/a.glb"}, "a.glb"},
		{"a key with a slash in front", "out/a.glb", "/a.glb", []string{"a.glb → out/a.glb"}, "a.glb"},
		{"a folder", "out", "r", []string{"r/a.glb → out/a.glb", "r/deep/b.png → out/deep/b.png", "r/x[1].png → out/x[1].png"}, "r"},
		{"a pattern", "out/*.glb", "r/", []string{"r/a.glb → out/a.glb"}, "r/"},
		{"a pattern of any depth", "out/**/*.png", "/", []string{"deep/b.png → out/deep/b.png", "x[1].png → out/x[1].png"}, "/"},
		{"a file that looks like a pattern", "out/x[1].png", "r/", []string{"r/x[1].png → out/x[1].png"}, "r/x[1].png"},
		{"the workspace", ".", "w", []string{"w/out/a.glb → out/a.glb", "w/out/deep/b.png → out/deep/b.png", "w/out/x[1].png → out/x[1].png"}, "w"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := newYard(t)
			y.files("out/a.glb", "out/deep/b.png", "out/x[1].png")
			r, err := y.move(transfer.Upload, tt.src, tt.dest)
			require.NoError(t, err)
			require.Equal(t, tt.want, moved(r))
			require.Equal(t, tt.at, r.Dest)
			for _, f := range r.Files {
				b, err := blob.ReadAll(t.Context(), y.bucket, f.Key, 1<<10)
				require.NoError(t, err)
				require.Equal(t, "file "+strings.TrimPrefix(f.Path, "./"), string(b))
			}
		})
	}
}

func TestAnUploadSaysWhatItIs(t *testing.T) {
	y := newYard(t)
	y.files("a.glb")
	_, err := y.move(transfer.Upload, "a.glb", "a.glb", func(tr *transfer.Transfer) {
		tr.Metadata, tr.CacheControl = map[string]string{"job": "41"}, "max-age=60"
	})
	require.NoError(t, err)
	head, err := y.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &y.name, Key: aws.String("a.glb")})
	require.NoError(t, err)
	require.Equal(t, "model/gltf-binary", aws.ToString(head.ContentType))
	require.Equal(t, "41", head.Metadata["job"])
}

func TestOfSeveralOnlyThoseThatAreWantedAreMoved(t *testing.T) {
	y := newYard(t, "m/a.png", "m/b.png", "m/thumb/b.png", "m/c.stl")
	r, err := y.move(transfer.Download, "m/", "in", func(tr *transfer.Transfer) {
		tr.Include, tr.Exclude = []string{"*.png"}, []string{"thumb/**", "a.*"}
	})
	require.NoError(t, err)
	require.Equal(t, []string{"m/b.png → in/b.png"}, moved(r))
	require.Equal(t, "14", r.Size)
	_, err = y.move(transfer.Download, "m/", "in", func(tr *transfer.Transfer) { tr.Exclude = []string{"**"} })
	require.EqualError(t, err, "download s3://assets/m/: nothing matches; check src, include and exclude, and what should have written the objects")
}

func TestWhatCanNotBeMovedIsOneSentence(t *testing.T) {
	for _, tt := range []struct {
		name, action, src, dest, want string
		kind                          fault.Kind
	}{
		{"no object", "download", "none.stl", "x", "download s3://assets/none.stl: object not found; check src, and what should have written it", fault.Unknown},
		{"a folder without its slash", "download", "m", "x", "download s3://assets/m: there is no such object, but there are some below it; end src with a slash to have them all", fault.Permanent},
		{"an empty prefix", "download", "none/", "x", "download s3://assets/none/: nothing matches; check src, and what should have written the objects", fault.Unknown},
		{"a way out", "download", "m/a", "../x", `download s3://assets/m/a: path ".." is outside the workspace; use a relative path or one under /home/workspace`, fault.Permanent},
		{"a key that leads out", "download", "m/../a", "x", `download s3://assets/m/../a: stat object: object key "m/../a" has a part ".."; no store takes such a key: write another in src`, fault.Permanent},
		{"no file", "upload", "none.glb", "x", `upload none.glb to s3://assets/x: there is no file "none.glb"; check the path and the task that should have written it`, fault.Permanent},
		{"no match", "upload", "*.glb", "x", "upload *.glb to s3://assets/x: there is no file; check src, and the task that should have written them", fault.Permanent},
		{"a file as a folder", "upload", "file/", "x", "upload file/ to s3://assets/x: ", fault.Permanent},
		{"a key that no store takes", "upload", "file", "a//b", `upload file to s3://assets/a//b: object key "a//b" has an empty part`, fault.Permanent},
		{"another folder's file", "upload", "/etc/passwd", "x", `upload /etc/passwd to s3://assets/x: path "/etc/passwd" is outside the workspace; use a relative path or one under /home/workspace`, fault.Permanent},
		{"a pipe", "upload", "pipe", "x", "upload pipe to s3://assets/x: it is no regular file", fault.Permanent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := newYard(t, "m/a")
			y.files("file")
			require.NoError(t, syscall.Mkfifo(filepath.Join(y.dir.Real(), "pipe"), 0o600))
			_, err := y.move(tt.action, tt.src, tt.dest)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "\n")
			require.Equal(t, tt.kind, fault.Of(err), "%v", err)
		})
	}
}

func TestLimitsAreHeldBeforeAnythingIsMoved(t *testing.T) {
	y := newYard(t, "m/a", "m/b", "m/c")
	_, err := y.move(transfer.Download, "m/", "in", func(tr *transfer.Transfer) { tr.MaxFiles = 2 })
	require.ErrorContains(t, err, "there are more than 2 of them; narrow src, or raise maxFiles")
	_, err = y.move(transfer.Download, "m/", "in", func(tr *transfer.Transfer) { tr.MaxBytes = 20 })
	require.ErrorContains(t, err, "they have 30 bytes, and maxBytes is 20")
	for _, sizes := range [][]int64{{1 << 62, 1 << 62}, {math.MaxInt64, 1}} { // as a server that lies has it
		y.bucket = listing{y.bucket, sizes}
		_, err = y.move(transfer.Download, "m/", "in", func(tr *transfer.Transfer) { tr.MaxBytes = 20 })
		require.ErrorContains(t, err, "bytes, and maxBytes is 20")
	}
	_, err = y.dir.Stat("in")
	require.Error(t, err)
}

// listing is a bucket that says of its objects what it likes.
type listing struct {
	transfer.Bucket
	sizes []int64
}

func (l listing) List(context.Context, string, string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for i, size := range l.sizes {
			if !yield(blob.Info{Key: fmt.Sprint("m/", i), Size: size}, nil) {
				return
			}
		}
	}
}

func TestASizeIsKnownBeforehand(t *testing.T) {
	y := newYard(t, "m/a", "m/bb")
	for src, want := range map[string]int64{"m/a": 10, "m/": 21, "m/b*": 11} {
		tr := &transfer.Transfer{What: transfer.What{Src: src, Dest: ".", MaxFiles: 9}, Bucket: y.bucket, Dir: y.dir, Log: slog.New(slog.DiscardHandler)}
		got, err := tr.Plan(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got, src)
	}
}

func TestWhatArrivedIsCounted(t *testing.T) {
	y := newYard(t, "m/a", "m/bb")
	var in, out atomic.Int64
	count := func(tr *transfer.Transfer) {
		tr.Moved = func(i, o int64) { in.Add(i); out.Add(o) }
	}
	_, err := y.move(transfer.Download, "m/", "in/", count)
	require.NoError(t, err)
	_, err = y.move(transfer.Upload, "in/a", "back", count)
	require.NoError(t, err)
	require.Equal(t, []int64{21, 10}, []int64{in.Load(), out.Load()})
}

func TestWhatWasPlannedIsMovedAndNoMore(t *testing.T) {
	for _, src := range []string{"m/", "m/a"} {
		y := newYard(t, "m/a")
		tr := &transfer.Transfer{
			What:   transfer.What{Action: transfer.Download, Src: src, Dest: "in/", MaxFiles: 9},
			Bucket: y.bucket, Scheme: "s3", Name: "assets", Dir: y.dir, Log: slog.New(slog.DiscardHandler),
		}
		_, err := tr.Plan(t.Context())
		require.NoError(t, err)
		y.put("m/b", "later")
		r, err := tr.Run(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"m/a → in/a"}, moved(r))
		y.put("m/a", "object m/a and more")
		_, err = tr.Run(t.Context())
		require.ErrorContains(t, err, "download s3://assets/m/a: ")
		require.ErrorContains(t, err, "it is too large: it has 19 bytes, and 10 are admitted; somebody wrote it since it was looked at")
		require.Equal(t, fault.Transient, fault.Of(err))
		b, err := y.dir.ReadFile("in/a")
		require.NoError(t, err)
		require.Equal(t, "object m/a", string(b))
	}
}

func TestHostileKeysOfAListingAreSaidAndCanBeLeftOut(t *testing.T) {
	y := newYard(t, "m/good", "m/../../out", "m/a//b", "m/line\nbreak", `m/back\slash`)
	_, err := y.move(transfer.Download, "m/", "in")
	require.ErrorContains(t, err, "; rename it, or leave it out with exclude")
	require.NotContains(t, err.Error(), "\n")
	require.Equal(t, fault.Permanent, fault.Of(err))
	r, err := y.move(transfer.Download, "m/", "in", func(tr *transfer.Transfer) {
		tr.Exclude = []string{"../**", "a/**", "line*", "back*"}
	})
	require.NoError(t, err)
	require.Equal(t, []string{"m/good → in/good"}, moved(r))
}

func TestSymbolicLinksOfAFolderAreSaidAndNotFollowed(t *testing.T) {
	y := newYard(t)
	y.files("out/a")
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(y.dir.Real(), "out", "link")))
	r, err := y.move(transfer.Upload, "out", "r")
	require.NoError(t, err)
	require.Equal(t, []string{"r/a → out/a"}, moved(r))
	require.Equal(t, []string{"out/link"}, r.Skipped)
	_, err = y.move(transfer.Upload, "out/link", "r")
	require.Error(t, err, "it leads out")
}

func TestAFileStaysAsItWasUntilTheObjectIsWhole(t *testing.T) {
	y := newYard(t, "a")
	y.files("x")
	_, err := y.move(transfer.Download, "a", "x", func(tr *transfer.Transfer) { tr.Bucket = broken{tr.Bucket} })
	require.ErrorContains(t, err, "download s3://assets/a: 4 bytes came of 8")
	require.Equal(t, fault.Transient, fault.Of(err))
	b, err := y.dir.ReadFile("x")
	require.NoError(t, err)
	require.Equal(t, "file x", string(b))
	require.Empty(t, temporary(t, y.dir))
}

// broken is a bucket that loses half of what it sends and says nothing of it, which no real one does.
type broken struct{ transfer.Bucket }

func (b broken) Download(ctx context.Context, key string, f *os.File, maxBytes int64) (blob.Info, error) {
	in, err := b.Bucket.Download(ctx, key, f, maxBytes)
	if err != nil {
		return in, err
	}
	return in, f.Truncate(in.Size / 2)
}

func TestThousandsOfObjectsArriveInTheOrderOfTheirKeys(t *testing.T) {
	y := newYard(t)
	const objects = 300
	for i := range objects {
		y.files(fmt.Sprintf("out/%03d", i))
	}
	up, err := y.move(transfer.Upload, "out", "r", func(tr *transfer.Transfer) { tr.MaxFiles = objects })
	require.NoError(t, err)
	require.Len(t, up.Files, objects)
	down, err := y.move(transfer.Download, "r/", "in", func(tr *transfer.Transfer) { tr.MaxFiles = objects })
	require.NoError(t, err)
	require.True(t, slices.IsSortedFunc(down.Files, func(a, b transfer.File) int { return cmp.Compare(a.Key, b.Key) }))
	require.Len(t, down.Files, objects)
}

// strict is a bucket that takes no ACLs, as those of Amazon S3 are made; no server here answers so.
func strict(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprint(w, "<Error><Code>AccessControlListNotSupported</Code><Message>The bucket does not allow ACLs</Message></Error>")
}

func TestABucketThatTakesNoACLsSaysSo(t *testing.T) {
	y := newYard(t)
	y.files("a")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Acl") != "" {
			strict(w, r)
			return
		}
		fmt.Fprint(w, "<ListBucketResult></ListBucketResult>")
	}))
	t.Cleanup(server.Close)
	var err error
	y.bucket, err = s3blob.Open(t.Context(), s3blob.Config{AWS: blobtest.AWS(t, server.URL), Bucket: y.name})
	require.NoError(t, err)
	_, err = y.move(transfer.Upload, "a", "a", func(tr *transfer.Transfer) { tr.ACL = "public-read" })
	require.EqualError(t, err, "upload a to s3://assets/a: the bucket takes no ACLs; leave acl out, and let a policy of the bucket say who may read")
	require.Equal(t, fault.Permanent, fault.Of(err))
}
