// Package template is the Template module.
package template

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/document"
	"github.com/millrace/millrace/modules/fault"
)

// Module is the Template task.
var Module = modules.Define(modules.Spec{
	Name:    "Template",
	Summary: "Writes a file from a template and the state.",
	Example: "- module: Template\n  props:\n    src: templates/page.html\n    dest: outputs/page.html\n    vars: {title: Chair, parts: [seat, legs]}\n  register: page",
}, run)

// Props are what a task writes under props.
type Props struct {
	Src      string         `json:"src,omitzero" doc:"File that holds the template."`
	Template string         `json:"template,omitzero" doc:"The template itself. Pipelines render props first: write it between {% raw %} and {% endraw %}."`
	Dest     string         `json:"dest" aliases:"dst" doc:"File to write; it appears when it is complete."`
	Vars     map[string]any `json:"vars,omitzero" aliases:"data" doc:"What the template sees; without it the pipeline's state."`
	Format   string         `json:"format" enum:"auto,text,html,json,yaml" default:"auto" doc:"How values are written, so that none can break out: auto goes by the end of dest, and asks for a format where that tells none; html is for SVG and XML too."`
	Strict   bool           `json:"strict,omitzero" doc:"A value that nothing defines fails the task; else it is empty."`
}

// Validate checks what the tags can't say.
func (p *Props) Validate() error {
	if (p.Src == "") == (p.Template == "") {
		return &modules.PropError{Problems: []modules.Problem{{
			Path: "src", Msg: `give either prop "src", a file, or prop "template", the text`, Also: []string{"template"},
		}}}
	}
	return nil
}

// Output is what register stores.
type Output struct {
	modules.ToolOutput
}

func run(ctx context.Context, c *modules.Call, p Props) (Output, error) {
	measured := modules.Measure()
	name, source, err := read(c, p)
	if err != nil {
		return Output{}, err
	}
	format := document.Format(p.Format)
	if p.Format == "auto" {
		var ok bool
		if format, ok = document.FormatOf(p.Dest); !ok {
			return Output{}, fault.As(fault.Permanent, fmt.Errorf("the end of dest %s does not tell how values are written; say format: text, html (for XML too), json or yaml", p.Dest))
		}
	}
	t, err := document.Parse(name, format, source)
	if err != nil {
		return Output{}, fault.As(fault.Permanent, err)
	}
	t.Strict = p.Strict
	text, err := t.Execute(ctx, vars(c, p))
	if ctx.Err() != nil {
		return Output{}, context.Cause(ctx)
	}
	if err != nil {
		return Output{}, fault.As(fault.Permanent, err)
	}
	err = c.Workspace.Replace(p.Dest, func(f *os.File) error {
		_, err := f.WriteString(text)
		return err
	})
	if err != nil {
		return Output{}, err
	}
	return Output{modules.ToolOutput{
		Src: p.Src, Dest: p.Dest, Config: map[string]any{"format": string(format)},
		Size: strconv.Itoa(len(text)), Stats: measured(),
	}}, nil
}

// read returns the template and what its errors call it.
func read(c *modules.Call, p Props) (name, source string, err error) {
	if p.Template != "" {
		return "template", p.Template, nil
	}
	f, err := c.Workspace.OpenFile(p.Src, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not block us
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", "", fault.As(fault.Permanent, fmt.Errorf("%s is no template: it is no regular file", p.Src))
	}
	all, err := io.ReadAll(io.LimitReader(f, document.MaxSource+1))
	return p.Src, string(all), err
}

// vars is what the template sees: a copy, without the state's reserved keys.
func vars(c *modules.Call, p Props) map[string]any {
	all := p.Vars
	if all == nil {
		state, _ := c.State.Get("state")
		all, _ = state.(map[string]any)
	}
	all = maps.Clone(all)
	for _, key := range slices.Collect(maps.Keys(all)) {
		if strings.HasPrefix(key, "__") {
			delete(all, key)
		}
	}
	return all
}
