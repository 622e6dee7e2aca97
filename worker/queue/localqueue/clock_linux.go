package localqueue

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// machineClock returns the clock that all processes of this machine share, and the id of the boot it counts from.
// Where the kernel names no boot it is the wall clock, for a time since boot alone means nothing after the next one.
func machineClock() (boot string, now func() int64) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return wall, wallClock
	}
	return strings.TrimSpace(string(id)), sinceBoot
}

// sinceBoot counts suspension; no NTP step moves it.
func sinceBoot() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("localqueue: the kernel has no CLOCK_BOOTTIME: " + err.Error()) // Linux 2.6.39 brought it
	}
	return t.Nano()
}
