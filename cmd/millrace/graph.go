package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/graph"
	"github.com/millrace/millrace/pipelines/preview"
	"github.com/millrace/millrace/worker/launch"
)

const graphLong = `Draws the tasks of a pipeline and which waits for which, and runs nothing: as
Mermaid text, which GitHub, GitLab and many editors show as a picture, or as an
SVG file. Conditions, tasks that may fail (throw: false) and those that need a GPU
are marked. Arrows that follow from others are left out.

FILE, NAME, - and the values are those of millrace run. Values matter where blocks
of the document repeat or leave out tasks.

Exit codes: 0 done · 1 the document is unreadable or invalid, or too large to be
drawn · 2 the command line is wrong.`

func newGraphCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "graph FILE|NAME|- [key=value…]",
		Short:   "Draw a pipeline's tasks and their order, as Mermaid or SVG",
		Long:    graphLong,
		Example: "  millrace graph gear\n  millrace graph pipeline.yaml --format svg --callbacks > pipeline.svg",
		Args:    args(cobra.MinimumNArgs(1)),
	}
	var cfg previewConfig
	load := bind(cmd, &cfg)
	format := cmd.Flags().String("format", "mermaid", "mermaid or svg")
	entry := cmd.Flags().String("entry", "", "draw this entry alone (all)")
	callbacks := cmd.Flags().Bool("callbacks", false, "draw callbacks too")
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if err := load(); err != nil {
			return err
		}
		if *format != "mermaid" && *format != "svg" {
			return usage("--format: %q is neither mermaid nor svg", *format)
		}
		req, err := readRequest(c.InOrStdin(), a[0], a[1:], newCatalogue(cfg.Pipelines))
		if err != nil {
			return err
		}
		req.Job.Entry = *entry
		p, err := drawn(c.Context(), req, runEnv(cfg.AllowEnv))
		if err != nil {
			return err
		}
		g := graph.New(preview.WithGPUs(c.Context(), p, given(p, req.Job.State)))
		if !*callbacks {
			g = g.WithoutCallbacks()
		}
		return draw(c.OutOrStdout(), c.ErrOrStderr(), g, *format)
	}
	return cmd
}

// drawn parses a request's pipeline, with what is given where that can change its tasks. Params may be missing, and
// nothing is drawn of a secret.
func drawn(ctx context.Context, req *launch.Request, env map[string]string) (*pipelines.Pipeline, error) {
	if p, err := pipelines.Parse(req.Source, req.Document); err == nil && !p.Structural && req.Job.Entry == "" {
		return p, nil
	}
	for name := range env {
		if redact.NameIsSecret(name) {
			env[name] = redact.Mask
		}
	}
	return pipelines.ParseGiven(ctx, req.Source, req.Document, pipelines.Given{
		State: req.Job.State, StateOrder: req.Job.StateOrder, Env: env, Job: jobVars(req), Entry: req.Job.Entry,
	})
}

// given is what a job gives as far as it fits the params of p: to draw, none is needed.
func given(p *pipelines.Pipeline, state map[string]any) map[string]any {
	if data, err := p.Bind(state); err == nil {
		return data
	}
	return state
}

// mermaidEdges is how many arrows Mermaid draws unless it is told otherwise (its setting maxEdges).
const mermaidEdges = 500

func draw(stdout, stderr io.Writer, g *graph.Graph, format string) error {
	if format == "svg" {
		return g.SVG(stdout)
	}
	if n := g.Edges(); n > mermaidEdges {
		fmt.Fprintf(stderr, "note: %d arrows, and Mermaid draws %d unless maxEdges is set; --format svg has no such limit\n", n, mermaidEdges)
	}
	_, err := io.WriteString(stdout, g.Mermaid())
	return err
}
