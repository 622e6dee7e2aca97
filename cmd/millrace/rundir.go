package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/worker/launch"
)

// A workerRun is the life of one worker on this machine: a folder for its jobs that is locked while it lives.
type workerRun struct {
	id   string
	dir  string
	lock *os.File
}

// openRun makes a run's folder below root, after removing what dead runs left there: folders, and processes that
// carry a dead run's mark.
func openRun(root string) (*workerRun, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make run folder: %w", err)
	}
	if err := sweepRuns(root); err != nil {
		return nil, err
	}
	r := &workerRun{id: rand.Text()}
	r.dir = filepath.Join(root, r.id)
	// Locked before it can be seen under its name: a worker that starts now must not take it for a dead one's.
	hidden := filepath.Join(root, "."+r.id)
	if err := os.Mkdir(hidden, 0o700); err != nil {
		return nil, fmt.Errorf("make run folder: %w", err)
	}
	var err error
	if r.lock, err = lock(hidden); err == nil {
		err = os.Rename(hidden, r.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("make run folder: %w", err)
	}
	return r, nil
}

// compileCommand is the hidden sub-command that a worker compiles WebAssembly with.
const compileCommand = "compile"

// compile compiles the WebAssembly that modules run, in the background, into a folder that jobs may read: a child that comes
// before it is there compiles it for itself, which takes half a second. It does so in a process of its own, a run of this
// program: the memory that a compiler takes would stay the worker's for as long as it lives. What an image's folder of tools holds
// is copied before: it serves where it was made for processors like this one. stop ends it.
func (r *workerRun) compile(programs *proc.Local, self, tools string, log *slog.Logger) (folder string, stop func(), err error) {
	folder = filepath.Join(r.dir, "compiled")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return "", nil, fmt.Errorf("make folder of what is compiled: %w", err)
	}
	if err := os.CopyFS(folder, os.DirFS(filepath.Join(tools, "compiled"))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("copy what the image holds compiled: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		var said bytes.Buffer
		exit, err := programs.Run(ctx, proc.Cmd{
			Path: self, Args: []string{compileCommand, folder}, Dir: r.dir, Env: append(programEnv(os.Environ()), r.mark()),
			Stdout: io.Discard, Stderr: &said, Limits: proc.Limits{Memory: maxCompile},
		})
		if err == nil {
			err = exit.Failure("millrace "+compileCommand, proc.Limits{Memory: maxCompile}, strings.TrimSpace(said.String()))
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			log.WarnContext(ctx, "gltfpack not compiled", "err", err)
		default:
			log.DebugContext(ctx, "gltfpack compiled")
		}
	})
	return folder, func() { cancel(); wg.Wait() }, nil
}

// maxCompile bounds what the compiler takes, in resident bytes; it was seen to take 80 MiB.
const maxCompile = 512 << 20

// mark is in the environment of everything that the run starts.
func (r *workerRun) mark() string { return runVar + "=" + r.id }

// close removes the folder.
func (r *workerRun) close() {
	_ = launch.Remove(r.dir) // what stays is swept by the next worker
	_ = r.lock.Close()
}

// sweepRuns removes the folders and kills the processes of runs whose worker is dead.
func sweepRuns(root string) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("sweep dead runs: %w", err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || (e.Name()[0] == '.' && time.Since(info.ModTime()) < time.Minute) {
			continue // gone, or being made by a worker that starts now
		}
		dir := filepath.Join(root, e.Name())
		f, err := lock(dir)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, os.ErrNotExist) {
			continue // it lives, or another worker swept it
		}
		if err != nil {
			return fmt.Errorf("sweep dead runs: %w", err)
		}
		killMarked(runVar + "=" + e.Name())
		err = launch.Remove(dir)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("sweep dead runs: %w", err)
		}
	}
	return nil
}

// lock opens a folder and takes its lock, which the kernel drops when we die.
func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// killMarked kills the processes that have mark in their environment. Those we may not look into aren't a job's.
func killMarked(mark string) {
	envs, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is well-formed
	for _, path := range envs {
		env, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00"+mark+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL) // it may be gone
		}
	}
}
