package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func newRoot(version string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "millrace",
		Short: "Turns messages into finished 3D models, images, video and inference results",
		Long: `Millrace takes messages off a queue, runs the YAML pipelines they name, publishes
the results, posts a signed callback and acknowledges. On one machine it brings
its own queue and store: a folder, .millrace, and nothing to install.

Exit codes: 0 done · 1 the job failed, or a file is unreadable or invalid ·
2 the command line is wrong · 3 a queue or bucket does not exist · 4 a service
refuses the credentials · 5 a service does not answer · 6 a worker has no GPU
that works · 130 stopped by a signal.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &codeError{exitUsage, fmt.Errorf("%w (see `%s --help`)", err, c.CommandPath())}
	})
	cmd.AddCommand(newRunCmd(), newWorkCmd(), newGatewayCmd(), newJobsCmd(), newFilesCmd(), newLintCmd(), newRenderCmd(), newGraphCmd(), newPipelinesCmd(), newRouteCmd(), newTestCmd(), newModulesCmd(), newModelsCmd(), newSchemaCmd(), newGenCmd(), newDemoCmd(), newVersionCmd(version), newQueueCmd(), newDLQCmd(), newCallbacksCmd(), newDoctorCmd(), newGPUCmd(), newScalerCmd())
	return group(cmd)
}

// withRun makes the word `run` optional, as it was in the ModelOps handler: `millrace -i yaml -f job.yaml`, and
// `millrace job.yaml`.
func withRun(cmd *cobra.Command, args []string) []string {
	if len(args) == 0 {
		return args
	}
	first := args[0]
	switch first {
	case "-h", "--help", "-v", "--version", "help", "completion", "__complete", "__completeNoDesc":
		return args
	}
	if c, _, err := cmd.Find(args); err == nil && c != cmd {
		return args
	}
	if strings.HasPrefix(first, "-") || looksLikeFile(first) || isPipeline(first) {
		return append([]string{"run"}, args...)
	}
	return args
}

// isPipeline says whether a first argument is meant to be run.
func isPipeline(arg string) bool {
	if info, err := os.Stat(arg); err == nil {
		return info.Mode().IsRegular()
	}
	_, _, _, err := newCatalogue("").Document(arg)
	return err == nil
}

// usage makes an error of the command line's.
func usage(format string, args ...any) error {
	return &codeError{exitUsage, fmt.Errorf(format, args...)}
}

// args refuses a wrong number of arguments as a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, a []string) error {
		if err := check(c, a); err != nil {
			return usage("%w (see `%s --help`)", err, c.CommandPath())
		}
		return nil
	}
}

// A stopSignal is the cause of a context that a signal ended.
type stopSignal struct{ sig os.Signal }

func (s *stopSignal) Error() string { return "signal: " + s.sig.String() }

// signals returns a context that ends with the first SIGTERM or SIGINT, and one that ends with the second.
func signals(ctx context.Context) (soft, hard context.Context, stop func()) {
	soft, endSoft := context.WithCancelCause(ctx)
	hard, endHard := context.WithCancelCause(ctx)
	c := make(chan os.Signal, 2)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for _, end := range []context.CancelCauseFunc{endSoft, endHard} {
			select {
			case sig := <-c:
				end(&stopSignal{sig})
			case <-done:
				return
			}
		}
	}()
	return soft, hard, func() {
		signal.Stop(c)
		close(done)
		<-ended
		endSoft(nil)
		endHard(nil)
	}
}

func stoppedBySignal(ctx context.Context) bool {
	_, ok := errors.AsType[*stopSignal](context.Cause(ctx))
	return ok
}
