package proc_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
)

func TestAFloodIsCutAndTakesNoMemory(t *testing.T) {
	lines, last := 0, ""
	out := proc.NewLines(func(line []byte) { lines, last = lines+1, string(line) }, proc.LineLimits{Lines: -1})
	c := self(t, "flood")
	c.Stdout = out
	before := proc.TreeRSS(os.Getpid())
	exit, err := new(proc.Local).Run(t.Context(), c)
	out.Flush()
	require.NoError(t, err)
	require.Equal(t, 0, exit.Code, "the program is neither blocked nor killed")
	require.Greater(t, lines, 100_000)
	require.Equal(t, "[output cut after 8388608 bytes]", last)
	require.Less(t, proc.TreeRSS(os.Getpid())-before, int64(32<<20))
}

func TestAnEndlessLineIsCut(t *testing.T) {
	var lines []string
	out := proc.NewLines(func(line []byte) { lines = append(lines, string(line)) }, proc.LineLimits{})
	c := self(t, "endless")
	c.Stdout = out
	_, err := new(proc.Local).Run(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, lines, 2)
	require.Len(t, strings.TrimSuffix(lines[0], " … [line cut after 65536 bytes]"), 65536)
	require.Equal(t, "[output cut after 8388608 bytes]", lines[1])
}

func TestBinaryOutputBecomesText(t *testing.T) {
	var lines []string
	out := proc.NewLines(func(line []byte) { lines = append(lines, string(line)) }, proc.LineLimits{Line: 8})
	c := self(t, "garbage")
	c.Stdout = out
	_, err := new(proc.Local).Run(t.Context(), c)
	require.NoError(t, err)
	out.Flush()
	require.Equal(t, []string{`\x00\xff\xfe\x80a` + "\x1b" + `\x07 … [line cut after 8 bytes]`}, lines)
}

func TestOutputIsPassedOnUpToTheLimit(t *testing.T) {
	var out bytes.Buffer
	c := self(t, "garbage")
	c.Stdout = &out
	_, err := (&proc.Local{MaxOutput: 100}).Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "\n[output cut after 100 bytes]\n", out.String()[100:])

	out.Reset()
	_, err = (&proc.Local{MaxOutput: -1}).Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, 1<<20, out.Len())
}

func TestAReceiverThatFailsIsReportedAndDoesNotBreakTheProgram(t *testing.T) {
	r, w := io.Pipe()
	require.NoError(t, r.Close())
	c := self(t, "garbage")
	c.Stdout = w
	exit, err := new(proc.Local).Run(t.Context(), c)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.Equal(t, 0, exit.Code)
}
