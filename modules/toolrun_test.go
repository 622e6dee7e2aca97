package modules_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/tool"
)

// sh is the shell as a tool.
func sh() tool.Tool {
	return tool.Tool{Name: "Shell", Programs: []string{"sh"}, Version: []string{"-c", "echo 1"}, Pattern: `(1)`, Get: "get a shell", Memory: 1 << 30}
}

func TestAToolRunsInTheWorkspaceWithItsLimits(t *testing.T) {
	c, r := moduletest.Call(t)
	c.Tools = &tool.Set{
		Known:  []tool.Found{{Name: "Shell", Path: "/tools/it.js", Runner: "/bin/node"}},
		Limits: map[string]proc.Limits{"Shell": {CPU: time.Minute}},
	}
	stats, err := c.RunTool(t.Context(), modules.ToolRun{
		Tool: sh(), Args: []string{"/home/workspace/a", "--out=/home/workspace/b", "-c"}, Env: []string{"HERE=/home/workspace"},
	})
	require.NoError(t, err)
	require.Equal(t, modules.Stats{}, stats)
	real := c.Workspace.Real()
	require.Equal(t, []string{"/bin/node", "/tools/it.js", real + "/a", "--out=" + real + "/b", "-c"}, r.Argv(t))
	cmd := r.Cmds()[0]
	require.Equal(t, real, cmd.Dir)
	require.Equal(t, append(c.Env, "HERE="+real), cmd.Env)
	require.Equal(t, proc.Limits{Memory: 1 << 30, CPU: time.Minute}, cmd.Limits)
}

func TestWhatAToolPrintsIsShownAndHandedOn(t *testing.T) {
	c, r := moduletest.Call(t)
	c.Exec, c.Tools = &proc.Local{}, moduletest.Tools(t)
	var said bytes.Buffer
	stats, err := c.RunTool(t.Context(), modules.ToolRun{Tool: sh(), Args: []string{"-c", "pwd; echo oops >&2"}, Stdout: &said})
	require.NoError(t, err)
	require.Equal(t, "/home/workspace\n", said.String())
	require.Equal(t, "/home/workspace\n", r.Stdout.String())
	require.Equal(t, "oops\n", r.Stderr.String())
	require.Positive(t, stats.MaxMem)
}

func TestHowAToolEndedIsASentence(t *testing.T) {
	for _, tt := range []struct {
		name string
		exit proc.Exit
		err  error
		says string // on standard error
		want string
		kind fault.Kind

		killed bool // by somebody else
	}{
		{"by code", proc.Exit{Code: 3}, nil, "one\n\n  no mesh \n\n", "Shell exited with code 3: no mesh", fault.Unknown, false},
		{"in silence", proc.Exit{Code: 1}, nil, "", "Shell exited with code 1: on standard output", fault.Unknown, false},
		{"by signal", proc.Exit{Code: -1, Signal: "killed"}, nil, "so long", `Shell was ended by signal "killed": so long`, fault.Unknown, true},
		{"by the signal that ended what it ran", proc.Exit{Code: 137}, nil, "Killed", `Shell exited with code 137: Killed`, fault.Unknown, true},
		{"by another signal", proc.Exit{Code: -1, Signal: "segmentation fault"}, nil, "so long", `Shell was ended by signal "segmentation fault": so long`, fault.Unknown, false},
		{
			"over its memory",
			proc.Exit{Code: -1, Signal: "killed", Over: proc.OverMemory},
			nil, "",
			"Shell used more than 1024 MiB of memory, and was stopped; give it less to do, or raise its limit (MILLRACE_TOOL_LIMITS)", fault.Unknown, false,
		},
		{"gone since it was found", proc.Exit{}, fs.ErrNotExist, "", "Shell is missing: /bin/sh is gone; get a shell", fault.Permanent, false},
		{"stopped", proc.Exit{}, context.Canceled, "", "run Shell: context canceled", fault.Canceled, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := moduletest.Call(t)
			c.Tools = &tool.Set{Known: []tool.Found{{Name: "Shell", Path: "/bin/sh"}}}
			r.OnRun = func(_ context.Context, cmd proc.Cmd) (proc.Exit, error) {
				_, err := io.WriteString(cmd.Stdout, "on standard output\n")
				require.NoError(t, err)
				_, err = io.WriteString(cmd.Stderr, tt.says)
				require.NoError(t, err)
				return tt.exit, tt.err
			}
			_, err := c.RunTool(t.Context(), modules.ToolRun{Tool: sh()})
			require.EqualError(t, err, tt.want)
			require.Equal(t, tt.kind, fault.Of(err))
			_, killed := errors.AsType[*proc.KilledError](err)
			require.Equal(t, tt.killed, killed)
		})
	}
}

func TestAMissingToolIsAPermanentSentence(t *testing.T) {
	c, r := moduletest.Call(t)
	c.Tools = &tool.Set{Path: filepath.Join(t.TempDir(), "none")}
	_, err := c.RunTool(t.Context(), modules.ToolRun{Tool: sh()})
	require.EqualError(t, err, "Shell is missing: no program sh is in PATH; get a shell")
	require.Equal(t, fault.Permanent, fault.Of(err))
	require.Empty(t, r.Cmds())
}
