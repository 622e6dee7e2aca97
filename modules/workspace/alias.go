package workspace

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Show returns the name a person knows a real path by: the alias in place of the folder.
func (d *Dir) Show(real string) string {
	for _, base := range []string{d.real, d.given} {
		if rel, ok := under(base, real); ok {
			return filepath.Join(d.alias, rel)
		}
	}
	return real
}

// Alias replaces the real folder by its alias wherever it stands as a path in s: in what a tool printed.
func (d *Dir) Alias(s string) string {
	return swap(swap(s, d.real, d.alias), d.given, d.alias)
}

// Unalias replaces the alias by the real folder wherever it stands as a path in s: in arguments and options for a
// tool. It does not check where such a path leads; Path does.
func (d *Dir) Unalias(s string) string { return swap(s, d.alias, d.real) }

// swap replaces from by to at path boundaries, except where to stands already (one may contain the other).
func swap(s, from, to string) string {
	if from == to || !strings.Contains(s, from) {
		return s
	}
	var b strings.Builder
	done := 0
	for at := 0; at < len(s); {
		i := strings.Index(s[at:], from)
		if i < 0 {
			break
		}
		i += at
		end := i + len(from)
		if strings.HasPrefix(to, from) && standsAt(s, to, i) {
			at = i + len(to)
			continue
		}
		if standsAt(s, from, i) {
			b.WriteString(s[done:i])
			b.WriteString(to)
			done = end
		}
		at = end
	}
	b.WriteString(s[done:])
	return b.String()
}

// standsAt says whether path is at s[i:] and neither continues a longer name nor is continued by one.
func standsAt(s, path string, i int) bool {
	if !strings.HasPrefix(s[i:], path) {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	if i > 0 && (inName(before) || before == '.' || before == '-') {
		return false
	}
	rest := s[i+len(path):]
	after, size := utf8.DecodeRuneInString(rest)
	if after == '.' || after == '-' {
		following, _ := utf8.DecodeRuneInString(rest[size:])
		return after == '.' && !inName(following)
	}
	return rest == "" || !inName(after)
}

func inName(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// maxHeld is how much of an unfinished line an AliasWriter keeps back, in bytes.
const maxHeld = 64 << 10

// An AliasWriter passes text on line by line with the real folder replaced by its alias.
type AliasWriter struct {
	dir  *Dir
	to   io.Writer
	held []byte // an unfinished line
}

// AliasWriter returns a writer for what a tool prints. Call Flush when the tool is gone. A line longer than 64 KiB is
// passed on in pieces; a path that lies across two of them is not replaced.
func (d *Dir) AliasWriter(to io.Writer) *AliasWriter { return &AliasWriter{dir: d, to: to} }

func (w *AliasWriter) Write(p []byte) (int, error) {
	w.held = append(w.held, p...)
	whole := bytes.LastIndexByte(w.held, '\n') + 1
	if len(w.held)-whole > maxHeld {
		whole = len(w.held)
	}
	if whole == 0 {
		return len(p), nil
	}
	err := w.pass(w.held[:whole])
	w.held = append(w.held[:0], w.held[whole:]...)
	return len(p), err
}

// Flush passes on a last line that has no end.
func (w *AliasWriter) Flush() error {
	if len(w.held) == 0 {
		return nil
	}
	err := w.pass(w.held)
	w.held = nil
	return err
}

func (w *AliasWriter) pass(text []byte) error {
	_, err := io.WriteString(w.to, w.dir.Alias(string(text)))
	return err
}
