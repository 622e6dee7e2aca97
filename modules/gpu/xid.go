package gpu

import (
	"fmt"
	"slices"
)

// harmless are XIDs that say nothing of a GPU's health: faults of the program that used it, and notices. The first six are
// those that NVIDIA's Kubernetes device plugin passes over; of the others NVIDIA's catalogue says that nothing needs to be
// done.
var harmless = []uint64{13, 31, 43, 45, 68, 109, 63, 66, 67, 92, 93, 121, 137}

// What NVIDIA's catalogue of XIDs says to do first.
const (
	toReset   = "drain the node and reset the GPU (nvidia-smi --gpu-reset)"
	toRestart = "restart the worker"
	toReboot  = "restart the machine; if it comes back, have the GPU replaced"
)

// An xid is what one means, and what to do.
type xid struct{ means, remedy string }

// known says what XIDs mean; not all of them.
func known(number uint64) xid {
	switch number {
	case 46:
		return xid{"the GPU stopped working", toReset}
	case 48:
		return xid{"a memory error that ECC could not correct", toReset}
	case 62:
		return xid{"the GPU's own controller halted", toReset}
	case 64:
		return xid{"a faulty memory row could not be remapped", toReset}
	case 69, 72, 80, 82:
		return xid{"an engine of the GPU got what it can't do", toRestart}
	case 74:
		return xid{"NVLink failed", "look at the NVLink connection, then reset the GPU"}
	case 79:
		return xid{"the GPU has fallen off the bus", toReboot}
	case 94:
		return xid{"a memory error that ECC could not correct hit one program", toRestart}
	case 95:
		return xid{"a memory error that ECC could not correct hit every program", toReset}
	case 110, 136, 140, 143, 155, 156:
		return xid{"the GPU can't go on", toReset}
	case 119, 120:
		return xid{"the GPU's system processor does not answer", toReset}
	case 154:
		return xid{"the GPU asks to be recovered", "do what nvidia-smi -q says below GPU Recovery Action"}
	}
	return xid{"the GPU reports a failure", "look it up in NVIDIA's catalogue of XIDs, and reset the GPU"}
}

// failure is what e takes out of service; nil where it says nothing of a GPU's health.
func (e event) failure() *failure {
	if slices.Contains(harmless, e.xid) {
		return nil
	}
	why := "a memory error that ECC could not correct: " + toReset
	if e.xid != 0 {
		x := known(e.xid)
		why = fmt.Sprintf("XID %d, %s: %s", e.xid, x.means, x.remedy)
	}
	return &failure{e, &LostError{e.gpu, e.xid, why}}
}
