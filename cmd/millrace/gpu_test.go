package main_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	millrace "github.com/millrace/millrace/cmd/millrace"
	"github.com/millrace/millrace/modules/gpu"
)

func TestAMachineWithoutAGPUSaysSoAndIsFine(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	require.Equal(t, "no GPU here: this binary was built without cgo, by which GPUs are asked; "+
		"use the GPU image, or build it on Linux with make build CGO_ENABLED=1\n", p.succeeds("gpu"))
	m := decoded[gpu.Machine](t, p.succeeds("gpu", "--json"))
	require.Contains(t, m.Unfit, "built without cgo")
	require.Equal(t, gpu.LeastDriver, m.LeastDriver)
	require.NotNil(t, m.Devices)

	r := p.millrace("gpu", "--require", "1")
	require.Equal(t, 1, r.code)
	require.Equal(t, "millrace: 0 GPUs can be used, and 1 must be\n", r.stderr)
}

func TestAPassportSaysWhatKeepsEachGPUFromService(t *testing.T) {
	t.Parallel()
	m := gpu.Machine{Driver: "580.95.05", CUDA: "13.0", LeastDriver: "580.65.06", Devices: []gpu.Report{
		{
			Device: gpu.Device{UUID: "GPU-a", Name: "NVIDIA L4", Memory: 24 << 30, Free: 23 << 30, Capability: "8.9", Encoder: true},
			Health: gpu.Health{Temperature: 86, Slowdown: 90, Processes: 1}, Warnings: []string{"it is 4 °C below its slowdown temperature of 90 °C"},
		},
		{
			Device: gpu.Device{UUID: "MIG-b", Index: 1, Name: "NVIDIA A100 MIG 1g.5gb", Memory: 5 << 30, Free: 5 << 30, Capability: "8.0"},
			Health: gpu.Health{Uncorrected: 2}, Parent: "GPU-b", NoEncoder: "FFmpeg could not open a session: No capable devices found",
			Unfit: "its memory had 2 errors that ECC could not correct",
		},
		{Device: gpu.Device{Index: 2, Name: "unknown"}, Unfit: "it has fallen off the bus\x1b[2J"},
	}}
	require.Equal(t, `this machine
  ok      driver: 580.95.05, runs CUDA up to 13.0; the CUDA libraries of the image need 580.65.06 or later
  ok      failures: the driver tells of them while a task runs
GPU 0: NVIDIA L4 (GPU-a)
  ok      memory: 23.00 GiB free of 24.00 GiB, 1 program
  ok      compute capability: 8.9
  ok      memory errors: 0 that ECC could not correct
  ok      temperature: 86 °C, slows down from 90 °C on
  ok      encoder: a session was opened
  warning health: it is 4 °C below its slowdown temperature of 90 °C
  ok      service: tasks get it
GPU 1: NVIDIA A100 MIG 1g.5gb (MIG-b)
  ok      MIG instance of: GPU-b
  ok      memory: 5.00 GiB free of 5.00 GiB, 0 programs
  ok      compute capability: 8.0
  ok      memory errors: 2 that ECC could not correct
  ok      encoder: none: FFmpeg could not open a session: No capable devices found
  error   service: out of it: its memory had 2 errors that ECC could not correct
GPU 2: unknown
  error   service: out of it: it has fallen off the bus[2J
`, passport(m))
	m.Unwatched = "GPU 1 tells of no failures (Not Supported)"
	require.Contains(t, passport(m), "  warning failures: GPU 1 tells of no failures (Not Supported): only the look before each task finds them\n")
	m.Unfit = "driver 470.256.02 is too old"
	require.Contains(t, passport(m), "  error   driver: driver 470.256.02 is too old\n")
	require.Equal(t, "no GPU here: "+gpu.ErrNoDevice.Error()+"\n", passport(gpu.Machine{Driver: "580.95.05"}))
}

func TestTheImagesCUDARunsOnTheLeastDriver(t *testing.T) {
	t.Parallel()
	require.Contains(t, pageText(t, "Dockerfile.cuda"), gpu.LeastDriver, "modules/gpu.LeastDriver is that of the image's CUDA libraries")
}

func passport(m gpu.Machine) string {
	var out bytes.Buffer
	millrace.ShowMachine(&out, m)
	return out.String()
}
