package tool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/modules/proc"
)

// A Set knows which tools this machine has. It is made once and asked from any goroutine; what a program said it remembers
// for as long as the file stays the same.
type Set struct {
	// Path is where programs are looked for, as PATH is written. Relative folders in it are passed over.
	Path string
	// Folder holds the tools that no package of the system has, as deploy/tools/install lays them out. Empty is none.
	Folder string
	// Compiled is a folder of WebAssembly that was compiled for this machine; modules that run some read it there. Nobody but the
	// worker may write to it. Empty is none.
	Compiled string
	// Override names a program by hand, by the tool's name; empty is none. nil has none. It must be the tool: no other is
	// looked for then.
	Override func(name string) string
	// Declared are the tools that Has knows by name.
	Declared []Tool
	// Known are tools that somebody else found on this machine; they are not looked for again.
	Known []Found
	// Exec runs programs, to hear their version. nil has one of its own.
	Exec *proc.Local
	// Limits are the operator's, by the tool's name; what is 0 in them, and a tool that has none, keeps its own.
	Limits map[string]proc.Limits

	mu    sync.Mutex
	asked map[identity]answer // guarded by mu
}

// A MissingError is a tool that this machine lacks, or has in a version that is too old.
type MissingError struct {
	Tool   Tool
	Reason string // "no program magick or convert-im6.q16 is in PATH"
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is missing: %s; %s", e.Tool.Name, e.Reason, e.Tool.Get)
}

// Find returns the tool, or a *MissingError; another error is that of ctx. The first program takes up to askTimeout, where
// it has to be asked for its version.
func (s *Set) Find(ctx context.Context, t Tool) (Found, error) {
	for _, f := range s.Known {
		if f.Name == t.Name {
			return f, nil
		}
	}
	runner := ""
	if t.Runner != nil {
		f, err := s.Find(ctx, *t.Runner)
		if lacks, ok := errors.AsType[*MissingError](err); ok {
			return Found{}, &MissingError{t, fmt.Sprintf("it needs %s (%s)", lacks.Tool.Name, lacks.Reason)}
		}
		if err != nil {
			return Found{}, err
		}
		runner = f.Path
	}
	paths, where := s.candidates(t)
	reasons := make([]string, 0, len(paths))
	for _, path := range paths {
		version, reason := s.ask(ctx, t, runner, path)
		if ctx.Err() != nil {
			return Found{}, context.Cause(ctx)
		}
		if reason == "" {
			return Found{t.Name, path, runner, version}, nil
		}
		reasons = append(reasons, reason)
	}
	if len(reasons) == 0 {
		reasons = []string{where}
	}
	return Found{}, &MissingError{t, strings.Join(reasons, ", and ")}
}

// gone is nil while a tool that was found lies where it was.
func (s *Set) gone(t Tool, f Found) error {
	if !s.isProgram(t, f.Path) {
		return &MissingError{t, f.Path + " is gone"}
	}
	if _, err := os.Stat(f.Runner); f.Runner != "" && err != nil {
		return &MissingError{t, explain(f.Runner, err)}
	}
	return nil
}

// Has is Find for the name of a declared tool, which must still lie where it was found.
func (s *Set) Has(ctx context.Context, name string) error {
	for _, t := range s.Declared {
		if t.Name == name {
			f, err := s.Find(ctx, t)
			return cmp.Or(err, s.gone(t, f))
		}
	}
	return &MissingError{Tool{Name: name, Get: "take a version that has it"}, "this version of Millrace knows no such tool"}
}

// LimitsOf are what one run of a tool may use.
func (s *Set) LimitsOf(t Tool) proc.Limits {
	by := s.Limits[t.Name]
	return proc.Limits{Memory: cmp.Or(by.Memory, t.Memory), CPU: cmp.Or(by.CPU, t.CPU)}
}

// candidates are the files that may be the tool, the best first; where says what was looked for, where there is none.
func (s *Set) candidates(t Tool) (paths []string, where string) {
	if s.Override != nil {
		if by := s.Override(t.Name); by != "" {
			if s.isProgram(t, by) {
				return []string{by}, ""
			}
			return nil, fmt.Sprintf("%s, which was named by hand, is not a program", by)
		}
	}
	var inPath, elsewhere []string
	for _, name := range t.Programs {
		switch {
		case filepath.IsAbs(name):
			elsewhere = append(elsewhere, name)
			paths = append(paths, name)
		case strings.Contains(name, "/"):
			elsewhere = append(elsewhere, filepath.Join(s.Folder, name))
			if s.Folder != "" {
				paths = append(paths, filepath.Join(s.Folder, name))
			}
		default:
			inPath = append(inPath, name)
			for _, dir := range filepath.SplitList(s.Path) {
				if filepath.IsAbs(dir) {
					paths = append(paths, filepath.Join(dir, name))
				}
			}
		}
	}
	there := paths[:0]
	for _, path := range paths {
		if s.isProgram(t, path) {
			there = append(there, path)
		}
	}
	return there, absent(inPath, elsewhere)
}

func absent(inPath, elsewhere []string) string {
	var all []string
	if inPath != nil {
		all = append(all, "no program "+strings.Join(inPath, " or ")+" is in PATH")
	}
	if elsewhere != nil {
		all = append(all, "there is no "+strings.Join(elsewhere, " or "))
	}
	return strings.Join(all, ", and ")
}

func (s *Set) isProgram(t Tool, path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && (t.Runner != nil || info.Mode()&0o111 != 0)
}

// An identity is a file as it was when it was asked for its version.
type identity struct {
	tool, runner, path string
	size               int64
	changed            time.Time
}

func identify(t Tool, runner, path string) (identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return identity{}, err
	}
	return identity{t.Name, runner, path, info.Size(), info.ModTime()}, nil
}

// explain is what is wrong with a file that can't be looked at.
func explain(path string, err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("there is no %s", path)
	}
	return err.Error()
}
