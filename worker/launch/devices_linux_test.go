package launch_test

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/modules/gpu"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
)

// entropyCount is an ioctl that /dev/random and /dev/urandom answer to everybody.
const entropyCount = 0x80045200

// useDevices opens devices for writing, asks each its ioctl, and tells what came of it.
func useDevices(paths string) map[string]any {
	came := map[string]any{}
	for path := range strings.FieldsSeq(paths) {
		fd, err := unix.Open(path, unix.O_RDWR, 0)
		came[path] = "can't be opened"
		if err == nil {
			_, err = unix.IoctlGetInt(fd, entropyCount)
			came[path] = map[bool]string{true: "works", false: "takes no ioctl"}[err == nil]
			_ = unix.Close(fd)
		}
	}
	return came
}

// unlistedDevices is what comes of devices that a job was not given.
func unlistedDevices(t *testing.T, all string) map[string]any {
	t.Helper()
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errno != 0: // a kernel without Landlock keeps nothing from a job
		return useDevices(all)
	case abi < 5: // before Linux 6.10 a device that can be opened takes every ioctl
		return map[string]any{"/dev/urandom": "works", "/dev/random": "works", "/dev/ptmx": "can't be opened"}
	}
	return map[string]any{"/dev/urandom": "takes no ioctl", "/dev/random": "takes no ioctl", "/dev/ptmx": "can't be opened"}
}

func TestAConfinedJobUsesTheDevicesItWasGivenAndNoOthers(t *testing.T) {
	const all = "/dev/urandom /dev/random /dev/ptmx"
	require.Equal(t, "works", useDevices(all)["/dev/random"], "everybody may ask this")
	there := []string{"/dev/urandom"}
	p := newPool(t, func(c *launch.Config) {
		c.Reuse = 9
		c.Devices = func(req *launch.Request) []string {
			if req.Digest == "plain" {
				return nil
			}
			return there
		}
	})
	launched := func(digest string) map[string]any {
		req := request("use devices", all)
		req.Digest = digest
		run, _ := launchOne(t, p, req)
		return run.Result
	}
	plain := unlistedDevices(t, all)
	draws := maps.Clone(plain)
	draws["/dev/urandom"] = "works"
	require.Equal(t, draws, launched("draws"), "a child was there already that may use none")
	there = append(there, "/dev/random")
	draws["/dev/random"] = "works"
	require.Equal(t, draws, launched("draws"), "a child was warm for it before there was one more")
	require.Equal(t, plain, launched("plain"))
}

// runHolding runs a program on the GPU that the job is given, as tasks do, and tells what it said.
func runHolding(ctx context.Context, req *launch.Request, program string, run *engine.Run) error {
	g, err := req.Host.Reserve(ctx, engine.Need{Task: "it", GPU: gpu.Need{Use: gpu.Required}})
	if err != nil {
		return err
	}
	defer g.Release()
	var said strings.Builder
	l := &proc.Local{Scoped: true}
	exit, err := l.Run(ctx, proc.Cmd{
		Path: program, Stdout: &said, Stderr: &said,
		Env: gpu.Environ([]string{"PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH")}, g.Devices),
	})
	run.Result["leased"], run.Result["said"], run.Result["exit"] = g.Devices[0].UUID, strings.TrimSpace(said.String()), exit.Code
	return err
}

func TestRealConfinedJobsUseTheGPUThatTheyWereLeased(t *testing.T) {
	if os.Getenv("MILLRACE_GPU") == "" {
		t.Skip("`make gpu` runs this on a machine with a GPU")
	}
	folder := t.TempDir()
	program := filepath.Join(folder, "cuda")
	out, err := exec.Command("gcc", "-o", program, "../../modules/gpu/testdata/cuda.c", "-ldl").CombinedOutput()
	require.NoError(t, err, "%s", out)
	pool := gpu.NewPool(gpu.Config{})
	t.Cleanup(pool.Close)
	p := newPool(t, func(c *launch.Config) {
		c.Machine, c.Setup.Read = &launch.Machine{GPUs: pool}, []string{folder}
		c.Devices = func(*launch.Request) []string { return gpu.DeviceFiles() }
		c.Env = append(c.Env, "LD_LIBRARY_PATH="+os.Getenv("LD_LIBRARY_PATH"))
	})
	run, _ := launchOne(t, p, request("run on a gpu", program))
	require.Equal(t, engine.Succeeded, run.Status, "%+v", run.Failure)
	require.EqualValues(t, 0, run.Result["exit"], run.Result["said"])
	require.Equal(t, strings.TrimPrefix(run.Result["leased"].(string), "GPU-"), run.Result["said"])
}
