package proc

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

const (
	// DefaultMaxLine and DefaultMaxTotal are what Lines uses where LineLimits does not say, in bytes.
	DefaultMaxLine  = 64 << 10
	DefaultMaxTotal = 8 << 20
	// DefaultMaxLines is the same in lines. Each one costs whoever gets it more than its bytes: `yes` fits four
	// million into DefaultMaxTotal.
	DefaultMaxLines = 100_000
)

// LineLimits bound what Lines passes on. Line and Total count bytes as the program wrote them.
type LineLimits struct {
	Line  int   // of one line; 0 is DefaultMaxLine
	Total int64 // of the stream; 0 is DefaultMaxTotal, negative is no limit
	Lines int   // number of them; 0 is DefaultMaxLines, negative is no limit
}

// Lines is an io.Writer that splits a stream into lines that are fit to be shown: valid UTF-8
// without control characters (tab and escape stay), of bounded length and number. Its memory is one
// line, however much is written. A line ends at "\n", "\r\n" or "\r" (progress bars).
//
// What is over a limit is dropped behind a marker: " … [line cut after N bytes]" at the end of the
// line, "[output cut after N bytes]" or "[output cut after N lines]" as the last line.
//
// One goroutine may write at a time.
type Lines struct {
	emit    func(line []byte)
	limits  LineLimits
	buf     []byte // the line so far, at most limits.Line bytes
	out     []byte // scratch for emit
	pending bool   // a line has begun
	over    bool   // it is longer than limits.Line
	skipLF  bool   // the last byte was "\r"
	seen    int64  // bytes taken in
	lines   int    // emitted
	dropped int64  // bytes after a limit was reached
	cut     bool   // a limit was reached
}

// NewLines returns Lines that call emit for each line, without its end. The slice is emit's until it
// returns.
func NewLines(emit func(line []byte), limits LineLimits) *Lines {
	if limits.Line <= 0 {
		limits.Line = DefaultMaxLine
	}
	if limits.Total == 0 {
		limits.Total = DefaultMaxTotal
	}
	if limits.Lines == 0 {
		limits.Lines = DefaultMaxLines
	}
	return &Lines{emit: emit, limits: limits}
}

// Write takes all of p and never fails.
func (l *Lines) Write(p []byte) (int, error) {
	n := len(p)
	if l.cut {
		l.dropped += int64(n)
		return n, nil
	}
	room := n
	if l.limits.Total >= 0 {
		room = int(min(int64(n), l.limits.Total-l.seen))
	}
	l.seen += int64(room)
	switch left := l.take(p[:room]); {
	case left > 0:
		l.cutOff(fmt.Sprintf("[output cut after %d lines]", l.limits.Lines), left+n-room)
	case room < n:
		l.Flush()
		l.cutOff(cutMarker(l.limits.Total), n-room)
	}
	return n, nil
}

// cutOff ends the stream with a marker; dropped bytes have come after it already.
func (l *Lines) cutOff(marker string, dropped int) {
	l.cut, l.dropped = true, int64(dropped)
	l.emit([]byte(marker))
}

// Flush emits the line that has begun, if any. Call it when the stream has ended.
func (l *Lines) Flush() {
	if l.pending {
		l.end()
	}
}

// Dropped returns how many bytes were discarded after a limit was reached.
func (l *Lines) Dropped() int64 { return l.dropped }

// take splits p into lines. It returns how many bytes of p are left because there are lines enough.
func (l *Lines) take(p []byte) (left int) {
	if l.skipLF && len(p) > 0 {
		l.skipLF = false
		if p[0] == '\n' {
			p = p[1:]
		}
	}
	for len(p) > 0 {
		if l.lines == l.limits.Lines {
			return len(p)
		}
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			l.extend(p)
			return 0
		}
		l.extend(p[:i])
		l.end()
		if p[i] == '\r' && i+1 == len(p) {
			l.skipLF = true
		}
		if p[i] == '\r' && i+1 < len(p) && p[i+1] == '\n' {
			i++
		}
		p = p[i+1:]
	}
	return 0
}

// extend adds p to the line as far as there is room.
func (l *Lines) extend(p []byte) {
	l.pending = l.pending || len(p) > 0
	room := l.limits.Line - len(l.buf)
	if len(p) > room {
		l.over = true
		p = p[:room]
	}
	l.buf = append(l.buf, p...)
}

func (l *Lines) end() {
	line := l.buf
	if l.over {
		line = line[:wholeRunes(line)]
	}
	l.out = appendPrintable(l.out[:0], line)
	if l.over {
		l.out = fmt.Appendf(l.out, " … [line cut after %d bytes]", l.limits.Line)
	}
	l.buf, l.pending, l.over = l.buf[:0], false, false
	l.lines++
	l.emit(l.out)
}

// wholeRunes is the length of b without the beginning of a character at its end.
func wholeRunes(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax+1; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}

// appendPrintable appends line to dst with what is not text written as \xNN.
func appendPrintable(dst, line []byte) []byte {
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		control := (r < ' ' && r != '\t' && r != '\x1b') || r == '\x7f'
		if control || (r == utf8.RuneError && n == 1) {
			dst = fmt.Appendf(dst, `\x%02x`, line[0])
		} else {
			dst = append(dst, line[:n]...)
		}
		line = line[n:]
	}
	return dst
}
