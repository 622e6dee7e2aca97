//go:build linux && cgo

package gpu

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	"github.com/stretchr/testify/require"
)

func TestThePassportSaysWhatTheDriverSays(t *testing.T) {
	p := fakePool(t, map[string]string{"COUNT": "2", "USED_MIB_1": "1024", "PROCESSES_1": "3", "CAPABILITY_1": "75"})
	m, err := p.Passport(t.Context())
	require.NoError(t, err)
	unproven := "this worker has no way to try"
	require.Equal(t, Machine{
		Driver: "580.95.05", CUDA: "13.0", LeastDriver: LeastDriver,
		Devices: []Report{
			{
				Device: Device{UUID: "GPU-0", Name: "Fake L4", Memory: 24 << 30, Free: 24 << 30, Capability: "8.9"},
				Health: Health{Temperature: 40, Slowdown: 90}, NoEncoder: unproven,
			},
			{
				Device: Device{UUID: "GPU-1", Index: 1, Name: "Fake L4", Memory: 24 << 30, Free: 23 << 30, Capability: "7.5"},
				Health: Health{Temperature: 40, Slowdown: 90, Processes: 3}, NoEncoder: unproven,
			},
		},
	}, m)
}

func TestWhatTheLastLookFoundIsRemembered(t *testing.T) {
	p := fakePool(t, map[string]string{"COUNT": "2", "ECC_1": "2"})
	require.Empty(t, p.Seen().Devices, "nobody has looked")
	require.NoError(t, p.Fits(t.Context(), Need{Use: Required, Count: 1}))
	seen := p.Seen()
	require.Empty(t, seen.Unfit)
	require.Len(t, seen.Devices, 2)
	require.Empty(t, seen.Devices[0].Unfit)
	require.NotEmpty(t, seen.Devices[1].Unfit)
}

func TestF43WhatIsFoundOnAGPU(t *testing.T) {
	for _, tt := range []struct {
		name    string
		env     map[string]string
		unfit   string
		warning string
	}{
		{"nothing", nil, "", ""},
		{"memory errors", map[string]string{"ECC": "2"}, "its memory had 2 errors that ECC could not correct: drain the node and reset the GPU", ""},
		{"a page that waits", map[string]string{"RETIRE": "1"}, "a faulty memory page waits to be retired", ""},
		{"a row that waits", map[string]string{"REMAP": "1"}, "a faulty memory row waits to be remapped", ""},
		{"no spare row", map[string]string{"REMAP": "2"}, "have the GPU replaced", ""},
		{"compute mode", map[string]string{"MODE": "2"}, "its compute mode is Prohibited", ""},
		{"heat", map[string]string{"TEMPERATURE": "91"}, "it has 91 °C and slows down from 90 °C on", ""},
		{"warmth", map[string]string{"TEMPERATURE": "86"}, "", "it is 4 °C below its slowdown temperature of 90 °C"},
		{"lowered clocks", map[string]string{"THROTTLE": "192"}, "", "its clocks are lowered: it is too hot (hardware), the power supply brakes"},
		{"a secret", map[string]string{"ECC_ANSWER": "4"}, "", "the driver does not tell all of its health: Some Error"},
		{"a wish to be reset", map[string]string{"ECC_ANSWER": "16"}, "it asks for a reset: drain the node", ""},
		{"a question that is no longer answered", map[string]string{"ECC_ANSWER": "26"}, "", ""},
		{"fallen off the bus", map[string]string{"ANSWER": "15"}, "it has fallen off the bus: restart the machine", ""},
		{"fallen off the bus before", map[string]string{"HANDLE": "15"}, "it has fallen off the bus: restart the machine", ""},
		{"no right to it", map[string]string{"ANSWER": "4"}, "this user may not open the GPUs", ""},
		{"Unknown Error", map[string]string{"ANSWER": "999"}, "NVML says Unknown Error, as it does where a container has lost the right to its GPUs: restart the pod", ""},
		{"something else", map[string]string{"ANSWER": "19"}, "the driver can't read it (Some Error): restart the pod", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := fakePool(t, tt.env)
			m, err := p.Passport(t.Context())
			require.NoError(t, err)
			require.Len(t, m.Devices, 1)
			r := m.Devices[0]
			if tt.unfit == "" {
				require.Empty(t, r.Unfit)
				require.NoError(t, p.Fits(t.Context(), one))
			} else {
				require.Contains(t, r.Unfit, tt.unfit)
				require.ErrorContains(t, p.Fits(t.Context(), one), "is out of service: "+r.Unfit)
			}
			if tt.warning == "" {
				require.Empty(t, r.Warnings)
			} else {
				require.Equal(t, []string{tt.warning}, r.Warnings)
			}
		})
	}
}

func TestADriverThatDoesNotStartSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		env        map[string]string
		none       bool // there is no driver
	}{
		{"its kernel module is not loaded", "its kernel module is not loaded: run nvidia-smi on the node", map[string]string{"INIT": "9"}, true},
		{"no permission", "let it read and write /dev/nvidia*", map[string]string{"INIT": "4"}, false},
		{"Unknown Error", "restart the pod", map[string]string{"INIT": "999"}, false},
		{"half an update", "restart the machine", map[string]string{"INIT": "18"}, false},
		{"something else", "NVML did not start", map[string]string{"INIT": "19"}, false},
		{"it was unloaded", "restart the pod", map[string]string{"SYSTEM": "999"}, false},
		{"it is gone", "the NVIDIA driver does not answer", map[string]string{"SYSTEM": "1"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := fakePool(t, tt.env)
			_, err := p.Passport(t.Context())
			require.ErrorContains(t, err, tt.want)
			if tt.none {
				require.ErrorIs(t, err, ErrNoDriver)
			} else {
				require.NotErrorIs(t, err, ErrNoDriver)
			}
			unfit := new(UnfitError)
			require.ErrorAs(t, p.Fits(t.Context(), one), &unfit)
			require.Equal(t, err.Error(), unfit.Why)
		})
	}
}

func TestADriverThatWasMendedIsUsed(t *testing.T) {
	p := fakePool(t, map[string]string{"INIT": "999"})
	require.Error(t, p.Fits(t.Context(), one))
	t.Setenv("FAKE_INIT", "0")
	require.NoError(t, p.Fits(t.Context(), one))
}

func TestADriverThatIsTooOldServesNobody(t *testing.T) {
	p := fakePool(t, map[string]string{"DRIVER": "470.256.02"})
	require.ErrorContains(t, p.Fits(t.Context(), one),
		"driver 470.256.02 is too old for the CUDA 13 libraries: install 580.65.06 or a later one on the node")
	t.Setenv("FAKE_DRIVER", LeastDriver)
	require.NoError(t, p.Fits(t.Context(), one))
}

func TestAMachineWithoutALibraryHasNoDriver(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	_, err := openNVML(nvml.New(nvml.WithLibraryPath(missing)))
	require.ErrorIs(t, err, ErrNoDriver)
	require.ErrorContains(t, err, "libnvidia-ml.so.1 was not found: on a GPU node, ask for nvidia.com/gpu")
}

// child runs this test binary with a library of NVML where the dynamic linker looks.
func child(t *testing.T, lib string, env ...string) (stdout, stderr string, err error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), append(env, role+"=passport", "LD_LIBRARY_PATH="+filepath.Dir(lib))...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

func TestTheLibraryIsFoundByItsName(t *testing.T) {
	out, said, err := child(t, fakeLibrary(t), "FAKE_COUNT=3")
	require.NoError(t, err, said)
	var m Machine
	require.NoError(t, json.Unmarshal([]byte(out), &m))
	require.Len(t, m.Devices, 3)
	require.Equal(t, "GPU-2", m.Devices[2].UUID)
}

func TestALibraryThatLacksAFunctionIsNotCalled(t *testing.T) {
	lib, err := compile("old", "-DOLD")
	require.NoError(t, err)
	_, said, err := child(t, lib)
	require.Error(t, err)
	require.Equal(t, "the NVIDIA driver is too old, it lacks nvmlDeviceGetGpuInstanceId: install 580.65.06 or a later one on the node", said)
}

// A server of go-nvml's, whose GPUs answer no question about their health.
func TestGPUsThatTellNothingOfTheirHealthAreUsed(t *testing.T) {
	const silent = nvml.ERROR_NOT_SUPPORTED
	server := dgxa100.New()
	server.DriverVersion = LeastDriver
	for _, dev := range server.Devices {
		d := dev.(*dgxa100.Device)
		d.MemoryInfo.Free = d.MemoryInfo.Total
		d.GetTemperatureFunc = func(nvml.TemperatureSensors) (uint32, nvml.Return) { return 0, silent }
		d.GetCurrentClocksThrottleReasonsFunc = func() (uint64, nvml.Return) { return 0, silent }
		d.GetTotalEccErrorsFunc = func(nvml.MemoryErrorType, nvml.EccCounterType) (uint64, nvml.Return) { return 0, silent }
		d.GetRetiredPagesPendingStatusFunc = func() (nvml.EnableState, nvml.Return) { return 0, silent }
		d.GetRemappedRowsFunc = func() (int, int, bool, bool, nvml.Return) { return 0, 0, false, false, silent }
		d.GetComputeModeFunc = func() (nvml.ComputeMode, nvml.Return) { return 0, silent }
		d.GetComputeRunningProcessesFunc = func() ([]nvml.ProcessInfo, nvml.Return) { return nil, silent }
	}
	server.EventSetCreateFunc = func() (nvml.EventSet, nvml.Return) { return nil, silent }
	p := NewPool(Config{open: func() (*driver, error) { return openNVML(server) }})
	t.Cleanup(p.Close)
	l := leased(t.Context(), t, p, Need{Use: Required, Count: 8, Memory: 40 << 30, Capability: "8.0"})
	require.Len(t, l.Devices, 8)
	require.Equal(t, "Mock NVIDIA A100-SXM4-40GB", l.Devices[7].Name)
	require.ErrorContains(t, p.Fits(t.Context(), Need{Use: Required, Count: 9}), "this machine can't give 9 GPUs: it has only 8")
}
