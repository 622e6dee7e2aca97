// Package imageinfer is the ImageInfer module: an ONNX model says what a picture shows.
package imageinfer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/onnx"
	"github.com/millrace/millrace/modules/tool"
)

// Module is the ImageInfer task.
var Module = modules.Define(modules.Spec{
	Name:    "ImageInfer",
	Summary: "Classifies a picture with an ONNX model, on a GPU unless its task says that the CPU will do, and writes the five best classes as JSON.",
	Example: "- module: ImageInfer\n  gpu: preferred\n  props: {model: resnet50, input: {path: photo.jpg}, output: {path: result.json}}\n  register: seen",
	Tools:   []tool.Tool{tool.ONNXRuntime()},
	GPU:     gpu.Need{Use: gpu.Required},
}, run)

// Props are what a task writes under props.
type Props struct {
	Model  string `json:"model" default:"resnet50" doc:"One of the operator's models, which millrace models list shows; or an .onnx file of the workspace, with its description beside it (photo.onnx and photo.yaml)."`
	Input  Input  `json:"input" doc:"What to look at."`
	Output File   `json:"output" doc:"What to write."`
}

// Input is what to look at.
type Input struct {
	Type string `json:"type" default:"image" enum:"image" doc:"What it is."`
	Path string `json:"path" doc:"Picture to read: PNG, JPEG, GIF (its first frame) or WebP."`
}

// File is what to write.
type File struct {
	Path string `json:"path" doc:"JSON file to write; it appears when it is complete."`
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
	Result
	Warnings []string `json:"warnings" doc:"What is not as it might be, a sentence each."`
}

// Result is what is written.
type Result struct {
	Model     string  `json:"model" doc:"Name of the model."`
	Top5      []Class `json:"top5" doc:"The most probable classes, the best first; fewer where the model has fewer."`
	Elapsed   float64 `json:"elapsed_ms" doc:"Time that the model took, in milliseconds, without what comes before and after."`
	Device    string  `json:"device" doc:"What it ran on: cuda or cpu."`
	Timestamp string  `json:"timestamp" doc:"When, in UTC."`
}

// A Class is one that the picture may belong to.
type Class struct {
	Label       string  `json:"label" doc:"The class: class_ and its number, from 0."`
	Probability float64 `json:"probability" doc:"From 0 to 1."`
	Name        string  `json:"name,omitzero" doc:"What people call it, where the model's description says."`
}

// top is how many classes are told.
const top = 5

// Probe refuses a picture that is too large, and a model that is not there, before anything is decoded.
func (p *Props) Probe(ctx context.Context, c *modules.Call) (modules.Demand, error) {
	s, err := open(c, p.Input.Path)
	if err != nil {
		return modules.Demand{}, fmt.Errorf("read %s: %w", p.Input.Path, err)
	}
	defer s.file.Close()
	shelf, name := p.shelf(c)
	weights, err := onnx.Weigh(ctx, shelf, name)
	if err != nil {
		return modules.Demand{}, err
	}
	return modules.Demand{Input: s.bytes + weights, Memory: baseMemory + weightsTimes*weights + bytesPerPixel*int64(s.size.X)*int64(s.size.Y)}, nil
}

const (
	baseMemory    = 192 << 20 // of ONNX Runtime with a small model
	weightsTimes  = 4         // they lie in memory here and there, and are copied when they are loaded, those of 16 bits as 32
	bytesPerPixel = 8         // of a picture while it is decoded: 4 as a rule, 8 of 16 bits
)

// shelf is where the model lies, and its name there.
func (p *Props) shelf(c *modules.Call) (onnx.Shelf, string) {
	name, ok := strings.CutSuffix(path.Base(p.Model), onnx.WeightsExt)
	if !ok {
		return c.Models, p.Model
	}
	return func(_ context.Context, file string) (io.ReadCloser, error) {
		return c.Workspace.Open(path.Join(path.Dir(p.Model), file))
	}, name
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	shelf, name := p.shelf(c)
	m, err := onnx.Load(ctx, shelf, name)
	if err != nil {
		return Output{}, err
	}
	input, err := prepare(ctx, c, p.Input.Path, &m.Description)
	if err != nil {
		return Output{}, fmt.Errorf("read %s: %w", p.Input.Path, err)
	}
	a, stats, err := infer(ctx, c, m, input)
	if err != nil {
		return Output{}, fmt.Errorf("run model %q: %w", name, err)
	}
	r, err := judge(m, a)
	if err != nil {
		return Output{}, fmt.Errorf("run model %q: %w", name, err)
	}
	size, err := publish(c, p.Output.Path, r)
	if err != nil {
		return Output{}, fmt.Errorf("write %s: %w", p.Output.Path, err)
	}
	best := r.Top5[0]
	fmt.Fprintf(c.Stdout, "%s: %s (%.1f %%), %s on %s, %.1f ms\n", p.Input.Path, cmp.Or(best.Name, best.Label), 100*best.Probability, name, r.Device, r.Elapsed)
	out := Output{
		ToolOutput: modules.ToolOutput{Src: p.Input.Path, Dest: p.Output.Path, Size: strconv.Itoa(size), Stats: stats},
		Result:     r,
	}
	if a.Why != "" {
		out.Warnings = []string{"it ran on the CPU: " + a.Why}
	}
	return out, nil
}

// prepare makes of a picture what the model takes.
func prepare(ctx context.Context, c *modules.Call, name string, d *onnx.Description) ([]float32, error) {
	s, err := open(c, name)
	if err != nil {
		return nil, err
	}
	defer s.file.Close()
	m, err := s.decode(ctx)
	if err != nil {
		return nil, err
	}
	pixels, err := shrink(ctx, m, windowOf(m.size, d))
	if err != nil {
		return nil, err
	}
	return tensor(pixels, d), nil
}

// infer runs the model over what it takes.
func infer(ctx context.Context, c *modules.Call, m *onnx.Model, input []float32) (*onnx.Answer, modules.Stats, error) {
	r := onnx.Runtime{Tools: c.Tools, Exec: c.Exec, Env: c.Env, Warm: c.ONNX}
	a, stats, err := r.Infer(ctx, m, onnx.Run{Input: input, CUDA: len(c.Devices) > 0, Required: c.GPU.Use == gpu.Required})
	return a, modules.StatsOf(stats), err
}

// judge tells the best classes.
func judge(m *onnx.Model, a *onnx.Answer) (Result, error) {
	p, err := m.Probabilities(a.Values)
	if err != nil {
		return Result{}, err
	}
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[j], p[i]) })
	r := Result{
		Model: m.Name, Elapsed: math.Round(float64(a.Took[0].Microseconds())/10) / 100, Device: a.Device,
		Timestamp: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	for _, i := range order[:min(top, len(order))] {
		r.Top5 = append(r.Top5, Class{"class_" + strconv.Itoa(i), math.Round(1e6*p[i]) / 1e6, m.ClassName(i)})
	}
	return r, nil
}

// publish writes the result, and returns its size.
func publish(c *modules.Call, name string, r Result) (int, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return 0, err
	}
	text = append(text, '\n')
	return len(text), c.Workspace.Replace(name, func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
}
