package shell_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/proc"
	"github.com/millrace/millrace/modules/shell"
)

func TestArgumentsAreHandedOnOneByOne(t *testing.T) {
	c, r := moduletest.Call(t)
	_, err := shell.Module.Run(t.Context(), c, map[string]any{
		"command": "tool", "args": []any{"-n", "two words", "$HOME; rm -rf /", "--out=/home/workspace/a", int64(3), ""},
	})
	require.NoError(t, err)
	real := c.Workspace.Real()
	require.Equal(t, []string{"tool", "-n", "two words", "$HOME; rm -rf /", "--out=" + real + "/a", "3", ""}, r.Argv(t))
	require.Equal(t, real, r.Cmds()[0].Dir)
	require.Equal(t, c.Env, r.Cmds()[0].Env)
}

func TestEchoReturnsWhatItPrints(t *testing.T) {
	c, r := moduletest.Call(t)
	c.Exec = &proc.Local{}
	out, err := shell.Module.Run(t.Context(), c, map[string]any{"command": "echo", "args": []any{"-n", "Hello World!!!"}})
	require.NoError(t, err)
	require.Equal(t, "Hello World!!!", out["stdout"])
	require.Equal(t, []any{"Hello World!!!"}, out["stdoutLines"])
	require.Equal(t, "", out["stderr"])
	require.Equal(t, []any{}, out["stderrLines"])
	require.Equal(t, false, out["truncated"])
	require.Equal(t, "Hello World!!!", r.Stdout.String())
}

func TestRealPathsAreShownUnderTheirAlias(t *testing.T) {
	c, r := moduletest.Call(t)
	c.Exec = &proc.Local{}
	c.Env = append(c.Env, "OUT=/home/workspace/out")
	script := `pwd; echo "$OUT"; mkdir -p "$OUT" && echo hi > "$OUT/a.txt"; echo "$1" >&2; ls /home/workspace/out 2>/dev/null; exit 0`
	out, err := shell.Module.Run(t.Context(), c, map[string]any{"command": "sh", "args": []any{"-c", script, "sh", "/home/workspace/in"}})
	require.NoError(t, err)
	require.Equal(t, []any{"/home/workspace", "/home/workspace/out", "a.txt"}, out["stdoutLines"])
	require.Equal(t, "/home/workspace/in\n", out["stderr"])
	require.Equal(t, "/home/workspace/in\n", r.Stderr.String())
	got, err := c.Workspace.ReadFile("out/a.txt")
	require.NoError(t, err)
	require.Equal(t, "hi\n", string(got))
}

func TestAFailureNamesTheCodeAndTheLastLine(t *testing.T) {
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  string
	}{
		{"silent", map[string]any{"command": "false"}, "false exited with code 1"},
		{"with a reason", map[string]any{"command": "sh", "args": []any{"-c", "echo one >&2; echo no mesh >&2; echo; exit 3"}}, "sh exited with code 3: no mesh"},
		{"by signal", map[string]any{"command": "sh", "args": []any{"-c", "kill -KILL $$"}}, `sh was ended by signal "killed"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := moduletest.Call(t)
			c.Exec = &proc.Local{}
			out, err := shell.Module.Run(t.Context(), c, tt.props)
			require.EqualError(t, err, tt.want)
			require.Equal(t, fault.Unknown, fault.Of(err), "another try may help")
			require.Nil(t, out)
		})
	}
}

func TestAMissingProgramIsASentence(t *testing.T) {
	c, _ := moduletest.Call(t)
	c.Exec = &proc.Local{}
	_, err := shell.Module.Run(t.Context(), c, map[string]any{"command": "no-such-tool", "args": []any{"-v"}})
	require.EqualError(t, err, `program "no-such-tool" is not found; install it or give its path`)
	require.Equal(t, fault.Permanent, fault.Of(err))
	_, err = shell.Module.Run(t.Context(), c, map[string]any{"command": "ls -l"})
	require.EqualError(t, err, `program "ls -l" is not found; put its arguments under args`)
}

func TestAProgramInTheWorkspaceRunsByItsAlias(t *testing.T) {
	c, r := moduletest.Call(t)
	r.OnRun = func(context.Context, proc.Cmd) (proc.Exit, error) { return proc.Exit{}, fs.ErrNotExist }
	_, err := shell.Module.Run(t.Context(), c, map[string]any{"command": "/home/workspace/bin/tool"})
	require.ErrorContains(t, err, `program "/home/workspace/bin/tool" is not found`)
	require.Equal(t, filepath.Join(c.Workspace.Real(), "bin/tool"), r.Argv(t)[0])
}

func TestTheOutputKeepsOneMebibyteAndStreamsAll(t *testing.T) {
	c, r := moduletest.Call(t)
	line := strings.Repeat("x", 1023) + "\n"
	r.OnRun = func(_ context.Context, c proc.Cmd) (proc.Exit, error) {
		for range 9 << 10 {
			_, err := io.WriteString(c.Stdout, line)
			if err != nil {
				return proc.Exit{}, err
			}
		}
		return proc.Exit{Stats: proc.Stats{Elapsed: time.Second, MaxMem: 7}}, nil
	}
	out, err := shell.Module.Run(t.Context(), c, map[string]any{"command": "flood"})
	require.NoError(t, err)
	require.Equal(t, 1<<20, len(out["stdout"].(string)))
	require.Equal(t, true, out["truncated"])
	require.Equal(t, 9<<20, len(r.Stdout.String()))
	require.Equal(t, map[string]any{"maxcpu": int64(0), "maxmem": int64(7), "elapsed": int64(1000)}, out["stats"])
}

func TestItEndsWithItsContext(t *testing.T) {
	c, _ := moduletest.Call(t)
	c.Exec = &proc.Local{}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("lease lost"))
	defer cancel()
	_, err := shell.Module.Run(ctx, c, map[string]any{"command": "sleep", "args": []any{"60"}})
	require.ErrorContains(t, err, "run sleep: ")
	require.ErrorContains(t, err, "lease lost")
}
