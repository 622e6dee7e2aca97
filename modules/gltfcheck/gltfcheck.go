// Package gltfcheck runs Khronos' glTF-Validator over a file: in Node.js where the machine has it, else in this process.
package gltfcheck

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// Limits of one check.
const (
	MaxBytes       = 1 << 30  // of the file and all that it refers to
	maxBytesWithin = 64 << 20 // of the same, where this process does the work, at some three seconds a MiB
	maxReport      = 64 << 20 // bytes
	maxIssues      = 10_000   // that a report lists
	maxTime        = 10 * time.Minute
)

// A Validator is what checks need of a machine; a module's call has all of it.
type Validator struct {
	Tools *tool.Set
	Exec  proc.Runner
	Env   []string // of Node.js
}

// A File is what to check.
type File struct {
	Path string // real and absolute
	// Root is the real folder that what the file refers to must lie in; empty is that of the file. Other references are errors
	// of the report.
	Root  string
	Alone bool   // what it refers to is not looked at
	Name  string // in the report; empty is the file's own
}

// Options are the validator's own; the zero value checks everything.
type Options struct {
	MaxIssues         int                 `json:"maxIssues"`                  // that the report lists; 0 is 10,000, the most there is
	IgnoredIssues     []string            `json:"ignoredIssues,omitzero"`     // codes
	OnlyIssues        []string            `json:"onlyIssues,omitzero"`        // codes; not with IgnoredIssues
	SeverityOverrides map[string]Severity `json:"severityOverrides,omitzero"` // by code
	WriteTimestamp    bool                `json:"writeTimestamp"`             // says when
}

// A Result is a report and how it came about.
type Result struct {
	Report
	JSON  []byte     // the report as the validator wrote it
	Stats proc.Stats // of Node.js; zero where this process did the work
}

// A request is what check.js and node.js are told.
type request struct {
	File     string  `json:"file"`
	Alone    bool    `json:"alone"`
	Root     string  `json:"root"`
	RootName string  `json:"rootName"` // as people know it
	MaxBytes int64   `json:"maxBytes"`
	Options  options `json:"options"`
}

type options struct {
	Options
	URI string `json:"uri"`
}

// Check returns the validator's report on a file. That the file breaks rules is no error; that it is no glTF at all is a
// permanent one.
func (v Validator) Check(ctx context.Context, f File, o Options) (Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, fault.As(fault.Permanent, fmt.Errorf("it takes longer than %v", maxTime)))
	defer cancel()
	f.Name = cmp.Or(f.Name, filepath.Base(f.Path))
	if o.MaxIssues <= 0 || o.MaxIssues > maxIssues {
		o.MaxIssues = maxIssues
	}
	if f.Alone && o.OnlyIssues == nil {
		o.IgnoredIssues = append(slices.Clone(o.IgnoredIssues), "IO_ERROR")
	}
	r := request{File: f.Path, Alone: f.Alone, Root: f.Root, RootName: "the workspace", MaxBytes: MaxBytes, Options: options{o, f.Name}}
	if f.Root == "" {
		r.Root, r.RootName = filepath.Dir(f.Path), "the folder of the file"
	}
	text, stats, err := v.run(ctx, r)
	if err != nil {
		return Result{}, fmt.Errorf("validate %s: %w", f.Name, err)
	}
	result := Result{JSON: text, Stats: stats}
	if err := json.Unmarshal(text, &result.Report); err != nil {
		return Result{}, fmt.Errorf("read the report on %s: %w", f.Name, err)
	}
	if result.ValidatorVersion == "" {
		return Result{}, fmt.Errorf("read the report on %s: it is none", f.Name)
	}
	return result, nil
}

func (v Validator) run(ctx context.Context, r request) ([]byte, proc.Stats, error) {
	found, err := v.Tools.Find(ctx, tool.GLTFValidator())
	_, lacks := errors.AsType[*tool.MissingError](err)
	if err != nil && !lacks {
		return nil, proc.Stats{}, err
	}
	if lacks {
		r.MaxBytes = maxBytesWithin
	}
	if err := r.check(); err != nil {
		return nil, proc.Stats{}, err
	}
	if lacks {
		text, err := inProcess(ctx, r)
		return text, proc.Stats{}, err
	}
	return v.inNode(ctx, found, r)
}

// check says why the file can't be read.
func (r request) check() error {
	info, err := os.Stat(r.File)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fault.As(fault.Permanent, errors.New("it is not a regular file"))
	case info.Size() > r.MaxBytes:
		return fault.As(fault.Permanent, fmt.Errorf("it has %d MiB, more than the %d that are read here", info.Size()>>20, r.MaxBytes>>20))
	}
	return nil
}

// verdict sorts what the validator throws: it does so for what is no glTF at all.
func verdict(reason string) error {
	if _, what, ok := strings.Cut(reason, "Invalid data: "); ok {
		return fault.As(fault.Permanent, fmt.Errorf("it is neither a glTF nor a GLB: %s", strings.TrimSuffix(what, ".")))
	}
	return errors.New(reason)
}

// A limited keeps what is written to it up to its limit.
type limited struct {
	text []byte
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.over = l.over || len(l.text)+len(p) > maxReport; !l.over {
		l.text = append(l.text, p...)
	}
	return len(p), nil
}

var _ io.Writer = (*limited)(nil)
