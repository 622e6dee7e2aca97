package launch

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"

	"github.com/millrace/millrace/modules/proc"
)

// Folders that programs need to run at all. /proc and /sys are read by the Go runtime, CUDA and Chromium.
var systemRead = []string{"/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/etc", "/opt", "/proc", "/sys", "/run/systemd/resolve", "/nix"}

// Devices that programs open for writing.
var systemWrite = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}

// Confine prepares this process, a child, for code it does not trust: it reaps what its tools leave behind, dies
// first when memory runs out, can't be looked into by its tools, hands them no descriptor that it inherited, and,
// where the kernel has Landlock, touches no files but the system's (to read), s.Read (to read), s.Devices and its own
// folder. What it starts inherits the limits.
// It returns what confines it, or a sentence that says why nothing does.
func Confine(s Setup) (string, error) {
	// Before the process becomes non-dumpable, which takes this file away from it.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return "", fmt.Errorf("raise own oom score: %w", err)
	}
	if err := proc.BecomeSubreaper(); err != nil {
		return "", err
	}
	if err := errors.Join(HideProcess(), dropPrivileges()); err != nil {
		return "", err
	}
	// What the worker was started with stays here. A kernel before 5.11 can't; what we open is closed there too.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	debug.SetMaxStack(256 << 20)
	if s.Memory > 0 {
		debug.SetMemoryLimit(s.Memory)
	}
	if !s.Confine {
		return "not confined: switched off (MILLRACE_CONFINE)", nil
	}
	return landlocked(s)
}

// HideProcess keeps other processes of this user from looking into this one: its memory, environment and open files.
func HideProcess() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("become non-dumpable: %w", err)
	}
	return nil
}

// dropPrivileges takes from this process, all its threads and all it starts what root may do beyond other users: to look
// into hidden processes, above all. Nothing can give it back (prctl(2), PR_SET_NO_NEW_PRIVS).
func dropPrivileges() error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("renounce new privileges: %w", errno)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0)
	runtime.KeepAlive(&header)
	runtime.KeepAlive(&none)
	if errno != 0 {
		return fmt.Errorf("drop capabilities: %w", errno)
	}
	return nil
}

func landlocked(s Setup) (string, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return "not confined: this kernel has no Landlock (Linux 5.13 or later, enabled in its lsm= list)", nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own binary: %w", err)
	}
	err = landlock.V5.BestEffort().RestrictPaths(
		landlock.RODirs(append(systemRead, s.Read...)...).IgnoreIfMissing(),
		landlock.ROFiles(self).IgnoreIfMissing(),
		landlock.RWFiles(systemWrite...).IgnoreIfMissing(),
		landlock.RWFiles(s.Devices...).WithIoctlDev().IgnoreIfMissing(),
		landlock.RWDirs(s.Dir.Path).WithRefer(),
	)
	if err != nil {
		return "", fmt.Errorf("confine by Landlock: %w", err)
	}
	word := fmt.Sprintf("%s, ABI %d", Confined, abi)
	if !proc.CanScope() {
		word += ", and programs may signal every process of this user (Linux 6.12 or later keeps them from it)"
	}
	return word, nil
}
