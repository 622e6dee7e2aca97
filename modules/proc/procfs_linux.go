package proc

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is USER_HZ, the unit of times in /proc/<pid>/stat: 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// pfExiting is PF_EXITING of the kernel's include/linux/sched.h: a flag of a task from the beginning of its exit on.
const pfExiting = 0x4

// A process is one line of the process table.
type process struct {
	pid, ppid, group, session int
	state                     byte
	exiting                   bool // the main thread has begun to
	threads                   int
	start                     uint64 // ticks since boot: with pid it names a process for good
	ticks, waited             int64  // CPU of it, and of the children it has waited for with theirs
	rss                       int64  // bytes
}

// alive is false for a zombie: it runs nothing and holds nothing but its pid. A process whose main
// thread alone has ended looks like one, but has more threads.
func (p process) alive() bool { return p.state != 'Z' && p.state != 'X' || p.threads > 1 }

// LastStarted returns the number that was last given to a process or thread in our PID namespace; 0 where it can't be told. While
// it stays the same nothing was started, unless that was so much that the numbers came round: there are 32,768 at least.
func LastStarted() int {
	fd, err := unix.Open("/proc/loadavg", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC { // LXCFS mounts one over it that is seconds old
		return 0
	}
	var buf [128]byte
	n, _ := unix.Read(fd, buf[:])
	f := bytes.Fields(buf[:max(n, 0)]) // proc_loadavg(5): three averages, running/all, the last pid
	if len(f) != 5 {
		return 0
	}
	last, _ := strconv.Atoi(string(f[4]))
	return last
}

// processes returns the process table as far as we may see it; it is empty without /proc.
func processes() []process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	table := make([]process, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			table = append(table, p)
		}
	}
	return table
}

// readProcess returns false when there is no such process (any more).
func readProcess(pid int) (process, bool) {
	var buf [1024]byte
	b := readSmall("/proc/"+strconv.Itoa(pid)+"/stat", buf[:])
	// The second field is the program's name in parentheses, which may hold anything: start behind it.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return process{}, false
	}
	// From "state", field 3 of proc_pid_stat(5), on.
	f := bytes.Fields(b[i+1:])
	if len(f) < 22 || len(f[0]) != 1 {
		return process{}, false
	}
	number := func(field int) int64 {
		n, _ := strconv.ParseInt(string(f[field-3]), 10, 64)
		return n
	}
	return process{
		pid:     pid,
		state:   f[0][0],
		exiting: number(9)&pfExiting != 0 || f[0][0] == 'Z' || f[0][0] == 'X',
		ppid:    int(number(4)),
		group:   int(number(5)),
		session: int(number(6)),
		ticks:   number(14) + number(15),
		waited:  number(16) + number(17),
		threads: int(number(20)),
		start:   uint64(number(22)),
		rss:     number(24) * int64(os.Getpagesize()),
	}, true
}

// pss returns the proportional set size of p in bytes; for a process that we may not look into, what is its own and
// what it shares by shared memory.
func (p process) pss() int64 {
	dir := "/proc/" + strconv.Itoa(p.pid)
	if rollup, err := os.ReadFile(dir + "/smaps_rollup"); err == nil {
		return kilobytes(rollup, "Pss:")
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return 0 // it is gone
	}
	return kilobytes(status, "RssAnon:") + kilobytes(status, "RssShmem:")
}

// kilobytes returns the value of the line of text that begins with name, in bytes.
func kilobytes(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == name {
			n, _ := strconv.ParseInt(string(f[1]), 10, 64)
			return n << 10
		}
	}
	return 0
}

// carries says whether the environment p was started with has the entry mark.
func (p process) carries(mark string) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ")
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(env, []byte{0}) {
		if string(entry) == mark {
			return true
		}
	}
	return false
}

// signal sends sig to p, but not to a process that has got p's pid since.
func (p process) signal(sig unix.Signal) {
	// A pidfd pins the process; kernels before 5.3 and some sandboxes have none.
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err == unix.ESRCH {
		return
	}
	if err == nil {
		defer unix.Close(fd)
	}
	if now, ok := readProcess(p.pid); !ok || now.start != p.start {
		return
	}
	if err != nil || unix.PidfdSendSignal(fd, sig, nil, 0) == unix.ENOSYS {
		_ = unix.Kill(p.pid, sig)
	}
}

// reap takes the wait status of p, a zombie whose parent we are; false if it is not ready to give it.
func (p process) reap() bool {
	pid, err := unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
	return err == nil && pid == p.pid
}

// readSmall reads a file of /proc in one go, as far as it fits: three system calls, no allocation.
func readSmall(path string, buf []byte) []byte {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}
