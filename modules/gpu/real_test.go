//go:build linux && cgo

package gpu

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
)

// realDriver is the one of this machine. Where `make gpu` asks for it there must be one; elsewhere tests have loaded the fake
// library into this process.
func realDriver(t *testing.T) *driver {
	t.Helper()
	if os.Getenv("MILLRACE_GPU") == "" {
		t.Skip("`make gpu` runs this on a machine with a GPU")
	}
	drv, err := openDriver()
	require.NoError(t, err)
	return drv
}

// realPool leases the GPUs of this machine.
func realPool(t *testing.T) *Pool {
	t.Helper()
	drv := realDriver(t)
	p := NewPool(Config{open: func() (*driver, error) { return drv, nil }})
	t.Cleanup(p.Close)
	return p
}

// cuda is a program that uses CUDA on what it was given.
func cuda(t *testing.T, devices []Device, args ...string) *exec.Cmd {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "cuda")
	out, err := exec.Command("gcc", "-o", bin, "testdata/cuda.c", "-ldl").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Env = Environ(os.Environ(), devices)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestRealPassportAgreesWithTheDriversOwnTool(t *testing.T) {
	p := realPool(t)
	m, err := p.Passport(t.Context())
	require.NoError(t, err)
	out, err := exec.Command("nvidia-smi", "--query-gpu=uuid,name,compute_cap,driver_version", "--format=csv,noheader").Output()
	require.NoError(t, err)
	var ours []string
	for _, r := range m.Devices {
		if r.Parent != "" {
			t.Skip("the GPUs here are divided by MIG: `make gpu` compares whole ones")
		}
		ours = append(ours, strings.Join([]string{r.UUID, r.Name, r.Capability, m.Driver}, ", "))
	}
	require.Equal(t, strings.Split(strings.TrimSpace(string(out)), "\n"), ours)
	for _, r := range m.Devices {
		t.Logf("figure: %s: %d of %d MiB free, %d °C (slows down from %d °C on), in service: %t", r.Name, r.Free>>20, r.Memory>>20, r.Temperature, r.Slowdown, r.Unfit == "")
	}
}

func TestRealTasksSeeTheGPUThatTheyWereLeasedAndNoOther(t *testing.T) {
	l, err := realPool(t).Lease(t.Context(), one, func(err error) { t.Error(err) })
	require.NoError(t, err)
	defer l.Release()
	out, err := cuda(t, l.Devices).Output()
	require.NoError(t, err)
	require.Equal(t, l.Devices[0].UUID[len("GPU-"):], strings.TrimSpace(string(out)))
	out, err = cuda(t, nil).Output()
	require.NoError(t, err)
	require.Empty(t, string(out), "a task that was sent to the CPU sees a GPU")
}

func TestRealFailuresAreTold(t *testing.T) {
	drv := realDriver(t)
	defer drv.close()
	ev, err := drv.listen()
	require.NoError(t, err)
	defer ev.free()
	m, err := drv.look()
	require.NoError(t, err)
	require.Error(t, cuda(t, []Device{m.Devices[0].Device}, "fault").Run(), "the program can't have done that")
	for range 300 { // half a minute of naps
		e, came, err := ev.next()
		require.NoError(t, err)
		if !came {
			continue
		}
		require.True(t, e.hits(&m.Devices[0]), "%+v", e)
		require.Nil(t, e.failure(), "XID %d is a fault of the program, and takes no GPU out of service", e.xid)
		t.Logf("figure: a program's fault was told as XID %d", e.xid)
		return
	}
	t.Fatal("the driver told nothing of a program's fault (XID 31)")
}

func TestRealEncodersAreWhatTheDriverSaysOfThem(t *testing.T) {
	drv := realDriver(t)
	defer drv.close()
	m, err := drv.look()
	require.NoError(t, err)
	encode := NVENC(new(proc.Local), "ffmpeg", os.Environ())
	for _, r := range m.Devices {
		dev, ret := nvml.DeviceGetHandleByUUID(r.UUID)
		require.Equal(t, nvml.SUCCESS, ret)
		capacity, ret := dev.GetEncoderCapacity(nvml.ENCODER_QUERY_H264)
		err := encode(t.Context(), r.Device)
		t.Logf("figure: %s: encoder capacity %d (%v), tried: %v", r.Name, capacity, ret, err)
		require.Equal(t, ret == nvml.SUCCESS && capacity > 0, err == nil)
	}
}
