//go:build linux

// Package chaos_test has the program keep its promises while it is killed and cut off. Its tests wait more than they
// compute, so more of them run at once than there are processors.
package chaos_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "millrace-chaos-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "millrace")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "disable_grpc_modules", "-o", binary, "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program under test: %v\n%s", err, out)
		return 1
	}
	if err := flag.Set("test.parallel", "12"); err != nil { // -parallel on the command line comes later, and wins
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// survivors lists the command lines of processes that still work below dir.
func survivors(dir string) []string {
	var left []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		cwd, _ := os.Readlink(p + "/cwd")
		cmdline, _ := os.ReadFile(p + "/cmdline")
		if strings.HasPrefix(cwd, dir) || strings.Contains(string(cmdline), dir) {
			left = append(left, strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return left
}

// hear returns what comes next from a channel.
func hear[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing was heard for a minute")
		panic("unreachable")
	}
}

func letter(i int) rune { return rune('a' + i%26) }
