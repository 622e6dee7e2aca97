package proc

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// scopeABI is the first version of Landlock that can scope signals and abstract sockets (Linux 6.12).
const scopeABI = 6

// CanScope says whether this kernel can keep programs in a scope (Local.Scoped).
func CanScope() bool {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno == 0 && abi >= scopeABI
}

// scoped calls start, which starts a program, in a scope of the program's own, if this kernel has scopes.
//
// The scope is the program's, not this process's: before ABI 8 each thread of a process that restricts itself gets a
// domain of its own, and could no longer kill what another thread started.
func scoped(start func() error) error {
	if !CanScope() {
		return start()
	}
	return onThread(func() error {
		if err := enterScope(); err != nil {
			return err
		}
		return start()
	})
}

// onThread calls f on a thread that ends with it, so that what f does to the thread stays with what f starts.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		// The main thread stands for the process when others signal it, and does not end. Held, it is not taken again.
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			done <- onThread(f)
			return
		}
		done <- f() // a thread that is not unlocked ends with its goroutine
	}()
	return <-done
}

// enterScope puts the calling thread into a new scope.
func enterScope() error {
	attr := unix.LandlockRulesetAttr{Scoped: unix.LANDLOCK_SCOPE_SIGNAL | unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET}
	// Up to Scoped: what follows it is unknown to older kernels.
	size := unsafe.Offsetof(attr.Scoped) + unsafe.Sizeof(attr.Scoped)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return fmt.Errorf("make scope: %w", errno)
	}
	defer unix.Close(int(fd))
	// Landlock demands it of who is not root.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("renounce new privileges: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("enter scope: %w", errno)
	}
	return nil
}
