package onnx

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/millrace/millrace/modules/fault"
)

// A Description says how a picture becomes a model's input, and what its output means: NAME.yaml beside NAME.onnx.
type Description struct {
	Summary  string    `yaml:"summary,omitempty"`  // one line for `millrace models list`
	Source   string    `yaml:"source,omitempty"`   // where the weights come from, and their licence
	Size     int       `yaml:"size"`               // side of the square that the model takes, pixels
	Resize   int       `yaml:"resize,omitempty"`   // the picture's shorter side before the square is cut out of its middle; 0 is Size
	Crop     string    `yaml:"crop,omitempty"`     // CropCenter (the default) or CropNone
	Channels string    `yaml:"channels,omitempty"` // their order: "rgb" (the default) or "bgr"
	Range    float32   `yaml:"range,omitempty"`    // what a full channel is before mean and std: 1 (the default) or 255
	Mean     []float32 `yaml:"mean,omitempty,flow"`
	Std      []float32 `yaml:"std,omitempty,flow"` // of the channels in the model's order; a channel becomes (x - mean) / std
	Output   string    `yaml:"output"`             // Logits or Softmax
	Labels   Labels    `yaml:"labels,omitempty"`
	SHA256   string    `yaml:"sha256,omitempty"` // of the weights, in hexadecimal; empty is any
}

// The values of Crop and Output.
const (
	CropCenter = "center" // the square in the middle
	CropNone   = "none"   // the whole picture, pressed into the square
	Logits     = "logits" // scores of any size; softmax makes probabilities of them
	Softmax    = "softmax"
)

// Labels are the readable names of classes, the first one that of class 0. In YAML they are a list, or "imagenet".
type Labels []string

// UnmarshalYAML reads them.
func (l *Labels) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		if n.Value != "imagenet" {
			return fmt.Errorf("labels is %q; write a list of names, or imagenet", clip(n.Value))
		}
		*l = imagenet()
		return nil
	}
	return n.Decode((*[]string)(l))
}

// maxSize is the largest side of an input, in pixels.
const maxSize = 1024

// ParseDescription reads and checks a description; it fills in what has a default.
func ParseDescription(text []byte) (d *Description, err error) {
	// yaml.v3 turns its own panics into errors, but hostile input has found others before.
	defer func() {
		if p := recover(); p != nil {
			d, err = nil, fmt.Errorf("it can't be read: %v", p)
		}
	}()
	if len(text) > MaxDescription {
		return nil, fmt.Errorf("it has more than %d KiB", MaxDescription>>10)
	}
	d = new(Description)
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(d); err != nil {
		return nil, fmt.Errorf("it is no description of a model: %s", strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " "))
	}
	return d, d.complete()
}

// complete fills in defaults, and returns all that is wrong.
func (d *Description) complete() error {
	d.Resize = cmp.Or(d.Resize, d.Size)
	d.Crop = cmp.Or(d.Crop, CropCenter)
	d.Channels = cmp.Or(d.Channels, "rgb")
	d.Range = cmp.Or(d.Range, 1)
	d.SHA256 = strings.ToLower(d.SHA256)
	if d.Mean == nil {
		d.Mean = []float32{0, 0, 0}
	}
	if d.Std == nil {
		d.Std = []float32{1, 1, 1}
	}
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	wrong(d.Size < 1 || d.Size > maxSize, "size must be 1 to %d pixels, got %d", maxSize, d.Size)
	wrong(d.Resize < d.Size || d.Resize > 2*maxSize, "resize must be at least size and at most %d, got %d", 2*maxSize, d.Resize)
	wrong(d.Crop != CropCenter && d.Crop != CropNone, "crop must be center or none, got %q", clip(d.Crop))
	wrong(d.Crop == CropNone && d.Resize != d.Size, "crop: none presses the picture into size; leave resize out")
	wrong(d.Channels != "rgb" && d.Channels != "bgr", "channels must be rgb or bgr, got %q", clip(d.Channels))
	wrong(d.Range != 1 && d.Range != 255, "range must be 1 or 255, got %v", d.Range)
	wrong(len(d.Mean) != 3 || !finite(d.Mean), "mean must be three numbers")
	wrong(len(d.Std) != 3 || !finite(d.Std) || min3(d.Std) <= 0, "std must be three numbers above 0")
	wrong(d.Output != Logits && d.Output != Softmax, "output must be logits or softmax, got %q", clip(d.Output))
	if d.SHA256 != "" {
		sum, err := hex.DecodeString(d.SHA256)
		wrong(err != nil || len(sum) != 32, "sha256 must be 64 hexadecimal digits")
	}
	return errors.Join(errs...)
}

func finite(list []float32) bool {
	for _, v := range list {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}

func min3(list []float32) float32 {
	if len(list) != 3 {
		return 0
	}
	return min(list[0], list[1], list[2])
}

// Fits returns why a model can't be what d describes; nil where it can.
func (d *Description) Fits(g *Graph) error {
	if len(g.Inputs) != 1 {
		return fmt.Errorf("it takes %d inputs, and a classifier takes one picture", len(g.Inputs))
	}
	if len(g.Outputs) == 0 {
		return errors.New("it has no output")
	}
	in, out := g.Inputs[0], g.Outputs[0]
	want := []int64{1, 3, int64(d.Size), int64(d.Size)}
	if in.Type != Float32 && in.Type != Float16 {
		return fmt.Errorf("its input %q holds no numbers of 32 or 16 bits in floating point", clip(in.Name))
	}
	if len(in.Dims) != 4 {
		return fmt.Errorf("its input %q has %d dimensions, and a picture has 4: one, channels, height, width", clip(in.Name), len(in.Dims))
	}
	for i, n := range in.Dims {
		if n > 0 && n != want[i] {
			return fmt.Errorf("its input %q is %v, and its description makes %v (one, channels, height, width)", clip(in.Name), in.Dims, want)
		}
	}
	if out.Type != Float32 && out.Type != Float16 {
		return fmt.Errorf("its output %q holds no numbers of 32 or 16 bits in floating point", clip(out.Name))
	}
	classes, known := int64(1), true
	for i, n := range out.Dims {
		switch {
		case n > 0 && n <= MaxClasses:
			classes = min(classes*n, MaxClasses+1)
		case i > 0 || n > MaxClasses:
			known = false
		}
	}
	if !known || len(out.Dims) < 2 {
		return nil
	}
	return d.FitsClasses(int(classes))
}

// MaxClasses is how many classes a model may tell apart.
const MaxClasses = 100_000

// FitsClasses returns why a model can't have so many classes; nil where it can.
func (d *Description) FitsClasses(n int) error {
	switch {
	case n > MaxClasses || n < 2:
		return fault.As(fault.Permanent, fmt.Errorf("its output has %d values, and a classifier has 2 to %d classes", n, MaxClasses))
	case len(d.Labels) > 0 && len(d.Labels) != n:
		return fault.As(fault.Permanent, fmt.Errorf("it has %d classes, and its description %d labels", n, len(d.Labels)))
	}
	return nil
}

// Probabilities are what the model's output means, one for each class.
func (d *Description) Probabilities(values []float32) ([]float64, error) {
	if err := d.FitsClasses(len(values)); err != nil {
		return nil, err
	}
	p, sum := make([]float64, len(values)), 0.0
	highest := float64(slices.Max(values))
	for i, v := range values {
		p[i] = float64(v)
		if d.Output == Logits {
			p[i] = math.Exp(p[i] - highest)
		}
		sum += p[i]
	}
	if d.Output == Logits {
		for i := range p {
			p[i] /= sum
		}
		return p, nil
	}
	const tolerance = 0.05 // how far a sum of 1000 probabilities in 16 bits may be off
	if slices.Min(values) < -tolerance || math.Abs(sum-1) > tolerance {
		return nil, fault.As(fault.Permanent, errors.New("its output is no probabilities, which are 0 or more and 1 in all; write output: logits in its description"))
	}
	return p, nil
}

// ClassName is the readable name of a class; empty where it has none.
func (d *Description) ClassName(class int) string {
	if class < len(d.Labels) {
		return d.Labels[class]
	}
	return ""
}
