//go:build !linux

package localqueue

// machineClock is the wall clock: a step of it shortens or lengthens leases.
func machineClock() (boot string, now func() int64) { return wall, wallClock }
