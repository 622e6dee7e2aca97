//go:build linux && cgo

package gpu

import (
	"errors"
	"fmt"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// told are the kinds of events that are listened for.
const told = nvml.EventTypeXidCriticalError | nvml.EventTypeDoubleBitEccError

// nap is how long one wait for an event lasts, in milliseconds. Events end it at once; Close waits for its end.
const nap = 100

// listen registers for the failures of all GPUs.
func (n *library) listen() (*events, error) {
	set, ret := n.EventSetCreate()
	if ret != nvml.SUCCESS {
		return nil, fmt.Errorf("the driver tells of no failures (%s)", ret)
	}
	count, ret := n.DeviceGetCount()
	if ret != nvml.SUCCESS {
		set.Free()
		return nil, broken(ret)
	}
	var silent []string
	for i := range count {
		dev, ret := n.DeviceGetHandleByIndex(i)
		if ret == nvml.SUCCESS {
			ret = dev.RegisterEvents(told, set)
		}
		if ret != nvml.SUCCESS {
			silent = append(silent, fmt.Sprintf("GPU %d tells of no failures (%s)", i, ret))
		}
	}
	if len(silent) == count {
		set.Free()
		return nil, errors.New(strings.Join(silent, ", "))
	}
	return &events{
		next:  func() (event, bool, error) { return nextEvent(set) },
		free:  func() { set.Free() },
		blind: strings.Join(silent, ", "),
	}, nil
}

// nextEvent waits for one.
func nextEvent(set nvml.EventSet) (event, bool, error) {
	data, ret := set.Wait(nap)
	switch ret {
	case nvml.SUCCESS:
	case nvml.ERROR_TIMEOUT:
		return event{}, false, nil
	default:
		return event{}, false, errors.New(ret.Error())
	}
	e := event{instance: instance{data.GpuInstanceId, data.ComputeInstanceId}}
	if data.EventType&nvml.EventTypeXidCriticalError != 0 {
		e.xid = data.EventData
	}
	if uuid, ret := data.Device.GetUUID(); ret == nvml.SUCCESS {
		e.gpu = uuid
	}
	return e, true, nil
}
