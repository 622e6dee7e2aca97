package main

import (
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/millrace/millrace/modules/proc"
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

// killsForMemory counts whom the kernel kills in this process's control group; nil where nobody can.
func killsForMemory(root fs.FS, log *slog.Logger) func() int64 {
	counter := proc.OOMCounter(root)
	if counter == "" {
		log.Warn("kills for memory not counted", "err", "no control group of this process counts them: a job that the kernel kills when memory runs out counts as crashed")
		return nil
	}
	return func() int64 {
		n, err := proc.OOMKills(root, counter)
		if err != nil {
			log.Warn("kills for memory not counted", "err", err)
		}
		return n
	}
}
