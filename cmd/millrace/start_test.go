//go:build linux

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/launch"
)

// maxStart is what a child's start may cost, in empty Go programs: the bar for good. Two thirds of it are tables that the SDKs
// of AWS, IBM and Google make before main.
const maxStart = 16

// Every job pays a child's start. What the binary links must not make it dear.
func TestAChildStartsCheaply(t *testing.T) {
	ratio, child, empty := startCost(t)
	t.Logf("child %v, empty Go program %v: %.1f ×", child, empty, ratio)
	require.LessOrEqual(t, ratio, float64(maxStart))
}

// startCost is the CPU time, as medians, of a child that gets ready and is let go, and of an empty Go program.
func startCost(t *testing.T) (ratio float64, child, empty time.Duration) {
	t.Helper()
	dir := t.TempDir()
	src := filepath.Join(dir, "empty.go")
	require.NoError(t, os.WriteFile(src, []byte("package main\n\nfunc main() {}\n"), 0o600))
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "empty"), src)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	slot := filepath.Join(dir, "slot")
	require.NoError(t, os.MkdirAll(filepath.Join(slot, "workspace"), 0o700))
	setup := fmt.Sprintf(`{"setup":{"dir":{"path":%q},"confine":true,"policy":{}}}`+"\n", slot)
	var children, empties []time.Duration
	for range 31 { // in turn, so that a slow moment of the machine hits both
		children = append(children, cpuOf(t, setup, binary, "child"))
		empties = append(empties, cpuOf(t, "", filepath.Join(dir, "empty")))
	}
	child, empty = median(children), median(empties)
	return float64(child) / float64(empty), child, empty
}

func cpuOf(t *testing.T, stdin string, argv ...string) time.Duration {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), launch.StartEnv}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

func median(ds []time.Duration) time.Duration {
	ds = slices.Clone(ds)
	slices.Sort(ds)
	return ds[len(ds)/2]
}
