package gpu

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// LeastDriver is the oldest driver that the CUDA 13 libraries of the GPU image run on: NVIDIA's CUDA Toolkit release notes,
// "Minimum Required Driver Version for CUDA Minor Version Compatibility", 13.x on Linux. Dockerfile.cuda says which CUDA.
const LeastDriver = "580.65.06"

// A Machine is the capability passport of a machine: its driver, and every GPU with what was found on it.
type Machine struct {
	Driver      string   `json:"driver"`             // "580.95.05"
	CUDA        string   `json:"cuda"`               // highest version that the driver runs, "13.0"
	LeastDriver string   `json:"least_driver"`       // LeastDriver
	Unfit       string   `json:"unfit,omitzero"`     // why none of the devices is in service; empty where that is up to each
	Devices     []Report `json:"devices"`            // in the order of NVML, a MIG instance in the place of its GPU
	Unwatched   string   `json:"unwatched,omitzero"` // why failures are not told while a task runs; empty where they are
}

// A Report is a device with what was found when it was looked at.
type Report struct {
	Device
	Health
	Parent    string   `json:"parent,omitzero"`     // UUID of the GPU that a MIG instance is of
	Unfit     string   `json:"unfit,omitzero"`      // why no task gets it; empty where it is in service
	Warnings  []string `json:"warnings,omitempty"`  // what does not keep it from service
	Leased    bool     `json:"leased,omitzero"`     // a task of this pool has it
	NoEncoder string   `json:"no_encoder,omitzero"` // why no encoder session could be opened; empty where one was, or nobody asked
	passes    bool     // Unfit may end, see ErrPasses
	untried   bool     // whether it has an encoder is not known
	instance  instance
}

// Health is what the driver says of a GPU. A MIG instance has that of its GPU. What a GPU can't tell is zero.
type Health struct {
	Temperature   int      `json:"temperature"`             // °C
	Slowdown      int      `json:"slowdown,omitzero"`       // °C at which the hardware slows down
	Throttled     []string `json:"throttled,omitempty"`     // why the clocks are lowered now
	Uncorrected   uint64   `json:"uncorrected,omitzero"`    // memory errors that ECC could not correct, since the driver was loaded
	RetirePending bool     `json:"retire_pending,omitzero"` // a page of memory waits to be retired
	RemapPending  bool     `json:"remap_pending,omitzero"`  // a row of memory waits to be remapped
	RemapFailed   bool     `json:"remap_failed,omitzero"`   // no spare row was left
	Prohibited    bool     `json:"prohibited,omitzero"`     // its compute mode lets nobody use it
	MIG           bool     `json:"mig,omitzero"`            // it is divided into MIG instances
	Processes     int      `json:"processes"`               // that compute on it, of anybody
	Untold        string   `json:"untold,omitzero"`         // why the driver refuses to tell some of this
}

// judge fills in what follows from what the driver said.
func (m *Machine) judge() {
	m.LeastDriver = LeastDriver
	if compareVersions(m.Driver, LeastDriver) < 0 {
		m.Unfit = fmt.Sprintf("driver %s is too old for the CUDA 13 libraries: install %s or a later one on the node", m.Driver, LeastDriver)
	}
	for i := range m.Devices {
		if r := &m.Devices[i]; r.Unfit == "" {
			r.Unfit, r.Warnings = r.judge()
			r.passes = r.Unfit != "" && !r.broken()
		}
	}
}

// judge says why a device with this health may not be used, "" where it may, and what else is worth knowing.
func (h Health) judge() (unfit string, warnings []string) {
	switch {
	case h.RemapFailed:
		return "it has no spare memory rows left: drain the node and have the GPU replaced", nil
	case h.RemapPending:
		return "a faulty memory row waits to be remapped: drain the node and reset the GPU (nvidia-smi --gpu-reset)", nil
	case h.RetirePending:
		return "a faulty memory page waits to be retired: drain the node and reset the GPU (nvidia-smi --gpu-reset)", nil
	case h.Uncorrected > 0:
		return fmt.Sprintf("its memory had %d errors that ECC could not correct: drain the node and reset the GPU (nvidia-smi --gpu-reset)", h.Uncorrected), nil
	case h.Prohibited:
		return "its compute mode is Prohibited: set another one (nvidia-smi --compute-mode=DEFAULT)", nil
	case h.Slowdown > 0 && h.Temperature >= h.Slowdown:
		return fmt.Sprintf("it has %d °C and slows down from %d °C on: look at its cooling", h.Temperature, h.Slowdown), nil
	}
	if margin := h.Slowdown - h.Temperature; h.Slowdown > 0 && margin <= narrowMargin {
		warnings = append(warnings, fmt.Sprintf("it is %d °C below its slowdown temperature of %d °C", margin, h.Slowdown))
	}
	if len(h.Throttled) > 0 {
		warnings = append(warnings, "its clocks are lowered: "+strings.Join(h.Throttled, ", "))
	}
	if h.Untold != "" {
		warnings = append(warnings, "the driver does not tell all of its health: "+h.Untold)
	}
	return "", warnings
}

// broken says whether a device with this health is of no use before somebody has seen to it.
func (h Health) broken() bool {
	return h.RemapFailed || h.RemapPending || h.RetirePending || h.Uncorrected > 0
}

// narrowMargin is how close to its slowdown temperature a GPU may come, in °C, before it is worth a word.
const narrowMargin = 5

// compareVersions orders versions of numbers with dots between.
func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		m, _ := strconv.Atoi(x)
		n, _ := strconv.Atoi(y)
		return cmp.Compare(m, n)
	})
}
