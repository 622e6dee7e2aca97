// Package stderr is the StdErr module.
package stderr

import (
	"context"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/show"
)

// Module is StdErr, as a task and as a callback.
var Module = modules.Define(modules.Spec{
	Name:    "StdErr",
	Summary: "Prints a message to standard error.",
	Example: "- module: StdErr\n  props: {message: the texture is missing}",
	Plugin:  map[string]any{"message": show.Event},
}, run)

// Props are what a task writes under props.
type Props show.Message

// Validate wants something to print.
func (p *Props) Validate() error {
	if p.Message == nil && p.Metadata == nil {
		return &modules.PropError{Problems: []modules.Problem{{Path: "message", Msg: `prop "message" is missing`, Also: []string{"metadata"}}}}
	}
	return nil
}

// Output is what register stores.
type Output struct {
	Stderr string   `json:"stderr" doc:"What was printed, without the newline at its end."`
	Lines  []string `json:"lines" doc:"The same, split at newlines."`
}

func run(_ context.Context, c *modules.Call, p Props) (Output, error) {
	text, lines, err := show.Message(p).Print(c.Stderr)
	return Output{Stderr: text, Lines: lines}, err
}
