package onnx

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
	"slices"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/modules/warm"
)

// script runs models. ONNX Runtime is a program of its own: Millrace stays a static binary, and a model that crashes it, or takes
// too much memory or time, ends that program alone.
//
//go:embed serve.py
var script string

// A Warm keeps ONNX Runtime, and the model that it ran last, for the next run of the same job: a small model is run in a
// tenth of the time that both take to be loaded. One that has a GPU is not kept: a GPU is leased to one task.
type Warm struct{ place *warm.Place[*warm.Talk] }

// maxKept is how large a model may be that is kept, in bytes: the job's next tasks have memory to need, too.
const maxKept = 128 << 20

// NewWarm makes one. Close it after use.
func NewWarm() *Warm {
	const uses = 1000
	return &Warm{warm.New[*warm.Talk](uses)}
}

// Close ends the runtime, and waits for it.
func (w *Warm) Close() { w.place.Close() }

// A Runtime is what runs need of a machine.
type Runtime struct {
	Tools *tool.Set
	Exec  proc.Runner
	Env   []string
	Warm  *Warm // nil: each run starts one
}

// A Run is one, or several of the same.
type Run struct {
	Input    []float32 // as the description says: three channels of Size rows and columns
	CUDA     bool      // where it can be used
	Required bool      // CUDA is; else the CPU will do
	Times    int       // how often; 0 is once
}

// An Answer is what came of it.
type Answer struct {
	Values []float32       // what the model gave, finite numbers
	Device string          // "cuda" or "cpu"
	Why    string          // no CUDA, where it was asked for
	Load   time.Duration   // to load the model; nearly nothing where it was there
	Took   []time.Duration // each run
}

// Names in the folder of the program.
const (
	inputFile  = "input.f32"
	outputFile = "output.f32"
)

// request is what the script is asked.
type request struct {
	Model    string `json:"model"`
	Input    string `json:"input"`
	Output   string `json:"output"`
	Shape    [4]int `json:"shape"`
	CUDA     bool   `json:"cuda"`
	Required bool   `json:"required"`
	Threads  int    `json:"threads"`
	Runs     int    `json:"runs"`
	Most     int    `json:"most"` // values of the output
}

// result is what it answers.
type result struct {
	Refused string    `json:"refused"`
	Device  string    `json:"device"`
	Why     string    `json:"why"`
	Load    float64   `json:"load_ms"`
	Took    []float64 `json:"run_ms"`
	Memory  int64     `json:"memory"` // the most that it ever had, bytes
}

// Infer runs a model; m.Weights are of no more use then. What it can't do with the model on the CPU is a permanent error. A GPU
// may have been full.
func (r Runtime) Infer(ctx context.Context, m *Model, run Run) (*Answer, proc.Stats, error) {
	var got result
	a := new(Answer)
	ask := warm.Request{
		Line: func(dir string) ([]byte, error) { return lay(dir, m, run) },
		Take: func(dir string, line []byte) (err error) {
			if err := json.Unmarshal(line, &got); err != nil {
				return fmt.Errorf("read the answer of ONNX Runtime: %w", err)
			}
			if got.Refused == "" {
				a.Values, err = values(dir)
			}
			return err
		},
	}
	stats, err := r.ask(ctx, ask, !run.CUDA && len(m.Weights) <= maxKept)
	if err == nil && got.Refused != "" {
		if err = errors.New("ONNX Runtime: " + got.Refused); !run.CUDA {
			err = fault.As(fault.Permanent, err)
		}
	}
	if err != nil {
		return nil, stats, classify(err, run.CUDA)
	}
	stats.MaxMem = max(stats.MaxMem, got.Memory)
	a.Device, a.Why, a.Load = got.Device, got.Why, milliseconds(got.Load)
	for _, ms := range got.Took {
		a.Took = append(a.Took, milliseconds(ms))
	}
	if len(a.Took) == 0 {
		return nil, stats, errors.New("ONNX Runtime says nothing of its runs")
	}
	return a, stats, nil
}

// ask makes a request of a program that is kept for the next one, or not.
func (r Runtime) ask(ctx context.Context, ask warm.Request, keep bool) (stats proc.Stats, err error) {
	began := time.Now()
	if r.Warm == nil || !keep {
		p, err := r.program(ctx)
		if err != nil {
			return stats, err
		}
		return p.Once(ctx, ask)
	}
	start := func(ctx context.Context) (*warm.Talk, error) {
		p, err := r.program(ctx)
		if err != nil {
			return nil, err
		}
		return p.Begin(ctx)
	}
	err = r.Warm.place.Use(ctx, r.Env, start, func(t *warm.Talk) error {
		t.Used() // by others
		err := t.Exchange(ctx, ask)
		stats = t.Used()
		return err
	})
	stats.Elapsed = time.Since(began)
	return stats, err
}

// Try runs a model twice on the CPU, over a picture of one colour, and judges what it gives: what a run would find that reading
// the model does not. m stays as it is.
func (r Runtime) Try(ctx context.Context, m *Model) (*Answer, error) {
	own := *m
	a, _, err := r.Infer(ctx, &own, Run{Input: make([]float32, 3*m.Size*m.Size), Times: 2})
	if err == nil {
		_, err = m.Probabilities(a.Values)
	}
	if err != nil {
		return nil, fmt.Errorf("run model %q: %w", m.Name, err)
	}
	return a, nil
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// program is an ONNX Runtime in a folder of its own.
func (r Runtime) program(ctx context.Context) (warm.Talker, error) {
	found, err := r.Tools.Find(ctx, tool.ONNXRuntime())
	if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
		return warm.Talker{}, fault.As(fault.Permanent, lacks)
	}
	if err != nil {
		return warm.Talker{}, fmt.Errorf("find ONNX Runtime: %w", err)
	}
	own, err := os.MkdirTemp("", "onnxruntime-")
	if err != nil {
		return warm.Talker{}, err
	}
	start, args := found.Command()
	return warm.Talker{
		Name: tool.ONNXRuntime().Name, Exec: r.Exec, MaxAnswer: 64 << 10,
		Cmd: proc.Cmd{
			Path: start, Args: append(args, "-I", "-B", "-c", script), Dir: own, Limits: r.Tools.LimitsOf(tool.ONNXRuntime()),
			Env: append(slices.Clone(r.Env), "TMPDIR="+own, "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "ORT_DISABLE_TELEMETRY=1"),
		},
	}, nil
}

// lay puts what the script reads into its folder, and returns the request. A model that lies there stays.
func lay(dir string, m *Model, run Run) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	model := m.SHA256 + WeightsExt
	if _, err := root.Stat(model); err != nil {
		others, err := filepath.Glob(filepath.Join(dir, "*"+WeightsExt))
		for _, other := range others {
			err = errors.Join(err, root.Remove(filepath.Base(other)))
		}
		if err = errors.Join(err, root.WriteFile(model, m.Weights, 0o600)); err != nil {
			return nil, err
		}
	}
	m.Weights = nil
	numbers, err := binary.Append(nil, binary.LittleEndian, run.Input)
	if err == nil {
		err = root.WriteFile(inputFile, numbers, 0o600)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(request{
		Model: model, Input: inputFile, Output: outputFile, Shape: [4]int{1, 3, m.Size, m.Size}, CUDA: run.CUDA, Required: run.Required,
		Threads: runtime.GOMAXPROCS(0), Runs: max(1, run.Times), Most: MaxClasses,
	})
}

// values are what the script left, which goes.
func values(dir string) ([]float32, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(outputFile)
	if err != nil {
		return nil, fmt.Errorf("read what ONNX Runtime found: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, 4*MaxClasses))
	if err := errors.Join(err, f.Close(), root.Remove(outputFile)); err != nil {
		return nil, fmt.Errorf("read what ONNX Runtime found: %w", err)
	}
	list := make([]float32, len(raw)/4)
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, list); err != nil {
		return nil, err
	}
	if len(list) < 2 {
		return nil, fault.As(fault.Permanent, fmt.Errorf("the output has %d values, and a classifier has one for each class", len(list)))
	}
	for i, v := range list {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fault.As(fault.Permanent, fmt.Errorf("value %d of the output is no number", i))
		}
	}
	return list, nil
}

// classify says of a model that failed on the CPU, or brought ONNX Runtime down there, that it will again. A GPU may have been full.
func classify(err error, cuda bool) error {
	ended, ok := errors.AsType[*warm.EndedError](err)
	if !ok || cuda || ended.Exit.Over != "" || ended.Exit.Killed() {
		return err
	}
	return fault.As(fault.Permanent, err)
}
