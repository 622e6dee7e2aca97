package modules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// A ToolRun is one run of an external program.
type ToolRun struct {
	Tool   tool.Tool
	Args   []string  // after those that start it; paths under the alias become real ones, as in Env
	Env    []string  // on top of the call's
	Stdin  io.Reader // an *os.File, or one that ends; nil is empty
	Stdout io.Writer // gets what it prints on standard output too, paths under their alias; nil is nobody
	// Reason picks what says why it failed from the last lines that it printed, blank ones left out; nil is the last one.
	Reason func(lines []string) string
}

// maxSaid is how much of the end of what a tool prints is kept for the sentence on its failure, in bytes.
const maxSaid = 4 << 10

// RunTool finds a tool of this machine and runs it in the workspace. What it prints is shown as it comes. One that is missing
// is a permanent error, one that goes over its limits a *proc.OverError. One that fails is a sentence with its last line, not
// classified: whether another try helps the caller knows, who must look at what it wrote in any case.
func (c *Call) RunTool(ctx context.Context, r ToolRun) (Stats, error) {
	found, err := c.Tools.Find(ctx, r.Tool)
	if lacks, ok := errors.AsType[*tool.MissingError](err); ok {
		return Stats{}, fault.As(fault.Permanent, lacks)
	}
	if err != nil {
		return Stats{}, fmt.Errorf("find %s: %w", r.Tool.Name, err)
	}
	start, args := found.Command()
	cmd := proc.Cmd{
		Path: start, Args: append(args, c.unalias(r.Args)...), Env: c.unalias(slices.Concat(c.Env, r.Env)), Dir: c.Workspace.Real(),
		Stdin: r.Stdin, Limits: c.Tools.LimitsOf(r.Tool),
	}
	out, errs := &tail{}, &tail{}
	stdout := c.Workspace.AliasWriter(io.MultiWriter(out, c.Stdout, cmp.Or(r.Stdout, io.Discard)))
	stderr := c.Workspace.AliasWriter(io.MultiWriter(errs, c.Stderr))
	cmd.Stdout, cmd.Stderr = stdout, stderr
	exit, err := c.Exec.Run(ctx, cmd)
	if flushed := errors.Join(stdout.Flush(), stderr.Flush()); err == nil && flushed != nil {
		err = fmt.Errorf("pass on output: %w", flushed)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Stats{}, fault.As(fault.Permanent, &tool.MissingError{Tool: r.Tool, Reason: start + " is gone"})
	}
	if err != nil {
		return Stats{}, fmt.Errorf("run %s: %w", r.Tool.Name, err)
	}
	return StatsOf(exit.Stats), exit.Failure(r.Tool.Name, cmd.Limits, r.reason(errs.lines(), out.lines()))
}

// reason is a line of what it printed, of standard error where there is any.
func (r ToolRun) reason(stderr, stdout []string) string {
	lines := stderr
	if len(lines) == 0 {
		lines = stdout
	}
	switch {
	case len(lines) == 0:
		return ""
	case r.Reason != nil:
		return r.Reason(lines)
	}
	return lines[len(lines)-1]
}

// unalias makes real paths of those under the workspace's alias.
func (c *Call) unalias(list []string) []string {
	real := make([]string, len(list))
	for i, s := range list {
		real[i] = c.Workspace.Unalias(s)
	}
	return real
}

// A tail keeps the last maxSaid bytes.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p[max(0, len(p)-maxSaid):]...)
	t.text = t.text[max(0, len(t.text)-maxSaid):]
	return len(p), nil
}

// lines are those that are not blank.
func (t *tail) lines() []string {
	var all []string
	for line := range strings.FieldsFuncSeq(strings.ToValidUTF8(string(t.text), "�"), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
