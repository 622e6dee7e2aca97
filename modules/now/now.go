// Package now is the Now module.
package now

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/modules"
)

// Module is Now, as a task and as a callback.
var Module = modules.Define(modules.Spec{
	Name:    "Now",
	Summary: "Stores the current time in the state, to measure durations with.",
	Example: "- module: Now\n  props: {key: __start__}",
}, run)

// Props are what a task writes under props.
type Props struct {
	Key string `json:"key" doc:"Variable that gets the time."`
}

// Validate refuses keys that no template could read back.
func (p *Props) Validate() error {
	if strings.ContainsAny(p.Key, ". \t\n") {
		return fmt.Errorf("prop \"key\" is %q, which is no variable name; use letters, digits and underscores", p.Key)
	}
	if slices.Contains([]string{"state", "env", "task", "job"}, p.Key) {
		return fmt.Errorf("prop \"key\" is %q, which is built in; choose another name", p.Key)
	}
	return nil
}

// Output is what register stores.
type Output struct {
	Key string `json:"key" doc:"The variable."`
	Now string `json:"now" doc:"The time: RFC 3339 with nanoseconds, UTC."`
}

func run(_ context.Context, c *modules.Call, p Props) (Output, error) {
	stamp := time.Now().UTC().Format(time.RFC3339Nano)
	c.State.Set(p.Key, stamp)
	return Output{Key: p.Key, Now: stamp}, nil
}
