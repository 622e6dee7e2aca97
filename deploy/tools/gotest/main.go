// Command gotest runs `go test -json` with its arguments and prints what a person, and CI, want to read: a line a
// package, the whole output of what failed, why each skipped test was skipped, what passing tests logged after "figure: ",
// and at last, alone on its line,
//
//	120 passed, 0 failed, 2 skipped
//
// Sub-tests count like tests. It fails when a test fails, when there is none, and with -strict when a test is skipped
// that a machine with everything installed could have run.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	strict := flag.Bool("strict", false, "fail on a skip that names neither `make gpu` nor `make e2e`")
	flag.Parse()
	green, err := run(os.Stdout, os.Stderr, *strict, flag.Args())
	if err != nil {
		fmt.Fprintf(os.Stderr, "gotest: %v\n", err)
	}
	if !green {
		os.Exit(1)
	}
}

// run says whether all is as it should be; where it is not, the report or the error says why.
func run(stdout, stderr io.Writer, strict bool, args []string) (green bool, err error) {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return false, fmt.Errorf("open the output of go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start go test: %w", err)
	}
	r := newReport(stdout)
	readErr := r.read(events)
	waitErr := cmd.Wait()
	green = r.close(strict) && readErr == nil && waitErr == nil
	if _, exited := errors.AsType[*exec.ExitError](waitErr); exited {
		waitErr = nil // the report says what failed
	}
	if err := errors.Join(readErr, waitErr); err != nil {
		return false, fmt.Errorf("run go test: %w", err)
	}
	return green, nil
}
