package proc_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/proc"
)

// linesOf writes the pieces and returns the lines.
func linesOf(limits proc.LineLimits, pieces ...string) []string {
	var lines []string
	l := proc.NewLines(func(line []byte) { lines = append(lines, string(line)) }, limits)
	for _, p := range pieces {
		_, _ = l.Write([]byte(p))
	}
	l.Flush()
	return lines
}

func TestLinesSplitsAStream(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pieces []string
		want   []string
	}{
		{"nothing is no line", []string{""}, nil},
		{"the last line needs no end", []string{"a\nb"}, []string{"a", "b"}},
		{"empty lines count", []string{"\n\na\n"}, []string{"", "", "a"}},
		{"a line may come in pieces", []string{"hel", "lo\nwor", "ld\n"}, []string{"hello", "world"}},
		{"CR LF is one end", []string{"a\r\nb\r\n"}, []string{"a", "b"}},
		{"CR LF may be split", []string{"a\r", "\nb\r", "\n", "\n"}, []string{"a", "b", ""}},
		{"progress bars end in CR", []string{"10%\r20%\r30%\n"}, []string{"10%", "20%", "30%"}},
		{"a split character stays whole", []string{"\xc3", "\xa4\n"}, []string{"ä"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, linesOf(proc.LineLimits{}, tt.pieces...))
		})
	}
}

func TestLinesMakesBinaryPrintable(t *testing.T) {
	require.Equal(t, []string{"a\\x00b\\xff\\xfe \tä\x1b[1m\\x07 \ufffd"},
		linesOf(proc.LineLimits{}, "a\x00b\xff\xfe \tä\x1b[1m\x07 \ufffd"))
}

func TestLinesCutsALongLine(t *testing.T) {
	limits := proc.LineLimits{Line: 8}
	require.Equal(t, []string{"12345678"}, linesOf(limits, "12345678"))
	require.Equal(t, []string{"12345678 … [line cut after 8 bytes]", "next"}, linesOf(limits, "1234567", "89", "0\nnext"))
	require.Equal(t, []string{"1234567 … [line cut after 8 bytes]"}, linesOf(limits, "1234567ä"))
}

func TestLinesCutsALongStream(t *testing.T) {
	limits := proc.LineLimits{Total: 10}
	require.Equal(t, []string{"12345", "789"}, linesOf(limits, "12345\n789\n"))
	require.Equal(t, []string{"12345", "7890", "[output cut after 10 bytes]"}, linesOf(limits, "12345\n789", "0x\ny\n", "z\n"))

	l := proc.NewLines(func([]byte) {}, limits)
	_, _ = l.Write(make([]byte, 25))
	_, _ = l.Write(make([]byte, 5))
	require.EqualValues(t, 20, l.Dropped())
}

func TestLinesCutsAStreamOfManyLines(t *testing.T) {
	limits := proc.LineLimits{Lines: 2}
	require.Equal(t, []string{"a", "b"}, linesOf(limits, "a\nb\r", "\n"))
	require.Equal(t, []string{"a", "b"}, linesOf(limits, "a\nb"))
	require.Equal(t, []string{"a", "b", "[output cut after 2 lines]"}, linesOf(limits, "a\nb\r", "\n\n", "c\n"))

	count := 0
	l := proc.NewLines(func([]byte) { count++ }, proc.LineLimits{Lines: -1})
	_, _ = l.Write(bytes.Repeat([]byte("\n"), 2*proc.DefaultMaxLines))
	require.Equal(t, 2*proc.DefaultMaxLines, count)

	l = proc.NewLines(func([]byte) {}, proc.LineLimits{Lines: 1, Total: 10})
	_, _ = l.Write([]byte("a\nbcdefghijklm"))
	_, _ = l.Write([]byte("no"))
	require.EqualValues(t, 14, l.Dropped())
}

func TestLinesTakesNoMoreMemoryForAnEndlessLine(t *testing.T) {
	lines := 0
	l := proc.NewLines(func([]byte) { lines++ }, proc.LineLimits{Total: -1})
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 1 << 8 {
		_, _ = l.Write(chunk)
	}
	l.Flush()
	runtime.ReadMemStats(&after)
	require.Equal(t, 1, lines)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func FuzzLinesAreTheSameWhereverTheStreamIsSplit(f *testing.F) {
	f.Add("a\r\nb\xc3\xa4\x00\rc\n\n", uint(2))
	f.Add(strings.Repeat("0123456789", 9), uint(31))
	f.Fuzz(func(t *testing.T, in string, at uint) {
		cut := int(at % uint(len(in)+1))
		limits := proc.LineLimits{Line: 16, Total: 64, Lines: 5}
		whole := linesOf(limits, in)
		require.Equal(t, whole, linesOf(limits, in[:cut], in[cut:]))
		require.Equal(t, whole, linesOf(limits, strings.Split(in, "")...))
		for _, line := range whole {
			require.True(t, strings.ToValidUTF8(line, "") == line && !strings.ContainsAny(line, "\x00\n\r"))
		}
	})
}
