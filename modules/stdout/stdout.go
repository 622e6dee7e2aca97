// Package stdout is the StdOut module.
package stdout

import (
	"context"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/show"
)

// Module is StdOut, as a task and as a callback.
var Module = modules.Define(modules.Spec{
	Name:    "StdOut",
	Summary: "Prints a message to standard output.",
	Example: "- module: StdOut\n  props:\n    message: the model is ready\n    metadata: {triangles: 1200}",
	Plugin:  map[string]any{"message": show.Event},
}, run)

// Output is what register stores.
type Output struct {
	Stdout string   `json:"stdout" doc:"What was printed, without the newline at its end."`
	Lines  []string `json:"lines" doc:"The same, split at newlines."`
}

func run(_ context.Context, c *modules.Call, m show.Message) (Output, error) {
	text, lines, err := m.Print(c.Stdout)
	return Output{Stdout: text, Lines: lines}, err
}
