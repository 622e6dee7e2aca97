package pipelines

import (
	"math"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules/gpu"
)

// WantsGPU says whether the document asks for a GPU for the task.
func (t *Task) WantsGPU() bool { return t.GPU != nil && t.GPU.Wanted() }

// gpu reads what a task needs of GPUs: how much (true is required), how many, or a map. Nil is what its module says.
func (p *parser) gpu(f field) *gpu.Need {
	n := f.value
	switch v := n.value.(type) {
	case bool:
		if v {
			return &gpu.Need{Use: gpu.Required, Count: 1}
		}
		return &gpu.Need{Use: gpu.None}
	case int64:
		if v == 0 {
			return &gpu.Need{Use: gpu.None}
		}
		return &gpu.Need{Use: gpu.Required, Count: p.gpuCount(f)}
	case string:
		if use, ok := gpuUse(v); ok {
			return needOf(use)
		}
	}
	switch {
	case n.empty():
		return nil
	case n.kind != mapNode:
		p.Errorf(f.pos, "gpu must be required, preferred, none, true, a number of GPUs, or a map with use, count, memory, capability, encoder, got %s", n.what())
		return nil
	}
	g := needOf(gpu.Required)
	for _, f := range n.fields {
		switch f.key {
		case "use":
			use, ok := gpuUse(p.text(f))
			if !ok {
				p.Errorf(f.pos, "use must be required, preferred or none, got %s", f.value.what())
			}
			g.Use = use
		case "count":
			g.Count = p.gpuCount(f)
		case "memory":
			g.Memory = p.bytes(f)
		case "capability":
			g.Capability = p.capability(f)
		case "encoder":
			g.Encoder = p.boolean(f, false)
		default:
			p.unknown(f, "gpu", "use", "count", "memory", "capability", "encoder")
		}
	}
	return g
}

func gpuUse(text string) (use gpu.Use, ok bool) {
	use = gpu.Use(text)
	return use, use == gpu.Required || use == gpu.Preferred || use == gpu.None
}

func needOf(use gpu.Use) *gpu.Need {
	if use == gpu.None {
		return &gpu.Need{Use: use}
	}
	return &gpu.Need{Use: use, Count: 1}
}

func (p *parser) gpuCount(f field) int {
	const most = 64
	v, ok := f.value.value.(int64)
	if !ok || v < 1 || v > most {
		p.Errorf(f.pos, "%s must be a whole number of GPUs from 1 to %d, got %s", f.key, most, f.value.what())
		return 1
	}
	return int(v)
}

// bytes reads a size: a number of bytes, or text with a unit as Kubernetes writes it ("16Gi", "500M"), B added or not.
func (p *parser) bytes(f field) int64 {
	units := map[string]float64{
		"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40,
	}
	text := p.text(f)
	number := strings.TrimRight(text, "KMGTkmgtiB ")
	unit := strings.TrimSuffix(strings.TrimSpace(text[len(number):]), "B")
	v, err := strconv.ParseFloat(number, 64)
	factor, known := units[strings.ToLower(unit)]
	if err != nil || !known || !(v >= 0) || v*factor > math.MaxInt64/2 {
		if f.value.kind == scalarNode {
			p.Errorf(f.pos, "%s must be a number of bytes, or a size such as 16Gi, got %s", f.key, f.value.what())
		}
		return 0
	}
	return int64(v * factor)
}

// capability reads a CUDA compute capability, "8.6".
func (p *parser) capability(f field) string {
	text := p.text(f)
	major, minor, _ := strings.Cut(text, ".")
	for _, part := range []string{major, minor} {
		if n, err := strconv.ParseUint(part, 10, 8); (err != nil || n > 99) && (part != "" || part == major) {
			p.Errorf(f.pos, "capability must be a CUDA compute capability such as 8.0, got %s", f.value.what())
			return ""
		}
	}
	if minor == "" {
		return major + ".0"
	}
	return text
}
