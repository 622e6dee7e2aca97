//go:build !linux

package launch_test

import (
	"context"
	"errors"

	"github.com/millrace/millrace/pipelines/engine"
	"github.com/millrace/millrace/worker/launch"
)

func useDevices(string) map[string]any { return nil }

func runHolding(context.Context, *launch.Request, string, *engine.Run) error {
	return errors.ErrUnsupported
}
