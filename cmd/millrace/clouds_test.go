//go:build linux

package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/servertest"
)

// A warehouse is a place with buckets of a local S3, which jobs' data lies in. Its keys are the worker's alone.
type warehouse struct {
	*place
	s3     *s3.Client
	bucket string
}

func newWarehouse(t *testing.T) *warehouse {
	t.Helper()
	endpoint := servertest.Versitygw(t)
	w := &warehouse{place: newPlace(t), s3: blobtest.Client(endpoint), bucket: blobtest.Bucket(t, endpoint)}
	w.env = []string{
		"AWS_ACCESS_KEY_ID=" + servertest.AccessKey, "AWS_SECRET_ACCESS_KEY=" + servertest.SecretKey, "AWS_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "MILLRACE_S3_ENDPOINT=" + endpoint,
		"COS_ENDPOINT=" + endpoint, "COS_BUCKET=" + w.bucket, "COS_ACCESS_KEY=" + servertest.AccessKey, "COS_SECRET_KEY=" + servertest.SecretKey,
	}
	require.NoError(t, os.Mkdir(filepath.Join(w.dir, "catalogue"), 0o700))
	return w
}

func (w *warehouse) put(key, body string) {
	w.t.Helper()
	_, err := w.s3.PutObject(w.t.Context(), &s3.PutObjectInput{Bucket: &w.bucket, Key: &key, Body: strings.NewReader(body)})
	require.NoError(w.t, err)
}

// told is what describe says of a job, on one line.
func (w *warehouse) told(id string) string {
	w.t.Helper()
	return strings.Join(strings.Fields(w.succeeds("jobs", "describe", id)), " ")
}

func (w *warehouse) has(key string) bool {
	w.t.Helper()
	_, err := w.s3.HeadObject(w.t.Context(), &s3.HeadObjectInput{Bucket: &w.bucket, Key: aws.String(key)})
	return err == nil
}

func TestTheS3DownloadPipelineBringsAnObject(t *testing.T) {
	t.Parallel()
	w := newWarehouse(t)
	w.put("models/gear.stl", "solid gear")
	r := w.millrace("run", "s3_download", "bucket="+w.bucket, "src=/models/gear.stl", "--workspace", w.dir)
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stdout, `"dest": "gear.stl"`)
	require.Contains(t, r.stdout, `"size": "10"`)
	require.NotContains(t, r.stdout+r.stderr, servertest.SecretKey)
	b, err := os.ReadFile(filepath.Join(w.dir, "gear.stl"))
	require.NoError(t, err)
	require.Equal(t, "solid gear", string(b))
}

func TestWhatABucketRefusesIsOneSentenceWithTaskAndRemedy(t *testing.T) {
	t.Parallel()
	w := newWarehouse(t)
	for _, tt := range []struct {
		name, bucket, src, env string
		want                   []string
	}{
		{"no object", w.bucket, "none.stl", "", []string{"Download", "none.stl: object not found; check src"}},
		{"no bucket", w.bucket + "-none", "a", "", []string{"Download", "it does not exist (NoSuchBucket); check name, account and region"}},
		{"wrong keys", w.bucket, "a", "AWS_SECRET_ACCESS_KEY=wrong", []string{"Download", "the credentials are wrong, have expired, or lack the permission"}},
		{"no keys", w.bucket, "a", "AWS_SECRET_ACCESS_KEY=", []string{"Download", "get credentials: aws: none were found: set AWS_ACCESS_KEY_ID"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			other := *w
			p := *w.place
			p.env = append(p.env[:len(p.env):len(p.env)], "HOME="+t.TempDir())
			if tt.env != "" {
				p.env = append(p.env, tt.env)
			}
			other.place = &p
			r := other.millrace("run", "s3_download", "bucket="+tt.bucket, "src="+tt.src, "--workspace", t.TempDir())
			require.NotZero(t, r.code)
			for _, text := range tt.want {
				require.Contains(t, r.stdout+r.stderr, text)
			}
			require.NotContains(t, r.stdout+r.stderr, "goroutine")
		})
	}
}

// hostile looks for keys wherever a job's program can look, while the job itself moves objects with them.
const hostile = `
name: Hostile
tasks:
  - module: S3
    props: {action: download, bucket: "{{ bucket }}", src: in/a.txt, dest: a.txt}
  - module: Shell
    props:
      command: sh
      args:
        - -c
        - |
          env; cat "$HOME"/.aws/* %s; grep -a -r . "$HOME" "$TMPDIR" .
          p=$$
          while [ "$p" -gt 1 ]; do
            cat /proc/$p/environ /proc/$p/cmdline
            p=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$p/status)
          done </dev/null
          exit 0
  - module: S3
    props: {action: upload, bucket: "{{ bucket }}", src: a.txt, dest: out/a.txt}
  - module: COS
    props: {action: upload, src: a.txt, dest: out/cos.txt}
`

func TestAJobsProgramsFindNoKeyWhileTheJobUsesIt(t *testing.T) {
	t.Parallel()
	w := newWarehouse(t)
	w.put("in/a.txt", "text")
	home := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(home, ".aws"), 0o700))
	file := filepath.Join(home, ".aws", "credentials")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", servertest.AccessKey, servertest.SecretKey), 0o600))
	w.env = append(w.env, "HOME="+home, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
	w.write("catalogue/hostile.yaml", fmt.Sprintf(hostile, file))
	told := id(t, w.succeeds("jobs", "run", "hostile", "bucket="+w.bucket, "--pipelines", w.dir+"/catalogue"))
	r := w.millrace("work", "--exit-when-idle", "1s", "--pipelines", w.dir+"/catalogue")
	require.Zero(t, r.code, r.stderr)
	require.Equal(t, "SUCCEEDED", decoded[map[string]any](t, w.succeeds("jobs", "describe", told, "--json"))["status"], w.succeeds("jobs", "logs", told))
	require.True(t, w.has("out/a.txt"))
	require.True(t, w.has("out/cos.txt"))
	said := w.succeeds("jobs", "logs", told)
	require.Contains(t, said, "JOB_ID=")
	require.NotContains(t, said, servertest.SecretKey)
}

func TestAJobTouchesTheListedBucketsAlone(t *testing.T) {
	t.Parallel()
	w := newWarehouse(t)
	w.put("team/a.txt", "a")
	w.put("other/b.txt", "b")
	const pipeline = "tasks: [{module: S3, props: {action: download, bucket: %s, src: %s, dest: x/}}]\n"
	w.write("catalogue/mine.yaml", fmt.Sprintf(pipeline, w.bucket, "team/a.txt"))
	w.write("catalogue/theirs.yaml", fmt.Sprintf(pipeline, w.bucket, "other/b.txt"))
	w.write("catalogue/all.yaml", fmt.Sprintf(pipeline, w.bucket, `"/"`))
	w.write("catalogue/near.yaml", fmt.Sprintf(pipeline, w.bucket, `"tea*"`))
	var ids []string
	for _, name := range []string{"mine", "theirs", "all", "near"} {
		ids = append(ids, id(t, w.succeeds("jobs", "run", name, "--pipelines", w.dir+"/catalogue")))
	}
	w.millrace("work", "--exit-when-idle", "1s", "--pipelines", w.dir+"/catalogue", "--buckets", "s3://"+w.bucket+"/team", "--slots", "1")
	require.Contains(t, w.told(ids[0]), "SUCCEEDED")
	for _, other := range ids[1:] {
		require.Contains(t, w.told(other), "jobs may touch what is below team/ alone; the operator can list more with MILLRACE_BUCKETS")
	}
}

// A server of a task's own choice gets neither the operator's keys nor, where it is private, a call.
func TestAReplayTouchesTheListedBucketsAlone(t *testing.T) {
	t.Parallel()
	w := newWarehouse(t)
	w.put("a.txt", "a")
	w.write("catalogue/other.yaml", fmt.Sprintf("tasks: [{module: S3, props: {action: download, bucket: %s, src: a.txt, dest: x/}}]\n", w.bucket))
	w.env = append(w.env, "MILLRACE_BUCKETS=s3://only/this", "MILLRACE_PIPELINES="+w.dir+"/catalogue")
	told := id(t, w.succeeds("jobs", "run", "other"))
	w.millrace("work", "--exit-when-idle", "1s")
	const want = "is none of those that jobs may touch"
	require.Contains(t, w.told(told), want)
	r := w.millrace("dlq", "replay", "--local", told, "--pipelines", w.dir+"/catalogue")
	require.Contains(t, r.stdout+r.stderr, want)

	w.env = slices.DeleteFunc(w.env, func(s string) bool { return strings.HasPrefix(s, "MILLRACE_BUCKETS=") }) // another machine
	r = w.millrace("dlq", "replay", "--local", told, "--workspace", w.dir+"/2")
	require.NotZero(t, r.code)
	require.Contains(t, r.stdout+r.stderr, "none is listed, and what a message brings, or is replayed without --trust, touches no other; the operator can list it with MILLRACE_BUCKETS")
	w.succeeds("dlq", "replay", "--local", told, "--workspace", w.dir+"/3", "--buckets", w.bucket)
	w.succeeds("dlq", "replay", "--local", told, "--workspace", w.dir+"/4", "--trust")
}

func TestAServerOfATasksChoiceGetsNoKeysOfTheOperator(t *testing.T) {
	t.Parallel()
	w := newWarehouse(t)
	heard := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		heard <- r.Header.Get("Authorization")
		rw.WriteHeader(http.StatusForbidden)
		fmt.Fprint(rw, "<Error><Code>AccessDenied</Code></Error>")
	}))
	t.Cleanup(server.Close)
	w.write("catalogue/away.yaml", fmt.Sprintf("tasks: [{module: S3, props: {action: download, bucket: b, src: a, dest: a, endpoint: %q}}]\n", server.URL))
	one := id(t, w.succeeds("jobs", "run", "away", "--pipelines", w.dir+"/catalogue"))
	w.millrace("work", "--exit-when-idle", "1s", "--pipelines", w.dir+"/catalogue", "--max-attempts", "1")
	require.Contains(t, w.told(one), "is a loopback address; the operator can allow it with MILLRACE_ALLOW_HOSTS")
	require.Empty(t, heard)
	two := id(t, w.succeeds("jobs", "run", "away", "--pipelines", w.dir+"/catalogue"))
	w.millrace("work", "--exit-when-idle", "1s", "--pipelines", w.dir+"/catalogue", "--max-attempts", "1", "--allow-hosts", "127.0.0.1")
	require.Contains(t, w.told(two), "lack the permission")
	require.NotEmpty(t, heard)
	for len(heard) > 0 {
		require.Empty(t, <-heard)
	}
}
