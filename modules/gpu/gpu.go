// Package gpu knows the GPUs of this machine: what they can do, whether they are fit to be used, and who has them.
//
// NVML is asked where the binary was built with cgo for Linux; everywhere else, and where no driver is, a machine simply
// has none. Nothing is loaded before somebody asks.
package gpu

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Use says how much a task wants a GPU.
type Use string

const (
	None      Use = "none"      // it has no use for one
	Preferred Use = "preferred" // it runs on the CPU where none is to be had, and says so
	Required  Use = "required"  // it is not run without one
)

// A Need is what a task asks of GPUs. The zero value asks for none.
type Need struct {
	Use        Use    `json:"use,omitzero"`        // empty is None
	Count      int    `json:"count,omitzero"`      // how many; 1 where Use asks for any
	Memory     int64  `json:"memory,omitzero"`     // free bytes of each; 0 is any
	Capability string `json:"capability,omitzero"` // lowest CUDA compute capability, "8.0"; empty is any
	Encoder    bool   `json:"encoder,omitzero"`    // it must encode video (NVENC)
}

// Wanted says whether n asks for a GPU at all.
func (n Need) Wanted() bool { return n.Use == Preferred || n.Use == Required }

// String says what a task asks for: "2 GPUs with 16 GiB each, of compute capability 8.0 or higher".
func (n Need) String() string {
	text, each := fmt.Sprintf("%d GPUs", n.Count), " each"
	if n.Count <= 1 {
		text, each = "a GPU", ""
	}
	switch {
	case n.Memory >= 1<<30 && n.Memory%(1<<30) == 0:
		text += fmt.Sprintf(" with %d GiB%s", n.Memory>>30, each)
	case n.Memory > 0:
		text += fmt.Sprintf(" with %d MiB%s", n.Memory>>20, each)
	}
	if n.Capability != "" {
		text += ", of compute capability " + n.Capability + " or higher"
	}
	if n.Encoder {
		text += ", with a video encoder"
	}
	return text
}

// A Device is a GPU, or a MIG instance of one, that a task can be given.
type Device struct {
	UUID       string `json:"uuid"` // "GPU-…" or "MIG-…", as CUDA_VISIBLE_DEVICES takes it
	Index      int    `json:"index"`
	Name       string `json:"name"` // "NVIDIA H100 80GB HBM3"
	Memory     int64  `json:"memory"`
	Free       int64  `json:"free"` // bytes of Memory that nobody has, when it was looked at
	Capability string `json:"capability"`
	Encoder    bool   `json:"encoder"` // proven by a session that was opened, not inferred
}

// DeviceFiles are the files of this machine by which programs use GPUs, those that are there now: NVIDIA's control, its GPUs,
// their shared memory, what opens MIG instances, and what draws on the GPUs of any maker. What divides a GPU into instances
// (caps 1 and 2, /proc/driver/nvidia-caps/mig-minors) and what owns a screen (/dev/dri/card*) is not among them.
func DeviceFiles() []string { return deviceFiles("/dev") }

func deviceFiles(dev string) []string {
	var all []string
	for _, pattern := range []string{
		"nvidiactl", "nvidia[0-9]*", "nvidia-modeset", "nvidia-uvm", "nvidia-uvm-tools",
		"nvidia-caps/nvidia-cap[3-9]", "nvidia-caps/nvidia-cap[1-9][0-9]*", "dri/renderD*",
	} {
		paths, _ := filepath.Glob(filepath.Join(dev, pattern)) // only a wrong pattern is an error
		all = append(all, paths...)
	}
	return all
}

// CompareCapability orders two compute capabilities, "8.9" before "10.0". What is no number counts as 0.
func CompareCapability(a, b string) int {
	amajor, aminor := capability(a)
	bmajor, bminor := capability(b)
	return cmp.Or(cmp.Compare(amajor, bmajor), cmp.Compare(aminor, bminor))
}

func capability(s string) (major, minor int) {
	first, second, _ := strings.Cut(s, ".")
	major, _ = strconv.Atoi(first)
	minor, _ = strconv.Atoi(second)
	return major, minor
}

// Environ is env in which a program that uses CUDA sees devices and no other GPU. With none it sees none, so that work which was
// sent to the CPU takes no memory of a GPU that somebody else has.
func Environ(env []string, devices []Device) []string {
	const name = "CUDA_VISIBLE_DEVICES="
	uuids := make([]string, len(devices))
	for i, d := range devices {
		uuids[i] = d.UUID
	}
	named := func(kv string) bool { return strings.HasPrefix(kv, name) }
	return append(slices.DeleteFunc(slices.Clone(env), named), name+strings.Join(uuids, ","))
}
