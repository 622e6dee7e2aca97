package imageinfer_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/imageinfer"
	"github.com/millrace/millrace/modules/onnx"
)

// The wheel with CUDA comes by `deploy/tools/install gpu`; its libraries, CUDA 13 and cuDNN 9, by the GPU image.
func TestRealInferenceOnCUDAIsThatOfTheCPU(t *testing.T) {
	if os.Getenv("MILLRACE_GPU") == "" {
		t.Skip("`make gpu` runs this on a machine with a GPU")
	}
	c := real(t)
	see := func(model, photo string) map[string]any {
		out, err := imageinfer.Module.Run(t.Context(), c, props(model, photo))
		require.NoError(t, err)
		return out
	}
	for _, model := range []string{"squeezenet", "mobilenet_v3_small"} {
		for _, photo := range []string{"kitten_224.png", "fish.png", "dog.jpg", "cat.jpg"} {
			c.Devices, c.GPU = nil, gpu.Need{Use: gpu.None}
			onCPU := see(model, photo)
			c.Devices, c.GPU = []gpu.Device{{}}, gpu.Need{Use: gpu.Required} // the machine's own: nothing hides them here
			onCUDA := see(model, photo)
			require.Equal(t, "cpu", onCPU["device"])
			require.Equal(t, "cuda", onCUDA["device"])
			require.Equal(t, labels(onCPU), labels(onCUDA), "%s of %s", model, photo)
		}
		cpu, cuda := median(t, c, model, false), median(t, c, model, true)
		t.Logf("%s: %v on the CPU, %v by CUDA (median of 20): speed-up %.1f", model, cpu, cuda, float64(cpu)/float64(cuda))
	}
}

// labels are those of the best classes, in order.
func labels(out map[string]any) (all []any) {
	for _, class := range out["top5"].([]any) {
		all = append(all, class.(map[string]any)["label"])
	}
	return all
}

// median is how long a model takes for one of many runs, its first left out.
func median(t *testing.T, c *modules.Call, model string, cuda bool) time.Duration {
	t.Helper()
	m, err := onnx.Load(t.Context(), c.Models, model)
	require.NoError(t, err)
	r := onnx.Runtime{Tools: c.Tools, Exec: c.Exec, Env: c.Env}
	a, _, err := r.Infer(t.Context(), m, onnx.Run{Input: make([]float32, 3*m.Size*m.Size), CUDA: cuda, Required: cuda, Times: 21})
	require.NoError(t, err)
	took := slices.Sorted(slices.Values(a.Took[1:]))
	return took[len(took)/2].Round(10 * time.Microsecond)
}
