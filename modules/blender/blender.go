// Package blender runs Blender, as a module of Python in a process of its own, over files that nobody vouches for.
//
// What a file is must be told by what it holds (Sniff): Blender turns rubbish of a fitting name into valid files of nothing. What
// it read and what it wrote are measured by itself, so that whoever asked can hold the one against the other.
package blender

import (
	"bytes"
	"context"
	_ "embed" // the scripts
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

//go:embed serve.py
var serveScript string

//go:embed convert.py
var convertScript string

// Limits of one run.
const (
	maxTime   = time.Hour
	maxAnswer = 4 << 20 // bytes of all answers
	maxSaid   = 4 << 10 // bytes of the end of what it prints
)

// A Blender is what runs need of a machine; a module's call has all of it.
type Blender struct {
	Tools  *tool.Set
	Exec   proc.Runner
	Env    []string
	Stderr io.Writer // gets what importers and exporters print; nil is nobody
	Warm   *Warm     // keeps one running for the next request; nil: each has its own
}

// A Job is one file to convert.
type Job struct {
	Src    string // real and absolute
	Format Format // what Src is
	Dest   string // real and absolute; pictures and an OBJ's materials are put beside it
	Write  Format
	// Roots are the real folders that Src, and what it refers to, must lie in; Dest's is one as well.
	Roots []string
	// AllowMissing makes a warning of a texture that is not there; any other reference that is not there is an error anyway.
	AllowMissing bool
	// Still leaves animations out.
	Still bool
	// Unchecked leaves it to the caller to read what was written.
	Unchecked bool
	ZUp       bool // an OBJ is written with Z up instead of Y, and without its pictures' names made relative
}

// A Scene is what a file holds.
type Scene struct {
	Triangles  int64      `json:"triangles"` // drawn, instances among them
	Min        [3]float64 `json:"min"`       // of what is drawn, at rest, in metres; Z is up
	Max        [3]float64 `json:"max"`
	Materials  int        `json:"materials"` // that a triangle has
	Textures   int        `json:"textures"`  // that such a material has
	Animations int        `json:"animations"`
}

// A Result is what came of a job.
type Result struct {
	Read     Scene    `json:"read"`
	Written  *Scene   `json:"written"` // read again from what was written; nil where the job left it to its caller
	Warnings []string `json:"warnings"`
}

// request is what convert.py is told.
type request struct {
	Command      string   `json:"command"`
	Src          string   `json:"src"`
	Format       Format   `json:"format"`
	Dest         string   `json:"dest"`
	Write        Format   `json:"write"`
	Roots        []string `json:"roots"`
	AllowMissing bool     `json:"allowMissing"`
	Still        bool     `json:"still"`
	Check        bool     `json:"check"`
	ZUp          bool     `json:"zUp"`
}

// Convert converts a file. What Blender can't read or write, what refers to what is not there or lies elsewhere, and what draws no
// triangle is a permanent error; Dest may be there then, and is of no use.
func (b Blender) Convert(ctx context.Context, j Job) (Result, proc.Stats, error) {
	if !slices.Contains(Readable(), j.Format) || !slices.Contains(Writable(), j.Write) {
		return Result{}, proc.Stats{}, fault.As(fault.Permanent, fmt.Errorf("Blender does not convert %s to %s", j.Format, j.Write))
	}
	roots := append(slices.Clone(j.Roots), filepath.Dir(j.Dest))
	var r Result
	stats, err := b.ask(ctx, request{
		Command: "convert", Src: j.Src, Format: j.Format, Dest: j.Dest, Write: j.Write, Roots: roots,
		AllowMissing: j.AllowMissing, Still: j.Still, Check: !j.Unchecked, ZUp: j.ZUp,
	}, &r)
	return r, stats, err
}

// ask makes one request and decodes its answer.
func (b Blender) ask(ctx context.Context, r, answer any) (stats proc.Stats, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, fault.As(fault.Permanent, fmt.Errorf("Blender takes longer than %v", maxTime)))
	defer cancel()
	line, err := json.Marshal(r)
	if err != nil {
		return stats, err
	}
	var text []byte
	if b.Warm != nil {
		text, stats, err = b.Warm.ask(ctx, b, line)
	} else {
		text, stats, err = b.once(ctx, line)
	}
	if err != nil {
		return stats, err
	}
	return stats, decode(text, answer)
}

// command is a Blender that answers requests, in a folder of its own, where it has its settings; remove that after use.
func (b Blender) command(ctx context.Context) (proc.Cmd, proc.Limits, error) {
	found, err := b.Tools.Find(ctx, tool.Blender())
	if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
		return proc.Cmd{}, proc.Limits{}, fault.As(fault.Permanent, lacks)
	}
	if err != nil {
		return proc.Cmd{}, proc.Limits{}, fmt.Errorf("find Blender: %w", err)
	}
	own, err := os.MkdirTemp("", "blender-")
	if err != nil {
		return proc.Cmd{}, proc.Limits{}, err
	}
	start, args := found.Command()
	limits := b.Tools.LimitsOf(tool.Blender())
	return proc.Cmd{
		Path: start, Args: append(args, "-I", "-c", serveScript+convertScript+renderScript+"\nserve()\n"),
		Env: append(slices.Clone(b.Env), "BLENDER_USER_RESOURCES="+own, "TMPDIR="+own), Dir: own, Limits: limits,
	}, limits, nil
}

func (b Blender) stderr(said io.Writer) io.Writer {
	if b.Stderr == nil {
		return said
	}
	return io.MultiWriter(said, b.Stderr)
}

// decode reads the one answer.
func decode(text []byte, answer any) error {
	var refused RefusedError
	if err := errors.Join(json.Unmarshal(text, &refused), json.Unmarshal(text, answer)); err != nil {
		return fmt.Errorf("read Blender's answer: %w", err)
	}
	if refused.Reason != "" {
		return fault.As(fault.Permanent, &refused)
	}
	return nil
}

// A RefusedError is what a file makes impossible.
type RefusedError struct {
	Reason string `json:"refused"`
	// Final says that another reader must not try: the file refers to what is not there, or lies elsewhere.
	Final bool `json:"final"`
}

func (e *RefusedError) Error() string { return e.Reason }

// failure is nil for one that ended well. One that broke down on a file does so again.
func failure(exit proc.Exit, limits proc.Limits, line string) error {
	err := exit.Failure("Blender", limits, line)
	if err != nil && exit.Over == "" && slices.Contains([]string{"segmentation fault", "aborted", "bus error", "floating point exception", "illegal instruction"}, exit.Signal) {
		return fault.As(fault.Permanent, fmt.Errorf("Blender broke down on it: %s", exit.Signal))
	}
	return err
}

// A limited keeps what is written to it up to its limit.
type limited struct {
	most int
	text []byte
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.over = l.over || len(l.text)+len(p) > l.most; !l.over {
		l.text = append(l.text, p...)
	}
	return len(p), nil
}

// A tail keeps the last maxSaid bytes.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p[max(0, len(p)-maxSaid):]...)
	t.text = t.text[max(0, len(t.text)-maxSaid):]
	return len(p), nil
}

// last is the last line.
func (t *tail) last() string {
	text := bytes.TrimSpace(t.text)
	return strings.ToValidUTF8(string(text[bytes.LastIndexByte(text, '\n')+1:]), "�")
}
