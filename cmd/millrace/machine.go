package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// memoryLimit is how much memory this process and its children may use, in bytes: the container's limit, else the
// machine's memory; 0 where neither can be read.
func memoryLimit() int64 {
	limit := int64(0)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			kib, _ := strconv.ParseInt(f[1], 10, 64) // MemTotal is the first line; 0 is unknown
			limit = kib << 10
		}
	}
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && (limit == 0 || n < limit) {
			limit = n
		}
	}
	return limit
}

// processStart is when this process began, as near as a Go program can say.
var processStart = time.Now()

func sinceStart() time.Duration { return time.Since(processStart).Round(time.Microsecond) }
