// Package shell is the Shell module: it runs one program, without a shell in between.
package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/show"
	"github.com/millrace/millrace/modules/workspace"
)

// Module is the Shell task.
var Module = modules.Define(modules.Spec{
	Name:    "Shell",
	Summary: "Runs a program in the workspace and returns what it printed.",
	Example: "- module: Shell\n  props: {command: ls, args: [-l, -a]}\n  register: listing",
	Shell:   true,
}, run)

// maxCaptured is how much of each stream the output keeps, in bytes. All of it is streamed.
const maxCaptured = 1 << 20

// Props are what a task writes under props.
type Props struct {
	Command string   `json:"command" doc:"Program to run, looked up in PATH where it has no slash."`
	Args    []string `json:"args,omitzero" doc:"Arguments, one per item; never split, never expanded."`
}

// Output is what register stores.
type Output struct {
	Stdout      string        `json:"stdout" doc:"What it wrote to standard output, at most 1 MiB."`
	StdoutLines []string      `json:"stdoutLines" doc:"The same, split at newlines."`
	Stderr      string        `json:"stderr" doc:"What it wrote to standard error, at most 1 MiB."`
	StderrLines []string      `json:"stderrLines" doc:"The same, split at newlines."`
	Truncated   bool          `json:"truncated" doc:"Whether either was longer than is kept."`
	Stats       modules.Stats `json:"stats" doc:"What the program used."`
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	stdout, stderr := newStream(c.Workspace, c.Stdout), newStream(c.Workspace, c.Stderr)
	exit, err := c.Exec.Run(ctx, proc.Cmd{
		Path:   c.Workspace.Unalias(p.Command),
		Args:   unalias(c.Workspace, p.Args),
		Env:    unalias(c.Workspace, c.Env),
		Dir:    c.Workspace.Real(),
		Stdout: stdout,
		Stderr: stderr,
	})
	if ferr := errors.Join(stdout.live.Flush(), stderr.live.Flush()); err == nil && ferr != nil {
		err = fmt.Errorf("pass on output: %w", ferr)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Output{}, notFound(p)
	}
	if err != nil {
		return Output{}, fmt.Errorf("run %s: %w", p.Command, err)
	}
	out := Output{Stdout: stdout.kept.text.String(), Stderr: stderr.kept.text.String(), Stats: modules.StatsOf(exit.Stats)}
	out.StdoutLines, out.StderrLines = show.Lines(out.Stdout), show.Lines(out.Stderr)
	out.Truncated = stdout.kept.cut || stderr.kept.cut
	return out, exit.Failure(p.Command, proc.Limits{}, lastLine(out.StderrLines))
}

// lastLine is the last line that is not blank.
func lastLine(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ""
}

func notFound(p Props) error {
	remedy := "install it or give its path"
	if strings.ContainsAny(p.Command, " \t") && len(p.Args) == 0 {
		remedy = "put its arguments under args"
	}
	return fault.As(fault.Permanent, fmt.Errorf("program %q is not found; %s", p.Command, remedy))
}

// unalias keeps nil: to proc no environment is another thing than an empty one.
func unalias(d *workspace.Dir, list []string) []string {
	if list == nil {
		return nil
	}
	real := make([]string, len(list))
	for i, s := range list {
		real[i] = d.Unalias(s)
	}
	return real
}

// A stream passes a program's output on as it comes and keeps the head of it.
type stream struct {
	live *workspace.AliasWriter
	kept *head
}

func newStream(d *workspace.Dir, to io.Writer) stream {
	kept := &head{}
	return stream{live: d.AliasWriter(io.MultiWriter(kept, to)), kept: kept}
}

func (s stream) Write(p []byte) (int, error) { return s.live.Write(p) }

// A head keeps the first maxCaptured bytes.
type head struct {
	text strings.Builder
	cut  bool
}

func (h *head) Write(p []byte) (int, error) {
	keep := min(len(p), maxCaptured-h.text.Len())
	h.cut = h.cut || keep < len(p)
	h.text.Write(p[:keep])
	return len(p), nil
}
