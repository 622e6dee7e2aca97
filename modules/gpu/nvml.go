//go:build linux && cgo

package gpu

import (
	"errors"
	"fmt"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// symbols are the functions of NVML that are called here. A call of one that a library lacks ends the whole process, so
// they are looked up first.
var symbols = []string{
	"nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion", "nvmlDeviceGetCount_v2",
	"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetMemoryInfo",
	"nvmlDeviceGetCudaComputeCapability", "nvmlDeviceGetComputeMode", "nvmlDeviceGetTemperature",
	"nvmlDeviceGetTemperatureThreshold", "nvmlDeviceGetCurrentClocksThrottleReasons", "nvmlDeviceGetTotalEccErrors",
	"nvmlDeviceGetRetiredPagesPendingStatus", "nvmlDeviceGetRemappedRows", "nvmlDeviceGetComputeRunningProcesses_v3",
	"nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex",
	"nvmlDeviceGetGpuInstanceId", "nvmlDeviceGetComputeInstanceId", "nvmlDeviceRegisterEvents", "nvmlEventSetCreate",
	"nvmlEventSetWait_v2", "nvmlEventSetFree", "nvmlErrorString", "nvmlShutdown",
}

func openDriver() (*driver, error) { return openNVML(nvml.New()) }

// openNVML loads the library and starts it.
func openNVML(lib nvml.Interface) (*driver, error) {
	if ret := lib.Init(); ret != nvml.SUCCESS {
		return nil, notStarted(ret)
	}
	var missing []string
	for _, s := range symbols {
		if lib.Extensions().LookupSymbol(s) != nil {
			missing = append(missing, s)
		}
	}
	n := &library{lib}
	if len(missing) > 0 {
		n.close()
		return nil, fmt.Errorf("the NVIDIA driver is too old, it lacks %s: install %s or a later one on the node", strings.Join(missing, ", "), LeastDriver)
	}
	return &driver{n.look, n.listen, n.close}, nil
}

// notStarted says why NVML did not start, and what to do.
func notStarted(ret nvml.Return) error {
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return &because{"the NVIDIA driver's libnvidia-ml.so.1 was not found: on a GPU node, ask for nvidia.com/gpu in the pod's resources, or run the container with --gpus", ErrNoDriver}
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return &because{"the NVIDIA driver is installed, but its kernel module is not loaded: run nvidia-smi on the node to see why", ErrNoDriver}
	case nvml.ERROR_NO_PERMISSION:
		return errors.New("this user may not open the GPUs: let it read and write /dev/nvidia*")
	case nvml.ERROR_UNKNOWN:
		return errors.New("NVML says Unknown Error, as it does where a container has lost the right to its GPUs: restart the pod")
	case nvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return errors.New("the driver's library and its kernel module are of different versions, as after an update: restart the machine")
	}
	return fmt.Errorf("NVML did not start (%s): run nvidia-smi on the node to see why", ret)
}

// A library is NVML, started.
type library struct{ nvml.Interface }

// close ends NVML. What goes wrong then concerns nobody.
func (n *library) close() { n.Shutdown() }

// look asks for everything. An error means that the driver as a whole does not answer; what is wrong with one GPU is in its
// report.
func (n *library) look() (Machine, error) {
	m := Machine{Devices: []Report{}}
	var ret nvml.Return
	if m.Driver, ret = n.SystemGetDriverVersion(); ret != nvml.SUCCESS {
		return m, broken(ret)
	}
	if v, ret := n.SystemGetCudaDriverVersion(); ret == nvml.SUCCESS {
		m.CUDA = fmt.Sprintf("%d.%d", v/1000, v%1000/10)
	}
	count, ret := n.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return m, broken(ret)
	}
	for i := range count {
		dev, ret := n.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			m.Devices = append(m.Devices, unreadable(i, "", ret))
			continue
		}
		m.Devices = append(m.Devices, readGPU(i, dev)...)
	}
	return m, nil
}

// broken says what became of a driver that did answer once.
func broken(ret nvml.Return) error {
	if ret == nvml.ERROR_UNKNOWN || ret == nvml.ERROR_DRIVER_NOT_LOADED || ret == nvml.ERROR_NO_PERMISSION {
		return notStarted(ret)
	}
	return fmt.Errorf("the NVIDIA driver does not answer (%s): restart the pod, and the machine if that does not help", ret)
}

// unreadable is the report on a GPU that does not say what it must.
func unreadable(index int, uuid string, ret nvml.Return) Report {
	why := fmt.Sprintf("the driver can't read it (%s): restart the pod, and the machine if that does not help", ret)
	switch ret {
	case nvml.ERROR_GPU_IS_LOST:
		why = "it has fallen off the bus: " + toReboot
	case nvml.ERROR_RESET_REQUIRED:
		why = "it asks for a reset: " + toReset
	case nvml.ERROR_UNKNOWN, nvml.ERROR_NO_PERMISSION:
		why = notStarted(ret).Error()
	}
	return Report{Device: Device{UUID: uuid, Index: index, Name: "unknown"}, Unfit: why}
}

// readGPU is a GPU, or the MIG instances it is divided into.
func readGPU(index int, dev nvml.Device) []Report {
	r, ret := readDevice(dev)
	r.Index = index
	major, minor, capable := dev.GetCudaComputeCapability()
	if ret == nvml.SUCCESS {
		ret = capable
	}
	if ret == nvml.SUCCESS {
		ret = readHealth(dev, &r.Health)
	}
	if ret != nvml.SUCCESS {
		return []Report{unreadable(index, r.UUID, ret)}
	}
	r.Capability = fmt.Sprintf("%d.%d", major, minor)
	if !r.MIG {
		return []Report{r}
	}
	instances := readInstances(r, dev)
	if len(instances) > 0 {
		return instances
	}
	r.Unfit = "it is in MIG mode and has no instance: make one (nvidia-smi mig -cgi … -C), or turn MIG off"
	return []Report{r}
}

// readDevice is what a GPU and a MIG instance tell alike. A GPU that tells no memory of its own shares the machine's.
func readDevice(dev nvml.Device) (Report, nvml.Return) {
	var r Report
	var ret nvml.Return
	if r.UUID, ret = dev.GetUUID(); ret != nvml.SUCCESS {
		return r, ret
	}
	if r.Name, ret = dev.GetName(); ret != nvml.SUCCESS {
		return r, ret
	}
	memory, ret := dev.GetMemoryInfo()
	r.Memory, r.Free = int64(memory.Total), int64(memory.Free)
	if ret == nvml.ERROR_NOT_SUPPORTED {
		ret = nvml.SUCCESS
	}
	return r, ret
}

// readInstances are the MIG instances of a GPU. They share its health.
func readInstances(gpu Report, dev nvml.Device) []Report {
	most, ret := dev.GetMaxMigDeviceCount()
	if ret != nvml.SUCCESS {
		return nil
	}
	var all []Report
	for i := range most {
		mig, ret := dev.GetMigDeviceHandleByIndex(i)
		if ret != nvml.SUCCESS {
			continue // a place that is empty, or that this container was not given
		}
		r, ret := readDevice(mig)
		if ret != nvml.SUCCESS {
			r = unreadable(gpu.Index, r.UUID, ret)
		}
		r.Index, r.Capability, r.Health, r.Parent = gpu.Index, gpu.Capability, gpu.Health, gpu.UUID
		inGPU, _ := mig.GetGpuInstanceId()
		inCompute, _ := mig.GetComputeInstanceId()
		r.instance = instance{uint32(inGPU), uint32(inCompute)}
		all = append(all, r)
	}
	return all
}
