package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/pipelines/report"
	"github.com/millrace/millrace/worker/launch"
	"github.com/millrace/millrace/worker/queue"
)

// maxSlots is far more than one machine can use, and far less than what exhausts it at the start.
const maxSlots = 1024

// complete fills in what depends on the machine and refuses what can't work, all at once.
func (c *workConfig) complete(from func(string) string) []error {
	errs := slices.Concat(c.placeConfig.complete(from), c.checkBounds(from), c.checkPaths(from), c.callbackConfig.complete(from),
		c.fitConfig.complete(from), c.payloadConfig.complete(from), c.routesConfig.complete(from), c.toolsConfig.complete(from), c.modelsConfig.complete(&c.cloudConfig, from), c.accessConfig.complete(from),
		c.admissionConfig.complete(from), c.keepConfig.check(from, c.store), c.warmConfig.complete(c.Isolation, from), c.checkCallback(from))
	for _, set := range []struct {
		flag, value string
		of          []string
	}{
		{"gpu", c.GPU, []string{gpuAuto, gpuOff}},
		{"gpu-lost", c.GPULost, []string{gpuLostExit, gpuLostStay}},
		{"isolation", c.Isolation, []string{"job", "pipeline", "none"}},
		{"queue-order", c.Order, []string{string(queue.Weighted), string(queue.Strict)}},
		{"inline", c.Inline, []string{"auto", "on", "off"}},
		{"report", c.Report, []string{string(report.Auto), string(report.Always), string(report.Never)}},
		{"shell", c.Shell, []string{"auto", launch.ShellAll, launch.ShellCatalogue, launch.ShellNone}},
	} {
		if !slices.Contains(set.of, set.value) {
			errs = append(errs, fmt.Errorf("%s: %q is none of %s", from(set.flag), set.value, strings.Join(set.of, ", ")))
		}
	}
	for _, ref := range c.classes {
		if ref.kind == kindCOS && c.COSEndpoint == "" {
			errs = append(errs, c.checkCOS(from)...)
			break
		}
	}
	var err error
	if c.Wake, err = checkAddress(c.Wake); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", from("wake"), err))
	}
	if c.Status, err = checkAddress(c.Status); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", from("status"), err))
	}
	c.trust()
	if c.Slots == 0 {
		c.Slots = runtime.NumCPU()
	}
	if c.Name == "" {
		c.Name, _ = os.Hostname() // an empty name is a name
	}
	if c.memoryAlone = int64(c.JobMemory); c.JobMemory == 0 {
		c.memoryAlone = memoryLimit() / 5 * 4
		c.JobMemory = size(c.memoryAlone / int64(c.Slots))
	}
	return errs
}

// trust says what the messages' authors may do where the operator does not: all of it where only the owner of a file
// can send any.
func (c *workConfig) trust() {
	inline, shell := "off", launch.ShellCatalogue
	if c.embedded() {
		inline, shell = "on", launch.ShellAll
	}
	if c.Inline == "auto" {
		c.Inline = inline
	}
	if c.Shell == "auto" {
		c.Shell = shell
	}
}

func (c *workConfig) checkBounds(from func(string) string) (errs []error) {
	for _, b := range []struct {
		flag string
		ok   bool
		must string
		got  any
	}{
		{"slots", c.Slots <= maxSlots, fmt.Sprintf("0 to %d", maxSlots), c.Slots},
		{"reuse", c.Reuse >= 1, "at least 1", c.Reuse},
		{"max-attempts", c.MaxAttempts >= 1 && c.MaxAttempts <= 20, "1 to 20", c.MaxAttempts},
		{"deadline", c.Deadline > 0, "more than 0s", c.Deadline},
		{"visibility", c.Visibility >= time.Second, "at least 1s", c.Visibility},
	} {
		if !b.ok {
			errs = append(errs, fmt.Errorf("%s: must be %s, got %v", from(b.flag), b.must, b.got))
		}
	}
	return errs
}

// checkPaths makes paths absolute; those that are read must be there.
func (c *workConfig) checkPaths(from func(string) string) (errs []error) {
	for i, path := range c.ReadPaths {
		abs, err := filepath.Abs(path)
		if err == nil {
			_, err = os.Stat(abs)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: jobs can't be let read %s: %w", from("read-paths"), path, plainPath(err)))
		}
		c.ReadPaths[i] = abs
	}
	abs, err := filepath.Abs(c.Data)
	c.Data = abs
	return append(errs, errors.Join(append(c.checkCatalogue(c.Pipelines, from), err)...))
}

// checkPipelines refuses a folder of pipelines that can't be read: with a typo in it every named message is buried.
func checkPipelines(dir string, from func(string) string) error {
	if dir == "" {
		return nil
	}
	if isBucket(dir) {
		return fmt.Errorf("%s: this command reads pipelines of a folder, and %s is a bucket; `work`, `jobs run` and `dlq replay` read those", from("pipelines"), dir)
	}
	if _, err := os.ReadDir(dir); err != nil {
		return fmt.Errorf("%s: the folder of pipelines %s can't be read: %w", from("pipelines"), dir, plainPath(err))
	}
	return nil
}

// plainPath is an error about a path without the path, for sentences that name it.
func plainPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// checkReports makes the folder of documents absolute, and parses what reports are made with.
func checkReports(documents *string, from func(string) string) error {
	if *documents == "" {
		return nil
	}
	abs, err := filepath.Abs(*documents)
	if err == nil {
		_, err = os.ReadDir(abs)
	}
	if err != nil {
		return fmt.Errorf("%s: the folder of documents %s can't be read: %w", from("documents"), *documents, plainPath(err))
	}
	*documents = abs
	if err := (report.Config{Documents: abs}).Check(); err != nil {
		return fmt.Errorf("%s: %w", from("documents"), err)
	}
	return nil
}

// checkCallback refuses a callback for every job that nothing could sign.
func (c *workConfig) checkCallback(from func(string) string) []error {
	if c.CallbackURL == "" || len(c.Secrets) > 0 {
		return nil
	}
	return []error{fmt.Errorf("%s: callbacks are signed, so %s must be set too", from("callback-url"), from("callback-secret"))}
}
