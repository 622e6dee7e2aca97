package proc

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// DefaultMaxOutput is how much of each output stream a Local passes on when it does not say.
	DefaultMaxOutput = 8 << 20
	// DefaultSearchPath is where programs are looked for when neither the command nor the Local says.
	DefaultSearchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

	// marker is the environment variable that a program and all it starts carry, so that those
	// whose parent has died can still be told apart from other programs' children.
	marker = "MILLRACE_PROC"

	defaultGrace = 5 * time.Second
	// lull is how long what a program left running may go on after it exited by itself: a `tee`
	// behind it gets to write its last lines, a daemon is not waited for.
	lull = 200 * time.Millisecond
	// killWithin bounds the hunt for survivors. A killed process is gone in milliseconds unless
	// the kernel can't interrupt it.
	killWithin = time.Second
	// drain bounds how long output is read on after all that could write it is gone: what still
	// holds the pipe then is no descendant of the program's.
	drain = 2 * time.Second
)

// A Local runs programs on this machine. The zero value is ready; use it by pointer, from any
// number of goroutines.
type Local struct {
	// MaxOutput is how many bytes of each output stream are passed on; the rest is read and dropped
	// behind a line that says so, so that the program never blocks. 0 is DefaultMaxOutput, negative
	// is no limit.
	MaxOutput int64
	// SearchPath is where a Path without a slash is looked up if Cmd.Env has no PATH; it is the PATH
	// of a Cmd without Env. Empty is DefaultSearchPath.
	SearchPath string
	// Keep, when set, says which direct children of this process something other than this Local
	// started and waits for. When the last program of this Local ends, every other orphan is killed
	// and reaped, even one that no program can be named for (it wiped its environment, left its
	// session and lost its parent within milliseconds). It is asked for other pids than this Local's
	// and must not call Owns. nil leaves such orphans to SweepOrphans.
	Keep func(pid int) bool
	// Scoped keeps programs from signalling a process, or connecting to an abstract socket of one, that
	// they did not start, as far as the kernel can (CanScope).
	Scoped bool

	mu      sync.Mutex        // held while a program starts: a pid is never there before it is known
	running map[int]*exec.Cmd // guarded by mu
}

var _ Runner = (*Local)(nil)

// Owns says whether pid is a program that l started and has not reaped yet. It waits for a start
// under way, so it is safe in SweepOrphans.
func (l *Local) Owns(pid int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.running[pid]
	return ok
}

// start starts cmd and remembers it.
func (l *Local) start(cmd *exec.Cmd) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := cmd.Start
	if l.Scoped {
		start = func() error { return scoped(cmd.Start) }
	}
	if err := start(); err != nil {
		return err
	}
	if l.running == nil {
		l.running = make(map[int]*exec.Cmd)
	}
	l.running[cmd.Process.Pid] = cmd
	return nil
}

// forget removes cmd, which has been waited for.
func (l *Local) forget(cmd *exec.Cmd) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The pid may be another program's by now.
	if pid := cmd.Process.Pid; l.running[pid] == cmd {
		delete(l.running, pid)
	}
}

// sweep kills the orphans that nobody can be named for, if Keep allows it and the caller's program is
// the only one they can be from. It comes before Wait, which they may keep waiting.
func (l *Local) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Keep == nil || len(l.running) > 1 {
		return
	}
	SweepOrphans(func(pid int) bool { return l.running[pid] != nil || l.Keep(pid) })
}

// command makes c ready to start. The returned streams know what went wrong when writing to c's.
func (l *Local) command(c Cmd) (*exec.Cmd, []*stream, error) {
	path, err := l.find(c)
	if err != nil {
		return nil, nil, err
	}
	if err := checkDir(c.Dir); err != nil {
		return nil, nil, err
	}
	env := c.Env
	if env == nil {
		env = []string{"PATH=" + l.searchPath()}
	}
	cmd := &exec.Cmd{
		Path:       path,
		Args:       append([]string{c.Path}, c.Args...),
		Env:        append(env[:len(env):len(env)], marker+"="+rand.Text()),
		Dir:        c.Dir,
		Stdin:      c.Stdin,
		ExtraFiles: c.Files,
		WaitDelay:  drain,
	}
	var streams []*stream
	if c.Stdout != nil {
		out := newStream("stdout", c.Stdout, l.MaxOutput)
		cmd.Stdout, streams = out, append(streams, out)
	}
	switch {
	case c.Stderr != nil && sameWriter(c.Stdout, c.Stderr):
		cmd.Stderr = cmd.Stdout // one pipe: the program's own order is kept, one Write at a time
	case c.Stderr != nil:
		errs := newStream("stderr", c.Stderr, l.MaxOutput)
		cmd.Stderr, streams = errs, append(streams, errs)
	}
	return cmd, streams, nil
}

func (l *Local) searchPath() string { return cmp.Or(l.SearchPath, DefaultSearchPath) }

// find returns the file that c.Path names. Relative folders in PATH are not searched.
func (l *Local) find(c Cmd) (string, error) {
	if c.Path == "" {
		return "", errors.New("no program is named")
	}
	if strings.Contains(c.Path, "/") {
		return c.Path, nil
	}
	search := l.searchPath()
	for _, kv := range c.Env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			search = v
		}
	}
	for _, dir := range filepath.SplitList(search) {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, c.Path)
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("program %q is not in PATH, install it or give its full path: %w", c.Path, fs.ErrNotExist)
}

// checkDir keeps a missing working directory from looking like a missing program.
func checkDir(dir string) error {
	if dir == "" {
		return nil
	}
	st, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("working directory: %v", err)
	}
	if !st.IsDir() {
		return fmt.Errorf("working directory %s is not a folder", dir)
	}
	return nil
}

// outcome turns what Wait returned into an Exit; err is what went wrong on our side.
func outcome(cmd *exec.Cmd, waitErr error, streams []*stream) (Exit, error) {
	st := cmd.ProcessState
	if st == nil {
		return Exit{Code: -1}, fmt.Errorf("wait for the program: %w", waitErr)
	}
	exit := Exit{Code: st.ExitCode()}
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		exit.Signal = ws.Signal().String()
	}
	for _, s := range streams {
		if s.err != nil {
			return exit, fmt.Errorf("pass on %s: %w", s.name, s.err)
		}
	}
	_, status := errors.AsType[*exec.ExitError](waitErr)
	if waitErr != nil && !status && !errors.Is(waitErr, exec.ErrWaitDelay) {
		return exit, fmt.Errorf("feed the program: %w", waitErr)
	}
	return exit, nil
}

// sameWriter is a == b where that can be asked.
func sameWriter(a, b io.Writer) bool {
	return a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}
