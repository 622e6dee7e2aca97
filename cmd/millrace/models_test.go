//go:build linux

package main_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
)

const inference = repository + "modules/imageinfer/testdata/"

// lookAt is a pipeline that says what a photo shows. The photo lies in the models' folder, which jobs may read.
const lookAt = `state: {photos: ""}
tasks:
  - module: Shell
    props: {command: cp, args: ["{{ photos }}/kitten.png", kitten.png]}
  - module: ImageInfer
    gpu: preferred
    props: {model: squeezenet, input: {path: kitten.png}, output: {path: outputs/result.json}}
`

// copied puts a file of the test data into a folder of the place.
func (p *place) copied(from, to string) string {
	p.t.Helper()
	b, err := os.ReadFile(inference + from)
	require.NoError(p.t, err)
	to = filepath.Join(p.dir, to)
	require.NoError(p.t, os.MkdirAll(filepath.Dir(to), 0o755))
	require.NoError(p.t, os.WriteFile(to, b, 0o644))
	return to
}

type modelLine struct {
	Name, SHA256, Wrong string
	Bytes               int64
}

func TestAModelIsAddedListedAndRun(t *testing.T) {
	p := newPlace(t)
	withTools(t, p)
	photos := filepath.Dir(p.copied("kitten_224.png", "photos/kitten.png"))
	p.env = append(p.env, "MILLRACE_READ_PATHS="+photos)
	p.write("look.yaml", lookAt)
	require.Contains(t, p.succeeds("models", "list"), "squeezenet          weights missing")
	r := p.millrace("run", "look.yaml", "--gpu", "preferred", "photos="+photos)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout+r.stderr, "the weights of model \"squeezenet\" are missing: the operator adds them with `millrace models add squeezenet.onnx`")

	file := p.copied("squeezenet.onnx", "download.onnx")
	require.Contains(t, p.succeeds("models", "add", file, "--name", "squeezenet"), "added squeezenet to "+p.dir+"/.millrace/models: 2.4 MiB, 66 operators, SHA-256 21f25e3d")
	require.Regexp(t, `tried on the CPU: 1000 classes, loaded in \d+ ms, run in [0-9.]+ ms`, p.succeeds("models", "add", file, "--name", "squeezenet"))
	require.Contains(t, p.succeeds("models", "add", file, "--name", "squeezenet", "--tools", t.TempDir()), "not tried, because here ONNX Runtime is missing")
	require.Contains(t, p.succeeds("models", "list"), "squeezenet          2.4 MiB")
	for _, m := range decoded[[]modelLine](t, p.succeeds("models", "list", "--json")) {
		require.Equal(t, m.Name != "squeezenet", m.Wrong == "weights missing")
	}
	p.succeeds("jobs", "run", "./look.yaml", "photos="+photos)
	p.work()
	require.Contains(t, p.succeeds("jobs", "list"), "SUCCEEDED")

	require.NoError(t, os.WriteFile(filepath.Join(p.dir, ".millrace/models/squeezenet.onnx"), []byte("others"), 0o600))
	r = p.millrace("run", "look.yaml", "--gpu", "preferred", "photos="+photos)
	require.Contains(t, r.stdout+r.stderr, "are others than its description says")
}

func TestWhatCantBeAModelIsNotAdded(t *testing.T) {
	p := newPlace(t)
	mobilenet := p.copied("mobilenet_v3_small.onnx", "export.onnx")
	photo := p.copied("kitten_224.png", "resnet50.onnx")
	large := p.copied("kitten_224.png", "resnet.onnx")
	require.NoError(t, os.Truncate(large, 600<<20))
	p.write("small.yaml", "size: 64\noutput: logits\n")
	p.write("wrong.yaml", "size: 224\noutput: softmax\n")
	broken := p.copied("squeezenet.onnx", "broken.onnx")
	weights, err := os.ReadFile(broken)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(broken, bytes.ReplaceAll(weights, []byte("Conv"), []byte("Canv")), 0o600))
	p.write("broken.yaml", "size: 224\nrange: 255\noutput: softmax\n")
	withTools(t, p)
	for _, tt := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{mobilenet}, `model "export" needs a description: write ` + p.dir + "/export.yaml", 1},
		{[]string{mobilenet, "--name", "squeezenet"}, "are others than its description says", 1},
		{[]string{mobilenet, "--name", "../x"}, `"../x" can't be a model's name`, 2},
		{[]string{mobilenet, "--name", "small", "--description", "small.yaml"}, "and its description makes [1 3 64 64]", 1},
		{[]string{mobilenet, "--name", "small", "--description", "none.yaml"}, "none.yaml", 1},
		{[]string{mobilenet, "--name", "wrong", "--description", "wrong.yaml"}, `run model "wrong": its output is no probabilities`, 1},
		{[]string{broken}, `run model "broken": ONNX Runtime: `, 1},
		{[]string{photo}, "it is no ONNX file, or one that is cut off", 1},
		{[]string{large, "--name", "resnet50"}, "has 600 MiB, and 512 are the most that are read", 1},
		{[]string{p.dir, "--name", "resnet50"}, "is not a regular file", 1},
		{[]string{"none.onnx", "--name", "resnet50"}, "add none.onnx: no such file", 1},
		{[]string{"none.onnx"}, "add none.onnx: no such file", 1},
	} {
		r := p.millrace(append([]string{"models", "add"}, tt.args...)...)
		require.Equal(t, tt.code, r.code, r.stderr)
		require.Contains(t, r.stderr, tt.want)
		require.Equal(t, 1, strings.Count(r.stderr, "\n"), "one sentence: %s", r.stderr)
	}
	require.NoFileExists(t, filepath.Join(p.dir, ".millrace"))
}

// A spec is that of an EphemeralAccelerationJob.
const spec = `{"id": "spec-1", "pipeline": "image_infer", "state": {"model": "squeezenet",
  "input": {"type": "image", "path": "PHOTOS/kitten.png"}, "output": {"path": "/artifacts/output.json"}, "resources": {"gpu": 0},
  "ttlSecondsAfterFinished": 0, "pvcTTLSecondsAfterFinished": 3600, "storageClass": "longhorn", "pvcSize": "1Gi"}}`

func TestThePipelineForImagesLooksIntoFoldersAndBuckets(t *testing.T) {
	t.Parallel()
	w := newWarehouse(t)
	withTools(t, w.place)
	w.succeeds("models", "add", w.copied("squeezenet.onnx", "squeezenet.onnx"))
	photos := filepath.Dir(w.copied("kitten_224.png", "photos/kitten.png"))
	fish, err := os.ReadFile(inference + "fish.png")
	require.NoError(t, err)
	w.put("in/fish.png", string(fish))

	w.write("spec.json", strings.ReplaceAll(spec, "PHOTOS", photos))
	w.succeeds("queue", "send", "spec.json")
	inBucket := id(t, w.succeeds("jobs", "run", "image_infer", "model=squeezenet", "bucket="+w.bucket, `input={"path": "/in/fish.png"}`, `output={"path": "out/fish.json"}`, "gpu=preferred"))
	unknown := id(t, w.succeeds("jobs", "run", "image_infer", "model=alexnet", "bucket="+w.bucket, `input={"path": "in/fish.png"}`, `output={"path": "out/none.json"}`, "gpu=none"))
	w.succeeds("work", "--exit-when-idle", "1s", "--read-paths", photos, "--buckets", w.bucket, "--slots", "1")

	kept, err := os.ReadFile(w.dir + "/.millrace/store/artifacts/spec-1/1/output.json")
	require.NoError(t, err, w.told("spec-1"))
	require.Equal(t, "tabby, tabby cat", decoded[inferred](t, string(kept)).Top5[0].Name)
	out, err := w.s3.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &w.bucket, Key: aws.String("out/fish.json")})
	require.NoError(t, err, w.told(inBucket))
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	require.NoError(t, err)
	require.Equal(t, "application/json", *out.ContentType)
	require.Equal(t, "tench, Tinca tinca", decoded[inferred](t, string(text)).Top5[0].Name)
	require.Contains(t, w.told(inBucket), "SUCCEEDED")
	require.Contains(t, w.told(unknown), `model "alexnet" is unknown`)
	require.Contains(t, w.told(unknown), "✗ FAILED", "for good: another try would find the same")
	require.NotContains(t, w.told(unknown), "#2")
	require.False(t, w.has("out/none.json"))
}

// inferred is a result.
type inferred struct{ Top5 []struct{ Name string } }

// Its jobs get no keys for it.
func TestAWorkerFetchesTheModelsOfABucket(t *testing.T) {
	p := withServers(t)
	withTools(t, p.place)
	bucket, _, _ := strings.Cut(strings.TrimPrefix(lastOf(p.env, "MILLRACE_STORE="), "s3://"), "/")
	p.env = append(p.env, "MILLRACE_MODELS=s3://"+bucket+"/models")
	p.succeeds("models", "add", p.copied("squeezenet.onnx", "squeezenet.onnx"))
	require.Contains(t, p.succeeds("models", "list"), "squeezenet          2.4 MiB")
	photos := filepath.Dir(p.copied("kitten_224.png", "photos/kitten.png"))
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "catalogue"), 0o755))
	p.write("catalogue/look.yaml", lookAt)
	p.succeeds("run", "catalogue/look.yaml", "--gpu", "preferred", "photos="+photos)
	told := id(t, p.succeeds("jobs", "run", "look", "photos="+photos, "--pipelines", p.dir+"/catalogue"))
	r := p.millrace("work", "--exit-when-idle", "2s", "--pipelines", p.dir+"/catalogue", "--read-paths", photos, "--slots", "1")
	require.Zero(t, r.code, r.stderr)
	require.Equal(t, "SUCCEEDED", decoded[map[string]any](t, p.succeeds("jobs", "describe", told, "--json"))["status"], p.succeeds("jobs", "logs", told))
}
