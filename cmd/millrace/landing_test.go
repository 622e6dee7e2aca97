//go:build linux

package main_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/record"
)

// landing is a pipeline that brings a model in, converts it, and uploads the result; and beside it, under the result's name, what
// its own route would take again.
const landing = `name: Landing
params:
  stagingBucket: {type: string, required: true}
  stagingInputPrefix: {type: string, default: ""}
  stagingOutputPrefix: {type: string, default: ""}
  inputFilename: {type: string, required: true}
  outputStem: {type: string, required: true}
tasks:
  - {module: S3, props: {action: download, bucket: "{{ stagingBucket }}", src: "{{ stagingInputPrefix }}/{{ inputFilename }}", dest: "{{ inputFilename }}"}}
  - {module: STL2OBJ, props: {src: "{{ inputFilename }}", dest: "{{ outputStem }}.obj"}}
  - {module: S3, props: {action: upload, bucket: "{{ stagingBucket }}", src: "{{ outputStem }}.obj", dest: "{{ stagingOutputPrefix }}/{{ outputStem }}.obj"}}
  - {module: S3, props: {action: upload, bucket: "{{ stagingBucket }}", src: "{{ inputFilename }}", dest: "{{ stagingOutputPrefix }}/{{ outputStem }}.stl"}}
`

const landingRoutes = `routes:
  - name: models
    bucket: models
    suffixes: [.stl]
    ignore_case: true
    pipeline: landing
    output: {prefix: out, suffixes: [.obj]}
    callback: {url: EAR}
`

const triangle = "solid t\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid t\n"

// A file lands in a bucket, and nobody writes glue: the server's webhook reaches the gateway, a route makes a job of it, a worker
// runs its pipeline, the result is in the bucket, and a signed callback says so. What the pipeline puts there starts nothing.
func TestV52AFileThatLandsInABucketRunsItsPipelineOnce(t *testing.T) {
	t.Parallel()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	said := make(chan map[string]any, 8)
	ear := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			var wh *standardwebhooks.Webhook
			if wh, err = standardwebhooks.NewWebhook(secret); err == nil {
				err = wh.Verify(body, r.Header)
			}
		}
		if err != nil {
			t.Errorf("a callback: %v", err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		said <- decoded[map[string]any](t, string(body))
	}))
	t.Cleanup(ear.Close)

	files := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(files, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	write("pipelines/landing.yaml", landing)
	m := newMill(
		t, "MILLRACE_CALLBACK_SECRET="+secret, "MILLRACE_ALLOW_HOSTS=127.0.0.1", "MILLRACE_PIPELINES="+filepath.Join(files, "pipelines"),
		"MILLRACE_ROUTES="+write("routes.yaml", strings.ReplaceAll(landingRoutes, "EAR", ear.URL)), "BUCKET_TOKEN="+strings.Repeat("t0ken", 8),
		"AWS_ACCESS_KEY_ID="+servertest.AccessKey, "AWS_SECRET_ACCESS_KEY="+servertest.SecretKey, "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
	)
	d := m.gateway("--hooks", write("hooks.yaml", "sources:\n  bucket: {kind: token, query: true, secrets: [{env: BUCKET_TOKEN}]}\n"))
	endpoint := servertest.VersitygwTelling(t, d.url+"/v1/hooks/bucket?token="+strings.Repeat("t0ken", 8))
	m.env = append(m.env, "MILLRACE_S3_ENDPOINT="+endpoint)
	w := m.start()

	bucket := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(servertest.AccessKey, servertest.SecretKey, ""),
	})
	_, err := bucket.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("models")})
	require.NoError(t, err)
	const key = "in/red part+ü%2B (1).STL"
	_, err = bucket.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("models"), Key: aws.String(key), Body: strings.NewReader(triangle)})
	require.NoError(t, err)

	told := hear(t, said)["data"].(map[string]any)
	require.Equal(t, "SUCCEEDED", told["status"], told)
	const results = "out/optimized_red part+ü%2B (1)"
	for _, ending := range []string{".obj", ".stl"} {
		d.until("jobs=0 skipped=1") // the gateway heard of it, and made no job
		got, err := bucket.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("models"), Key: aws.String(results + ending)})
		require.NoError(t, err, ending)
		var text bytes.Buffer
		_, err = text.ReadFrom(got.Body)
		require.NoError(t, err)
		require.NoError(t, got.Body.Close())
		require.NotEmpty(t, text.String())
	}
	require.Equal(t, record.Succeeded, m.record(told["id"].(string)).Status)

	d.signal()
	d.end()
	w.signal()
	w.end()
	require.Empty(t, said, "one file makes one job")
	jobs, err := filepath.Glob(filepath.Join(m.data, "store", "jobs", "*", "*", "final"))
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	n, err := m.queue.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{}, n)
}
