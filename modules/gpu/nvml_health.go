//go:build linux && cgo

package gpu

import "github.com/NVIDIA/go-nvml/pkg/nvml"

// throttles are the reasons for lowered clocks that are worth a word. An idle GPU, and clocks that somebody set, are not.
var throttles = []struct {
	bit  uint64
	text string
}{
	{nvml.ClocksThrottleReasonHwSlowdown, "the hardware slows down"},
	{nvml.ClocksThrottleReasonHwThermalSlowdown, "it is too hot (hardware)"},
	{nvml.ClocksThrottleReasonHwPowerBrakeSlowdown, "the power supply brakes"},
	{nvml.ClocksThrottleReasonSwThermalSlowdown, "it is too hot (software)"},
}

// readHealth asks for all of it. An answer is returned only where it says that the GPU itself is not fit. A question that
// it does not support is left out; one that it refuses is said to be untold.
func readHealth(dev nvml.Device, h *Health) nvml.Return {
	for _, read := range []func(nvml.Device, *Health) nvml.Return{readHeat, readThrottles, readMemory, readRows, readMode, readProcesses} {
		switch ret := read(dev, h); ret {
		case nvml.SUCCESS, nvml.ERROR_NOT_SUPPORTED, nvml.ERROR_FUNCTION_NOT_FOUND, nvml.ERROR_DEPRECATED:
		case nvml.ERROR_GPU_IS_LOST, nvml.ERROR_RESET_REQUIRED, nvml.ERROR_UNINITIALIZED, nvml.ERROR_UNKNOWN:
			return ret
		default:
			h.Untold = ret.Error()
		}
	}
	return nvml.SUCCESS
}

func readHeat(dev nvml.Device, h *Health) nvml.Return {
	t, ret := dev.GetTemperature(nvml.TEMPERATURE_GPU)
	if ret != nvml.SUCCESS {
		return ret
	}
	h.Temperature = int(t)
	if t, ret = dev.GetTemperatureThreshold(nvml.TEMPERATURE_THRESHOLD_SLOWDOWN); ret == nvml.SUCCESS {
		h.Slowdown = int(t)
	}
	return ret
}

func readThrottles(dev nvml.Device, h *Health) nvml.Return {
	bits, ret := dev.GetCurrentClocksThrottleReasons()
	for _, t := range throttles {
		if ret == nvml.SUCCESS && bits&t.bit != 0 {
			h.Throttled = append(h.Throttled, t.text)
		}
	}
	return ret
}

func readMemory(dev nvml.Device, h *Health) nvml.Return {
	count, ret := dev.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC)
	if ret == nvml.SUCCESS {
		h.Uncorrected = count
	}
	if ret != nvml.SUCCESS && ret != nvml.ERROR_NOT_SUPPORTED {
		return ret
	}
	pending, ret := dev.GetRetiredPagesPendingStatus()
	h.RetirePending = ret == nvml.SUCCESS && pending == nvml.FEATURE_ENABLED
	return ret
}

func readRows(dev nvml.Device, h *Health) nvml.Return {
	_, _, pending, failed, ret := dev.GetRemappedRows()
	if ret == nvml.SUCCESS {
		h.RemapPending, h.RemapFailed = pending, failed
	}
	return ret
}

func readMode(dev nvml.Device, h *Health) nvml.Return {
	if mode, ret := dev.GetComputeMode(); ret == nvml.SUCCESS {
		h.Prohibited = mode == nvml.COMPUTEMODE_PROHIBITED
	}
	mig, _, ret := dev.GetMigMode()
	h.MIG = ret == nvml.SUCCESS && mig == nvml.DEVICE_MIG_ENABLE
	return ret
}

func readProcesses(dev nvml.Device, h *Health) nvml.Return {
	all, ret := dev.GetComputeRunningProcesses()
	h.Processes = len(all)
	return ret
}
