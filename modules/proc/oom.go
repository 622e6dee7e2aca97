package proc

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A KilledError is a program that ended by SIGKILL, or said so of one that it ran, and it was not us who sent that: the kernel
// does where memory runs out.
type KilledError struct{ Message string }

func (e *KilledError) Error() string { return e.Message }

// killedCode is what a shell exits with whose last program SIGKILL ended.
const killedCode = 128 + 9

// Killed says whether the program ended as a KilledError tells of.
func (e Exit) Killed() bool {
	return e.Over == "" && (e.Signal == "killed" || e.Code == killedCode)
}

// OOMCounter is the file, below root as fs.FS names it, that counts whom the kernel kills for want of memory in this process's
// own control group, of version 2 or 1; empty where there is none.
func OOMCounter(root fs.FS) string {
	own, _ := fs.ReadFile(root, "proc/self/cgroup") // where there is none, nothing counts
	for line := range strings.Lines(string(own)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3) // cgroups(7): number, controllers, path
		if len(f) != 3 {
			continue
		}
		mount, name := "sys/fs/cgroup", "memory.events"
		if f[1] != "" {
			mount, name = "sys/fs/cgroup/memory", "memory.oom_control"
			if !slices.Contains(strings.Split(f[1], ","), "memory") {
				continue
			}
		}
		// What a container sees as the root of the tree is its own group, whatever its path says.
		for _, dir := range []string{path.Join(mount, path.Join("/", f[2])), mount} {
			if _, err := fs.Stat(root, path.Join(dir, name)); err == nil {
				return path.Join(dir, name)
			}
		}
	}
	return ""
}

// OOMKills is how many processes an OOMCounter has counted.
func OOMKills(root fs.FS, counter string) (n int64, err error) {
	b, err := fs.ReadFile(root, counter)
	if err != nil {
		return 0, fmt.Errorf("count kills for memory: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "oom_kill" {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("count kills for memory: %s does not say (a kernel before 4.13)", counter)
}
