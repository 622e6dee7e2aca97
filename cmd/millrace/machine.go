package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/worker/record"
)

// memoryLimit is how much memory this process and its children may use, in bytes: the container's limit, else the
// machine's memory; 0 where neither can be read.
func memoryLimit() int64 {
	limit := machineMemory()
	if n := cgroupMemory(); n > 0 && (limit == 0 || n < limit) {
		limit = n
	}
	return limit
}

// machineMemory is all there is, in bytes; 0 is unknown.
func machineMemory() int64 {
	if f := strings.Fields(firstLine("/proc/meminfo")); len(f) > 1 { // MemTotal
		kib, _ := strconv.ParseInt(f[1], 10, 64)
		return kib << 10
	}
	return 0
}

// cgroupMemory is the limit of this process's control group, in bytes; 0 is none, or unknown.
func cgroupMemory() int64 {
	n, _ := strconv.ParseInt(firstLine("/sys/fs/cgroup/memory.max"), 10, 64) // "max" is none
	return n
}

// firstLine is that of a file of the system's; empty where there is none.
func firstLine(file string) string {
	b, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

// processStart is when this process began, as near as a Go program can say.
var processStart = time.Now()

func sinceStart() time.Duration { return time.Since(processStart).Round(time.Microsecond) }

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
