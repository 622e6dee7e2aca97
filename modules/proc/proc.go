// Package proc runs external programs: in a group of their own, with a bounded life and
// bounded output, leaving nothing behind.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// A Cmd is one program to run.
type Cmd struct {
	Path   string   // looked up in PATH when it has no slash
	Args   []string // without the program's name; never split, never seen by a shell
	Env    []string // the whole environment, "NAME=value"; nil is an empty one plus PATH
	Dir    string   // working directory; empty is the caller's
	Stdin  io.Reader
	Stdout io.Writer     // nil discards
	Stderr io.Writer     // nil discards
	Files  []*os.File    // its descriptors 3, 4 and so on; they stay open here
	Grace  time.Duration // between SIGTERM and SIGKILL once ctx ends; 0 is 5 s
	Limits Limits
	Usage  *Usage // told what it uses while it runs; nil is nobody
}

// Limits are what a program and all it starts may use; 0 is no limit. A program that goes over one is killed, and Exit.Over
// says which.
type Limits struct {
	Memory int64         // resident bytes, sampled ten times a second; only Linux can tell
	CPU    time.Duration // processor time, likewise
}

// A Limit is one of Limits.
type Limit string

const (
	OverMemory Limit = "memory"
	OverCPU    Limit = "cpu"
)

// An Exit is how a program ended. A non-zero code is an outcome, not an error.
type Exit struct {
	Code   int    // -1 when a signal ended it
	Signal string // "killed", "terminated", …; empty when it exited by itself
	Over   Limit  // the limit that it was killed for; empty is none
	Stats  Stats
}

// Failure is nil for a program that ended well, else a sentence on how it ended; line is the last that it printed. One over a
// limit is a *OverError, one that somebody else killed a *KilledError, one that ended by itself a
// *EndedError.
func (e Exit) Failure(program string, limits Limits, line string) error {
	var how string
	switch {
	case e.Over != "":
		return &OverError{Program: program, Over: e.Over, Limits: limits}
	case e.Signal != "":
		how = fmt.Sprintf("was ended by signal %q", e.Signal)
	case e.Code != 0:
		how = fmt.Sprintf("exited with code %d", e.Code)
	default:
		return nil
	}
	how = program + " " + how
	if line != "" {
		how += ": " + line
	}
	if e.Killed() {
		return &KilledError{Message: how}
	}
	if e.Signal == "" || slices.Contains(crashes(), e.Signal) {
		return &EndedError{Message: how, Crashed: e.Signal != ""}
	}
	return errors.New(how)
}

// An EndedError is a program that ended by itself, and could not do its work: it said so by its code, or it crashed.
type EndedError struct {
	Message string // one sentence
	Crashed bool   // by a signal that its own fault raised
}

func (e *EndedError) Error() string { return e.Message }

// crashes are the signals that a program's own fault raises, as Exit calls them.
func crashes() []string {
	return []string{"segmentation fault", "aborted", "bus error", "illegal instruction", "floating point exception", "bad system call"}
}

// Stats is what a program and everything it started used.
type Stats struct {
	MaxCPU  float64       // highest share seen, in percent of one core
	MaxMem  int64         // highest resident set seen, bytes
	Elapsed time.Duration // wall clock
}

// A Runner runs programs. Local is the real one; moduletest has a fake that records argv.
type Runner interface {
	// Run starts the program and returns when it and everything it started is gone.
	// When ctx ends: SIGTERM to the group, Grace, SIGKILL to the group and to whatever escaped it;
	// the error then wraps context.Cause(ctx).
	// A program that can't be started is an error (fs.ErrNotExist when there is none of that name).
	Run(ctx context.Context, c Cmd) (Exit, error)
}

// An OverError is a program that was killed because it went over a limit.
type OverError struct {
	Program string // as people know it: "ImageMagick"
	Over    Limit
	Limits  Limits
}

func (e *OverError) Error() string {
	used := fmt.Sprintf("%d MiB of memory", e.Limits.Memory>>20)
	if e.Over == OverCPU {
		used = fmt.Sprintf("%s of processor time", e.Limits.CPU)
	}
	return fmt.Sprintf("%s used more than %s, and was stopped; give it less to do, or raise its limit (MILLRACE_TOOL_LIMITS)", e.Program, used)
}
