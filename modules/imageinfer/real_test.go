package imageinfer_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/imageinfer"
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
			t.Logf("%s of %s: %.2f ms on the CPU, %.2f ms by CUDA, its first run", model, photo, onCPU["elapsed_ms"], onCUDA["elapsed_ms"])
		}
	}
}

// labels are those of the best classes, in order.
func labels(out map[string]any) (all []any) {
	for _, class := range out["top5"].([]any) {
		all = append(all, class.(map[string]any)["label"])
	}
	return all
}
