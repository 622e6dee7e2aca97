// Package debug is the Debug module.
package debug

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/show"
)

// Module is Debug, as a task and as a callback.
var Module = modules.Define(modules.Spec{
	Name:    "Debug",
	Summary: "Prints a variable or a message, for the author of a pipeline to look at.",
	Example: "- module: Debug\n  props: {var: state, format: yaml}",
	Plugin:  map[string]any{"message": show.Event},
}, run)

// Props are what a task writes under props.
type Props struct {
	Var     any    `json:"var,omitzero" doc:"Variable to print, as a dotted path without braces; task is the current task and state all variables."`
	Message any    `json:"message,omitzero" aliases:"msg" peers:"true" doc:"Text to print; it comes before the variable."`
	Format  string `json:"format" enum:"raw,json,yaml" default:"raw" doc:"How to print it."`
}

// Validate wants something to print.
func (p *Props) Validate() error {
	if p.Var == nil && p.Message == nil {
		return errors.New(`prop "var" is missing; name a variable, or give "message"`)
	}
	return nil
}

// Output is what register stores.
type Output struct {
	Var     any    `json:"var" doc:"The variable that was asked for."`
	Message any    `json:"message" doc:"The message."`
	Format  string `json:"format" doc:"The format."`
	Value   any    `json:"value" doc:"The variable's value; null where there is none."`
}

func run(_ context.Context, c *modules.Call, p Props) (Output, error) {
	out := Output{Var: p.Var, Message: p.Message, Format: p.Format}
	if p.Message != nil {
		if err := print(c.Stdout, p.Message, p.Format); err != nil {
			return Output{}, err
		}
	}
	if p.Var == nil {
		return out, nil
	}
	name, ok := p.Var.(string)
	if !ok {
		out.Value = p.Var // it was written with braces: this is the value itself
		return out, print(c.Stdout, out.Value, p.Format)
	}
	if out.Value, ok = c.State.Get(name); !ok {
		return out, print(c.Stdout, name+" is not defined", show.Raw)
	}
	return out, print(c.Stdout, out.Value, p.Format)
}

func print(w io.Writer, v any, format string) error {
	text, err := show.Text(v, format)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
