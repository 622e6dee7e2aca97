package blender

import (
	"bufio"
	"context"
	_ "embed" // the script
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/threejs"
)

//go:embed render.py
var renderScript string

const (
	// DefaultSamples is how many each pixel has where nobody says.
	DefaultSamples = 32
	// maxGPUSamples, maxCPUSamples and minCPUSamples bound those of a pixel, and maxCPUWork those of a picture on the CPU, to
	// about a minute on two cores.
	maxGPUSamples = 4096
	maxCPUSamples = 128
	minCPUSamples = 4
	maxCPUWork    = 64 << 20
	// maxHeld is how many bytes of pictures one Blender may leave for us to read; for more it reads the model again.
	maxHeld = 256 << 20
)

// Shots are the pictures to make of a model, by Cycles, Blender's path tracer.
type Shots struct {
	Model         string // real path of a GLB that holds all it needs, without animations
	Look          threejs.Look
	Width, Height int // pixels
	Views         []threejs.View
	Samples       int  // per pixel; 0 are DefaultSamples
	GPU           bool // a GPU is leased for them: it draws where its driver lets it
	Must          bool // it is an error where the GPU does not draw
}

// A Shot is one of them.
type Shot struct {
	Image  *image.RGBA // what there is nothing of the model in lets everything through
	Matrix [16]float64 // the camera's in the world: its axes to the right, up and back, and its place, columns first
}

// Drawn is what came of them.
type Drawn struct {
	Device    string // what drew, as its driver calls it
	GPU       bool
	Triangles int64 // of the model
	Samples   int   // that each pixel had at most
	Warnings  []string
	Stats     proc.Stats
}

// draft is what render.py is told.
type draft struct {
	Command string         `json:"command"`
	Src     string         `json:"src"`
	Dest    string         `json:"dest"`
	Roots   []string       `json:"roots"`
	GPU     bool           `json:"gpu"`
	Threads int            `json:"threads"`
	Width   int            `json:"width"`
	Height  int            `json:"height"`
	Samples int            `json:"samples"`
	Views   []threejs.View `json:"views"`
	Ambient [3]float64     `json:"ambient"` // linear
	Room    float64        `json:"room"`
	Suns    []sun          `json:"suns"`
}

// A sun is a directional light.
type sun struct {
	Color     [3]float64 `json:"color"` // linear
	Intensity float64    `json:"intensity"`
	Toward    [3]float64 `json:"toward"`
}

// rendered is what it answers.
type rendered struct {
	Device    string        `json:"device"`
	GPU       bool          `json:"gpu"`
	Triangles int64         `json:"triangles"`
	Matrices  [][16]float64 `json:"matrices"`
}

// Draw hands over one picture for each view in their order. What Blender can't draw is a permanent error; when each returns an
// error, that is Draw's. The light is that of three.js, the camera that of package raster. A GPU is seen by a Blender of its own.
func (b Blender) Draw(ctx context.Context, s Shots, each func(i int, p Shot) error) (Drawn, error) {
	if s.GPU {
		b.Warm = nil // which has the environment of another time
	}
	out := Drawn{}
	out.Samples, out.Warnings = s.samples()
	size := 8 * s.Width * s.Height
	for first := 0; first < len(s.Views); {
		last := min(len(s.Views), first+max(1, maxHeld/size))
		if err := b.draw(ctx, s, first, last, &out, each); err != nil {
			return out, err
		}
		first = last
	}
	return out, nil
}

// samples is how many a pixel has.
func (s Shots) samples() (n int, warnings []string) {
	n = s.Samples
	if n == 0 {
		n = DefaultSamples
	}
	most, why := maxGPUSamples, "no picture gets better by more"
	if !s.GPU {
		most = min(maxCPUSamples, max(maxCPUWork/(s.Width*s.Height), minCPUSamples))
		why = fmt.Sprintf("that is what the CPU draws of a picture of %d x %d pixels; a GPU draws up to %d (gpu: preferred)", s.Width, s.Height, maxGPUSamples)
	}
	if n > most {
		if s.Samples > 0 {
			warnings = []string{fmt.Sprintf("each pixel has %d samples instead of %d: %s", most, s.Samples, why)}
		}
		n = most
	}
	return n, warnings
}

// draw draws the views from first to before last.
func (b Blender) draw(ctx context.Context, s Shots, first, last int, out *Drawn, each func(i int, p Shot) error) error {
	folder, err := os.MkdirTemp("", "cycles-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	d := s.draft()
	d.Dest, d.Views, d.Samples = folder, s.Views[first:last], out.Samples
	var r rendered
	stats, err := b.ask(ctx, d, &r)
	out.Stats = more(out.Stats, stats)
	if refused, ok := errors.AsType[*RefusedError](err); ok && s.GPU {
		return fmt.Errorf("draw on a GPU: %w", fault.As(fault.Unknown, refused)) // a driver may give up and recover
	}
	if err != nil {
		return err
	}
	if len(r.Matrices) != last-first {
		return errors.New("Blender drew another number of pictures")
	}
	if err := out.drawnBy(r, s); err != nil {
		return err
	}
	film := s.Look.Film()
	for i, m := range r.Matrices {
		img, err := develop(filepath.Join(folder, strconv.Itoa(i)+".half"), s.Width, s.Height, film)
		if err != nil {
			return err
		}
		if err := each(first+i, Shot{Image: img, Matrix: m}); err != nil {
			return err
		}
	}
	return nil
}

// drawnBy takes down what drew.
func (out *Drawn) drawnBy(r rendered, s Shots) error {
	if s.GPU && !r.GPU {
		const why = "Blender's driver of the GPU (CUDA or OptiX) did not start; the container needs it (NVIDIA_DRIVER_CAPABILITIES=all)"
		if s.Must {
			return errors.New("no GPU drew: " + why)
		}
		if out.Device == "" {
			out.Warnings = append(out.Warnings, "the CPU drew, since "+why)
		}
	}
	out.Device, out.GPU, out.Triangles = r.Device, r.GPU, r.Triangles
	return nil
}

// draft is what all requests for the shots have.
func (s Shots) draft() draft {
	d := draft{
		Command: "render", Src: s.Model, Roots: []string{}, GPU: s.GPU, Threads: runtime.GOMAXPROCS(0),
		Width: s.Width, Height: s.Height, Room: s.Look.Room(), Suns: []sun{},
	}
	for _, l := range s.Look.Lamps() {
		c := l.Linear()
		if l.Type == "ambient" {
			for k := range c {
				d.Ambient[k] += c[k] * l.Intensity
			}
			continue
		}
		to := [3]float64{0, 0, 1}
		if l.Position != nil {
			to = *l.Position
		}
		d.Suns = append(d.Suns, sun{Color: c, Intensity: l.Intensity, Toward: to})
	}
	return d
}

// more is what two runs used.
func more(a, b proc.Stats) proc.Stats {
	return proc.Stats{Elapsed: a.Elapsed + b.Elapsed, MaxCPU: max(a.MaxCPU, b.MaxCPU), MaxMem: max(a.MaxMem, b.MaxMem)}
}

// develop makes a picture of the light that render.py left in a file.
func develop(file string, width, height int, film threejs.Film) (*image.RGBA, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read Blender's picture: %w", err)
	}
	defer f.Close()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	r, row := bufio.NewReaderSize(f, 1<<16), make([]byte, 8*width)
	for y := range height {
		if _, err := io.ReadFull(r, row); err != nil {
			return nil, fmt.Errorf("read Blender's picture: %w", err)
		}
		for x := range width {
			var p [4]float64
			for k := range p {
				p[k] = half(binary.LittleEndian.Uint16(row[8*x+2*k:]))
			}
			img.SetRGBA(x, y, film.Develop(p[0], p[1], p[2], p[3]))
		}
	}
	return img, nil
}

// half is a number of 16 bits, neither negative nor infinite.
func half(bits uint16) float64 {
	exponent, fraction := int(bits>>10&31), float64(bits&1023)
	if exponent == 0 {
		return math.Ldexp(fraction, -24)
	}
	return math.Ldexp(fraction+1024, exponent-25)
}
