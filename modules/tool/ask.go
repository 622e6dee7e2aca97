package tool

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/proc"
)

const (
	askTimeout = 10 * time.Second // for a program to tell its version
	askAgain   = time.Minute      // after which a program that said nothing is asked again
	maxAnswer  = 64 << 10         // bytes of what it prints that are read
)

// An answer is what came of asking a program for its version.
type answer struct {
	version string
	reason  string    // why it is not the tool; empty: it is
	until   time.Time // when it has to be asked again; zero: never, for it has said so itself
}

// ask returns a program's version, or why it is not the tool. A file that did not change is asked once, or every askAgain
// where something kept it from an answer, which may pass.
func (s *Set) ask(ctx context.Context, t Tool, runner, path string) (version, reason string) {
	id, err := identify(t, runner, path)
	if err != nil {
		return "", explain(path, err)
	}
	// Held while a program is asked: others that want to know of it wait for its answer.
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.asked[id]; ok && (a.until.IsZero() || time.Now().Before(a.until)) {
		return a.version, a.reason
	}
	a := s.question(ctx, t, runner, path)
	if ctx.Err() != nil {
		return "", "" // it was not given the time to answer
	}
	if s.asked == nil {
		s.asked = map[identity]answer{}
	}
	s.asked[id] = a
	return a.version, a.reason
}

func (s *Set) question(ctx context.Context, t Tool, runner, path string) answer {
	pattern, err := regexp.Compile(t.Pattern)
	if err != nil || pattern.NumSubexp() != 1 {
		panic(fmt.Sprintf("tool %s: pattern %q must be a regular expression with one group", t.Name, t.Pattern))
	}
	start, args := Found{Path: path, Runner: runner}.Command()
	bounded, cancel := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("it does not answer within %v", askTimeout))
	defer cancel()
	var said bytes.Buffer
	l := s.Exec
	if l == nil {
		l = new(proc.Local)
	}
	// The exit code says nothing: some programs print their version and fail.
	exit, err := l.Run(bounded, proc.Cmd{
		Path: start, Args: append(append([]string(nil), t.Version...), args...), Env: []string{"PATH=" + s.Path, "LANG=C.UTF-8"},
		Dir: "/", Stdout: &said, Stderr: &said,
	})
	if err == nil && exit.Signal != "" {
		err = fmt.Errorf("it was ended by a signal: %s", exit.Signal)
	}
	if err != nil {
		return answer{reason: fmt.Sprintf("%s does not tell its version (%v)", path, err), until: time.Now().Add(askAgain)}
	}
	m := pattern.FindSubmatch(said.Next(maxAnswer))
	switch {
	case m == nil:
		return answer{reason: fmt.Sprintf("%s is another program: asked for its version, it does not say that it is %s", path, t.Name)}
	case older(string(m[1]), t.Least):
		return answer{reason: fmt.Sprintf("%s has version %s, and %s is the least that will do", path, m[1], t.Least)}
	}
	return answer{version: string(m[1])}
}

// older says whether version a comes before version b, number by number; what is no number separates them.
func older(a, b string) bool {
	left, right := numbers(a), numbers(b)
	for i, n := range right {
		if i == len(left) {
			return true
		}
		if left[i] != n {
			return left[i] < n
		}
	}
	return false
}

func numbers(version string) []int {
	var all []int
	for _, digits := range strings.FieldsFunc(version, func(r rune) bool { return r < '0' || r > '9' }) {
		n, err := strconv.Atoi(digits)
		if err != nil {
			return all // a number of more digits than any version has
		}
		all = append(all, n)
	}
	return all
}
