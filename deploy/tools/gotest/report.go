package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// An event is one line of `go test -json` (go doc test2json). Build output names an ImportPath, all else a Package.
type event struct {
	Action     string
	ImportPath string
	Package    string
	Test       string
	Output     string
}

// A testID names a test; with an empty test, what a package printed outside of its tests.
type testID struct {
	pkg, test string
}

func (id testID) String() string {
	return strings.TrimSpace(id.pkg + " " + id.test)
}

// A report follows one `go test -json`. Its counts are final after close.
type report struct {
	w       io.Writer
	output  map[testID]*output // of packages and tests that have not ended
	failed  []testID
	skipped []skip
	figures []string
	passed  int
}

// maxOutput bounds what is kept of one test's output, in bytes: the end of it.
const maxOutput = 1 << 20

type output struct {
	text []byte
	cut  int // bytes left out at the front
}

func (o *output) add(line string) {
	o.text = append(o.text, line...)
	if len(o.text) > maxOutput {
		half := len(o.text) / 2
		o.text = slices.Delete(o.text, 0, half)
		o.cut += half
	}
}

type skip struct {
	testID
	reason string
}

// needsMore tells a skip for want of a GPU or a cluster from one that our own machines must not have.
func (s skip) needsMore() bool {
	return strings.Contains(s.reason, "make gpu") || strings.Contains(s.reason, "make e2e")
}

func newReport(w io.Writer) *report {
	return &report{w: w, output: map[testID]*output{}}
}

// read takes events to the end of r. A line that is none is printed as it is.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var ev event
			if json.Unmarshal(line, &ev) != nil {
				fmt.Fprintf(r.w, "%s", line)
			} else {
				r.add(ev)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(ev event) {
	id := testID{ev.Package, ev.Test}
	switch ev.Action {
	case "build-output":
		fmt.Fprint(r.w, ev.Output)
	case "run":
		r.output[id] = new(output)
	case "output":
		r.print(id, ev.Output)
	case "pass":
		if ev.Test != "" {
			r.passed++
		}
		r.keepFigures(id)
		delete(r.output, id)
	case "skip":
		if ev.Test != "" {
			r.skipped = append(r.skipped, skip{id, strings.Join(strings.Fields(r.take(id)), " ")})
		}
		delete(r.output, id)
	case "fail":
		if ev.Test == "" {
			r.failPackage(ev.Package)
		} else {
			r.fail(id)
		}
	}
}

// print keeps a line until it is known whether its test passes. The "ok" of a package is shown at once.
func (r *report) print(id testID, line string) {
	if id.test == "" && strings.HasPrefix(line, "ok ") {
		fmt.Fprint(r.w, line)
		return
	}
	if r.output[id] == nil {
		r.output[id] = new(output)
	}
	r.output[id].add(line)
}

func (r *report) fail(id testID) {
	r.failed = append(r.failed, id)
	fmt.Fprintf(r.w, "--- FAIL: %s\n%s", id, r.take(id))
}

// failPackage ends a package. Tests that are still open died with it (a panic, a timeout, os.Exit), so they failed; where
// no test did, the package itself counts as one failure (it doesn't build, or its TestMain ends badly).
func (r *report) failPackage(pkg string) {
	id := testID{pkg: pkg}
	open := slices.SortedFunc(maps.Keys(r.output), func(a, b testID) int { return cmp.Compare(a.test, b.test) })
	for _, t := range open {
		if t.pkg == pkg && t.test != "" {
			r.fail(t)
		}
	}
	if !slices.ContainsFunc(r.failed, func(t testID) bool { return t.pkg == pkg }) {
		r.failed = append(r.failed, id)
	}
	fmt.Fprint(r.w, r.take(id))
}

// figure marks a line of a passing test that the summary shows: t.Log("figure: conformance: 150/150").
const figure = ": figure: "

func (r *report) keepFigures(id testID) {
	if r.output[id] == nil {
		return
	}
	for line := range strings.Lines(string(r.output[id].text)) {
		if _, text, ok := strings.Cut(line, figure); ok {
			r.figures = append(r.figures, strings.TrimSpace(text))
		}
	}
}

// take ends a test: its output, without the lines that only say when it ran.
func (r *report) take(id testID) string {
	out := r.output[id]
	if out == nil {
		return ""
	}
	delete(r.output, id)
	var text strings.Builder
	if out.cut > 0 {
		fmt.Fprintf(&text, "[%d bytes left out]\n", out.cut)
	}
	for line := range strings.Lines(string(out.text)) {
		verdict := strings.TrimSpace(line)
		if strings.HasPrefix(line, "=== ") || strings.HasPrefix(verdict, "--- FAIL: ") || strings.HasPrefix(verdict, "--- SKIP: ") {
			continue
		}
		text.WriteString(line)
	}
	return text.String()
}

// close prints skips, failures, figures and the counts. It says whether all is as it should be.
func (r *report) close(strict bool) bool {
	green := len(r.failed) == 0
	for _, s := range r.skipped {
		switch {
		case strict && !s.needsMore():
			green = false
			fmt.Fprintf(r.w, "skipped, which CI does not allow: %s: %s\n", s.testID, s.reason)
		default:
			fmt.Fprintf(r.w, "skipped: %s: %s\n", s.testID, s.reason)
		}
	}
	for _, id := range r.failed {
		fmt.Fprintf(r.w, "failed: %s\n", id)
	}
	if r.passed == 0 && len(r.failed) == 0 {
		green = false
		fmt.Fprintln(r.w, "no test ran: name packages that have some, for example ./...")
	}
	for _, text := range r.figures {
		fmt.Fprintln(r.w, text)
	}
	fmt.Fprintf(r.w, "%d passed, %d failed, %d skipped\n", r.passed, len(r.failed), len(r.skipped))
	return green
}
