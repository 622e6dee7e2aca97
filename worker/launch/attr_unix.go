//go:build unix

package launch

import "syscall"

// childAttr gives a child a process group of its own: Ctrl-C at the terminal is for the worker, which drains.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
