package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/disk"
	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/tool"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/metrics"
	"github.com/millrace/millrace/worker/record"
)

// Whether tasks get GPUs.
const (
	gpuAuto = "auto"
	gpuOff  = "off"
)

// checkGPU refuses what is none of the words.
func checkGPU(flag, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is none of %s", flag, value, strings.Join(words, ", "))
}

// gpuUse is what `run --gpu` says of all tasks; empty leaves it to each.
func gpuUse(word string) gpu.Use {
	if word == gpuAuto || word == gpuOff {
		return ""
	}
	return gpu.Use(word)
}

// newMachine is what the jobs of this process share. close ends its watch over the GPUs.
func newMachine(gpus string, tools *tool.Set, c gpu.Config) (m *launch.Machine, end func()) {
	m = &launch.Machine{Tools: tools}
	if gpus == gpuOff {
		return m, func() {}
	}
	m.GPUs = newGPUs(tools, c)
	return m, m.GPUs.Close
}

// onThisMachine has r use the machine's GPUs, as far as the word allows it, and its tools. letGo ends that.
func (r *runner) onThisMachine(gpus, tools string) (letGo func(), err error) {
	all, err := allSpecs()
	if err != nil {
		return nil, err
	}
	r.tools, r.gpu = newToolSet(tools, all), gpuUse(gpus)
	r.tools.Exec = r.exec // so that what is left of a task's programs is swept, and these are not
	r.machine, letGo = newMachine(gpus, r.tools, gpu.Config{})
	return letGo, nil
}

// devices returns what says which device files a job may use: those of GPUs, where its document could ask for one.
func (c *workConfig) devices(specs []modules.Spec) func(*launch.Request) []string {
	if c.GPU == gpuOff {
		return nil
	}
	words := newGPUWords(specs)
	return func(req *launch.Request) []string {
		if !words.in(req.Document) {
			return nil
		}
		return gpu.DeviceFiles()
	}
}

// gpuWords are parts of documents, one of which each has that asks for a GPU. The worker does not parse what messages bring,
// and need not be exact: a document that only mentions one of them has its job confined less.
type gpuWords [][]byte

// newGPUWords are the key itself, modules that want a GPU, and what may hide both: blocks, which write a part of their
// document, and escapes of YAML and JSON.
func newGPUWords(specs []modules.Spec) gpuWords {
	words := gpuWords{[]byte("gpu"), []byte("{%"), []byte(`\`)}
	for _, s := range specs {
		if s.GPU.Wanted() {
			for _, name := range append(s.Aliases, s.Name) {
				words = append(words, []byte(strings.ToLower(name)))
			}
		}
	}
	return words
}

func (w gpuWords) in(document []byte) bool {
	document = bytes.ToLower(document)
	return slices.ContainsFunc(w, func(word []byte) bool { return bytes.Contains(document, word) })
}

// machine is what the jobs of this worker share. Failures of its GPUs are counted.
func (c *workConfig) machine(run *workerRun, tools *tool.Set, counted *metrics.Metrics, log *slog.Logger) (*launch.Machine, func()) {
	machine, end := newMachine(c.GPU, tools, gpu.Config{
		Failed: func(lost *gpu.LostError) {
			log.Error("gpu lost", "err", lost)
			counted.GPULost(lost.XID)
		},
		Blind: func(why string) {
			log.Warn("gpu not watched", "err", why+": only the look before each task finds failures")
		},
	})
	machine.Memory, machine.MemoryAlone = int64(c.JobMemory), c.memoryAlone
	machine.Killed = killsForMemory(os.DirFS("/"), log)
	machine.Disk = disk.New(run.dir, int64(c.MinFree))
	machine.Labels = c.labels
	return machine, end
}

// thisMachine is what is kept of the machine with a job that was quarantined on it.
func (c *workConfig) thisMachine() record.Machine {
	b := thisBuild(version)
	m := record.Machine{
		Host: c.Name, OS: b.OS + "/" + b.Arch, Kernel: firstLine("/proc/sys/kernel/osrelease"), CPUs: runtime.NumCPU(),
		MemoryBytes: machineMemory(), LimitBytes: cgroupMemory(), JobBytes: int64(c.JobMemory),
		Version: strings.TrimSpace(b.Version + " " + b.Commit), Isolation: c.Isolation, Confined: c.Confine && c.Isolation != "none",
	}
	var st syscall.Statfs_t
	if syscall.Statfs(c.runDir(), &st) == nil {
		m.FreeBytes = int64(st.Bavail) * int64(st.Bsize)
	}
	return m
}
