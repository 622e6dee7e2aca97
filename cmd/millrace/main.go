// Command millrace turns messages into finished jobs. See `millrace help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/gltfpack"
	"github.com/millrace/millrace/worker/gateway/client"
)

// version is set at link time.
var version = "dev"

// processStart is when this process began, as near as a Go program can say.
var processStart = time.Now()

func sinceStart() time.Duration { return time.Since(processStart).Round(time.Microsecond) }

func main() {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		os.Exit(childMain()) // before anything that costs start-up time
	}
	if len(os.Args) == 3 && os.Args[1] == compileCommand {
		os.Exit(exitCode(gltfpack.Compile(context.Background(), os.Args[2])))
	}
	cmd := newRoot(version)
	cmd.SetArgs(withRun(cmd, os.Args[1:]))
	os.Exit(exitCode(cmd.ExecuteContext(context.Background())))
}

// Exit codes, documented in `millrace help`.
const (
	exitFailed      = 1   // the job failed, or what was given can't be read or is invalid
	exitUsage       = 2   // the command line is wrong
	exitMissing     = 3   // a queue or bucket does not exist
	exitDenied      = 4   // a service refuses the credentials, or they lack a permission
	exitUnreachable = 5   // a service does not answer
	exitGPULost     = 6   // the worker has no GPU that works
	exitStopped     = 130 // stopped by a signal
)

// A codeError ends the program with a code of its own. An empty text prints nothing: it was said already.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// errSaid is an error that its command has already told.
var errSaid = errors.New("")

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if err.Error() != "" {
		fmt.Fprintln(os.Stderr, "millrace: "+strings.ReplaceAll(err.Error(), "\n", "\nmillrace: "))
	}
	if e, ok := errors.AsType[*codeError](err); ok {
		return e.code
	}
	if errors.Is(err, sdk.ErrNoRegion) {
		return exitUsage
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		return gatewayCode(e)
	}
	if e, ok := errors.AsType[*cloud.Error](err); ok {
		return refusalCode(e.Why)
	}
	return exitFailed
}

// refusalCode is the exit code for what a cloud service did not do.
func refusalCode(w cloud.Why) int {
	switch w {
	case cloud.Missing:
		return exitMissing
	case cloud.Denied, cloud.Locked, cloud.Skewed:
		return exitDenied
	case cloud.Unreachable, cloud.Throttled:
		return exitUnreachable
	}
	return exitFailed
}
