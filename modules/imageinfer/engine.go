package imageinfer

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/onnx"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// script runs a model. ONNX Runtime is a program of its own: Millrace stays a static binary, and a model that crashes it, or takes
// too much memory or time, ends that program alone.
//
//go:embed infer.py
var script []byte

// A request is what the script is asked.
type request struct {
	Shape    [4]int `json:"shape"`
	CUDA     bool   `json:"cuda"`     // where it can be used
	Required bool   `json:"required"` // CUDA is; else the CPU will do
	Threads  int    `json:"threads"`
	Most     int    `json:"most"` // values of the output
}

// An answer is what came of it.
type answer struct {
	Device  string  `json:"device"` // "cuda" or "cpu"
	Why     string  `json:"why"`    // no CUDA, where it was asked for
	Elapsed float64 `json:"elapsed_ms"`
	Shape   []int   `json:"shape"`
	Version string  `json:"version"`
	values  []float32
	stats   modules.Stats
}

const maxAnswer = 64 << 10 // bytes of the JSON

// infer runs the model over what it takes, in a folder of its own beside the workspace.
func infer(ctx context.Context, c *modules.Call, m *onnx.Model, input []float32) (*answer, error) {
	dir, err := os.MkdirTemp("", "imageinfer-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) // what stays goes with the job's own folder
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	r := request{
		Shape: [4]int{1, 3, m.Size, m.Size}, CUDA: len(c.Devices) > 0, Required: c.GPU.Use == gpu.Required,
		Threads: runtime.GOMAXPROCS(0), Most: onnx.MaxClasses,
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	numbers, err := binary.Append(nil, binary.LittleEndian, input)
	if err != nil {
		return nil, err
	}
	for name, b := range map[string][]byte{"model.onnx": m.Weights, "input.f32": numbers, "request.json": text, "infer.py": script} {
		if err := root.WriteFile(name, b, 0o600); err != nil {
			return nil, err
		}
	}
	m.Weights = nil // they lie in the file now
	stats, err := c.RunTool(ctx, modules.ToolRun{
		Tool: tool.ONNXRuntime(), Args: []string{"-I", "-B", filepath.Join(dir, "infer.py"), filepath.Join(dir, "request.json")},
		Env: []string{"OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "ORT_DISABLE_TELEMETRY=1"},
	})
	if err != nil {
		return nil, classify(ctx, err, r.CUDA)
	}
	a, err := readAnswer(root)
	if err != nil {
		return nil, fmt.Errorf("read what ONNX Runtime found: %w", err)
	}
	a.stats = stats
	return a, nil
}

// classify says of a model that failed on the CPU that it will again. A GPU may have been full.
func classify(ctx context.Context, err error, cuda bool) error {
	_, killed := errors.AsType[*proc.KilledError](err)
	_, over := errors.AsType[*proc.OverError](err)
	if killed || over || cuda || ctx.Err() != nil || fault.Of(err) != fault.Unknown {
		return err
	}
	return fault.As(fault.Permanent, err)
}

func readAnswer(root *os.Root) (*answer, error) {
	text, err := bounded(root, "result.json", maxAnswer)
	if err != nil {
		return nil, err
	}
	a := new(answer)
	if err := json.Unmarshal(text, a); err != nil {
		return nil, err
	}
	raw, err := bounded(root, "output.f32", 4*onnx.MaxClasses)
	if err != nil {
		return nil, err
	}
	a.values = make([]float32, len(raw)/4)
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, a.values); err != nil {
		return nil, err
	}
	if len(a.values) < 2 {
		return nil, fault.As(fault.Permanent, fmt.Errorf("the output has %d values, and a classifier has one for each class", len(a.values)))
	}
	for i, v := range a.values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fault.As(fault.Permanent, fmt.Errorf("value %d of the output is no number", i))
		}
	}
	return a, nil
}

// bounded reads a file of at most so many bytes.
func bounded(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return b, err
}
