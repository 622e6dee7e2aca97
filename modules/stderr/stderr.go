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

// Output is what register stores.
type Output struct {
	Stderr string   `json:"stderr" doc:"What was printed, without the newline at its end."`
	Lines  []string `json:"lines" doc:"The same, split at newlines."`
}

func run(_ context.Context, c *modules.Call, m show.Message) (Output, error) {
	text, lines, err := m.Print(c.Stderr)
	return Output{Stderr: text, Lines: lines}, err
}
