package imageinfer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/imageinfer"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/onnx"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

func TestConformance(t *testing.T) { moduletest.Conform(t, imageinfer.Module) }

// models is a folder as the operator's.
func models(dir string) func(context.Context, string) (io.ReadCloser, error) {
	return func(_ context.Context, file string) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, file)) }
}

// real is a call that runs the real tool, with the models of testdata and the photos in its workspace.
func real(t *testing.T) *modules.Call {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir()) // where runs keep their folders, so that what stays is seen
	c, _ := moduletest.Call(t)
	c.Exec, c.Tools, c.Models = &proc.Local{}, moduletest.Tools(t), models("testdata")
	for _, name := range []string{"kitten_224.png", "fish.png", "cat.jpg", "dog.jpg"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		require.NoError(t, c.Workspace.WriteFile(name, b))
	}
	return c
}

func props(model, input string) map[string]any {
	return map[string]any{"model": model, "input": map[string]any{"type": "image", "path": input}, "output": map[string]any{"path": "out/result.json"}}
}

func TestSqueezeNetKnowsWhatThePhotosShow(t *testing.T) {
	c := real(t)
	for _, tt := range []struct {
		photo, label, name string
		least              float64
	}{
		{"kitten_224.png", "class_281", "tabby", 0.9},
		{"fish.png", "class_0", "tench", 0.7},
		{"dog.jpg", "class_207", "golden retriever", 0.9},
	} {
		out, err := imageinfer.Module.Run(t.Context(), c, props("squeezenet", tt.photo))
		require.NoError(t, err)
		best := out["top5"].([]any)[0].(map[string]any)
		require.Equal(t, tt.label, best["label"], tt.photo)
		require.Contains(t, best["name"], tt.name)
		require.Greater(t, best["probability"], tt.least, tt.photo)
	}
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}

// The file in testdata is of the form that readers of EphemeralAccelerationJobs know, but for the names of classes.
func TestTheResultIsWhatOlderReadersKnow(t *testing.T) {
	c := real(t)
	before := time.Now().Add(-time.Second)
	out, err := imageinfer.Module.Run(t.Context(), c, props("squeezenet", "dog.jpg"))
	require.NoError(t, err)
	text, err := c.Workspace.ReadFile("out/result.json")
	require.NoError(t, err)
	want, err := os.ReadFile("testdata/result.json")
	require.NoError(t, err)
	require.Equal(t, skeleton(want), skeleton(text))
	var got map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	require.Len(t, got, 5)
	require.Equal(t, "squeezenet", got["model"])
	require.Equal(t, "cpu", got["device"])
	require.Len(t, got["top5"], 5)
	require.Positive(t, got["elapsed_ms"])
	require.Equal(t, math.Round(100*got["elapsed_ms"].(float64))/100, got["elapsed_ms"], "two decimals")
	when, err := time.Parse(time.RFC3339, got["timestamp"].(string))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(got["timestamp"].(string), "Z"))
	require.WithinRange(t, when, before, time.Now())
	for _, key := range []string{"model", "device", "top5", "elapsed_ms", "timestamp"} {
		require.Equal(t, got[key], out[key], key)
	}
	require.Equal(t, "dog.jpg", out["src"])
	require.Equal(t, "out/result.json", out["dest"])
	require.NotEqual(t, "0", out["size"])
	require.Positive(t, out["stats"].(map[string]any)["maxmem"])
}

// skeleton is a JSON text in which # stands for what changes from run to run: keys, their order, labels and names are left.
func skeleton(text []byte) string {
	text = regexp.MustCompile(`"(probability|elapsed_ms)": \d+(\.\d{1,6})?`).ReplaceAll(text, []byte(`"$1": #`))
	text = regexp.MustCompile(`"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z"`).ReplaceAll(text, []byte(`"#"`))
	return string(text)
}

// A counter counts the programs that it starts.
type counter struct {
	proc.Runner
	starts atomic.Int32
}

func (c *counter) Run(ctx context.Context, cmd proc.Cmd) (proc.Exit, error) {
	c.starts.Add(1)
	return c.Runner.Run(ctx, cmd)
}

func TestTheTasksOfAJobShareOneRuntime(t *testing.T) {
	c := real(t)
	count := &counter{Runner: c.Exec}
	c.Exec, c.ONNX = count, onnx.NewWarm()
	defer c.ONNX.Close()
	see := func(model, photo string) map[string]any {
		began := time.Now()
		out, err := imageinfer.Module.Run(t.Context(), c, props(model, photo))
		require.NoError(t, err)
		t.Logf("%s of %s: %v, of it %.1f ms in the model", model, photo, time.Since(began).Round(time.Millisecond), out["elapsed_ms"])
		require.Positive(t, out["stats"].(map[string]any)["maxmem"])
		return out
	}
	first := see("squeezenet", "kitten_224.png")
	require.NotEqual(t, labels(first), labels(see("squeezenet", "fish.png")))
	require.NotEqual(t, labels(first), labels(see("mobilenet_v3_small", "kitten_224.png")), "another model takes its place")
	require.Equal(t, first["top5"], see("squeezenet", "kitten_224.png")["top5"])
	require.EqualValues(t, 1, count.starts.Load())

	require.NoError(t, c.Workspace.WriteFile("m.onnx", bytes.ReplaceAll(weights(t), []byte("Conv"), []byte("Canv"))))
	require.NoError(t, c.Workspace.WriteFile("m.yaml", []byte("size: 224\nrange: 255\noutput: softmax\n")))
	_, err := imageinfer.Module.Run(t.Context(), c, props("m.onnx", "kitten_224.png"))
	require.ErrorContains(t, err, "Canv")
	require.Equal(t, first["top5"], see("squeezenet", "kitten_224.png")["top5"], "a model that can't be run ends nobody")
	require.EqualValues(t, 1, count.starts.Load())

	c.Tools.Limits = map[string]proc.Limits{tool.ONNXRuntime().Name: {Memory: 1 << 20}} // of those that start from here on
	c.Devices, c.GPU = []gpu.Device{{UUID: "GPU-1"}}, gpu.Need{Use: gpu.Preferred}
	_, err = imageinfer.Module.Run(t.Context(), c, props("squeezenet", "kitten_224.png"))
	require.ErrorContains(t, err, "more than 1 MiB of memory", "a task with a GPU of its own has a program of its own")
	require.EqualValues(t, 2, count.starts.Load())

	c.ONNX.Close()
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left)
}

func weights(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/squeezenet.onnx")
	require.NoError(t, err)
	return b
}

// torch is what torch and Pillow made of the same model and photos.
type torch struct {
	Formula struct {
		Logits    []float64 `json:"logits"`
		Tolerance float64   `json:"tolerance"`
	} `json:"formula"`
	Preprocessed map[string]struct {
		At   [][4]float64 `json:"at"` // channel, row, column, value
		Mean float64      `json:"mean"`
	} `json:"preprocessed"`
	Photos map[string]struct {
		Top5 []struct {
			Label       string  `json:"label"`
			Probability float64 `json:"probability"`
		} `json:"top5"`
		First8 []float64 `json:"logits_first8"`
	} `json:"photos"`
}

func readTorch(t *testing.T) (want torch) {
	t.Helper()
	text, err := os.ReadFile("testdata/mobilenet_v3_small.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &want))
	return want
}

func TestTheLogitsAreTorchs(t *testing.T) {
	c, want := real(t), readTorch(t)
	m, err := onnx.Load(t.Context(), c.Models, "mobilenet_v3_small")
	require.NoError(t, err)
	input := make([]float32, 3*224*224)
	for i := range input {
		input[i] = float32(math.Sin(0.37 * float64(i)))
	}
	got, err := imageinfer.Infer(t.Context(), c, m, input)
	require.NoError(t, err)
	require.Len(t, got, len(want.Formula.Logits))
	worst := 0.0
	for i, w := range want.Formula.Logits {
		worst = max(worst, math.Abs(float64(got[i])-w))
	}
	t.Logf("worst difference %.6f", worst)
	require.Less(t, worst, want.Formula.Tolerance)
}

// A JPEG may be decoded in several ways, which differ by a few levels where colours change.
func TestAPictureIsPreparedAsTorchvisionDoes(t *testing.T) {
	c, want := real(t), readTorch(t)
	d, err := onnx.Describe(t.Context(), c.Models, "mobilenet_v3_small")
	require.NoError(t, err)
	for photo, w := range want.Preprocessed {
		within := 2e-5 // half a digit of what is written there, and floating point's own
		if strings.HasSuffix(photo, ".jpg") {
			within = 0.036 // two levels of 255, in standard deviations
		}
		got, err := imageinfer.Prepare(t.Context(), c, photo, d)
		require.NoError(t, err)
		sum, worst := 0.0, 0.0
		for _, v := range got {
			sum += float64(v)
		}
		for _, at := range w.At {
			worst = max(worst, math.Abs(float64(got[int(at[0])*224*224+int(at[1])*224+int(at[2])])-at[3]))
		}
		t.Logf("%s: worst difference %.5f, of the mean %.5f", photo, worst, math.Abs(sum/float64(len(got))-w.Mean))
		require.LessOrEqual(t, worst, within, photo)
		require.InDelta(t, w.Mean, sum/float64(len(got)), max(within/10, 2e-5), photo)
	}
}

func TestThePhotosComeOutAsInTorch(t *testing.T) {
	c, want := real(t), readTorch(t)
	for photo, w := range want.Photos {
		out, err := imageinfer.Module.Run(t.Context(), c, props("mobilenet_v3_small", photo))
		require.NoError(t, err)
		best := out["top5"].([]any)[0].(map[string]any)
		require.Equal(t, w.Top5[0].Label, best["label"], photo)
		require.InDelta(t, w.Top5[0].Probability, best["probability"], 5e-3, photo)
		if strings.HasSuffix(photo, ".jpg") {
			continue
		}
		m, err := onnx.Load(t.Context(), c.Models, "mobilenet_v3_small")
		require.NoError(t, err)
		input, err := imageinfer.Prepare(t.Context(), c, photo, &m.Description)
		require.NoError(t, err)
		logits, err := imageinfer.Infer(t.Context(), c, m, input)
		require.NoError(t, err)
		for i, v := range w.First8 {
			require.InDelta(t, v, logits[i], 1e-2, photo)
		}
	}
}
