package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines/preview"
	"github.com/millrace/millrace/worker/launch"
)

const renderLong = `Shows what each task of a pipeline would see, and runs nothing: the document with
its blocks expanded, names, conditions, props and callbacks rendered with the
values given. What only the run can tell, because a task makes it, stays the
template that it is, and says so. Values of environment variables whose names are
secret are masked, as in logs.

FILE, NAME, - and the values are those of millrace run.

Exit codes: 0 done · 1 the document is unreadable or invalid, a template fails or
a param is missing · 2 the command line is wrong.`

func newRenderCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "render FILE|NAME|- [key=value…]",
		Short:   "Show what each task would see, without running anything",
		Long:    renderLong,
		Example: "  millrace render hello_world name=Modelops\n  millrace render batch.yaml 'assets=[\"a.fbx\",\"b.obj\"]' --format json",
		Args:    args(cobra.MinimumNArgs(1)),
	}
	var cfg previewConfig
	load := bind(cmd, &cfg)
	format := cmd.Flags().String("format", "yaml", "yaml or json")
	entry := cmd.Flags().String("entry", "", "which of the document's entries to show (its own tasks)")
	cmd.RunE = func(c *cobra.Command, a []string) error {
		if err := load(); err != nil {
			return err
		}
		if *format != "yaml" && *format != "json" {
			return usage("--format: %q is neither yaml nor json", *format)
		}
		req, err := readRequest(c.InOrStdin(), a[0], a[1:], newCatalogue(cfg.Pipelines))
		if err != nil {
			return err
		}
		req.Job.Entry = *entry
		r, err := newRunner(runEnv(cfg.AllowEnv), launch.Policy{AllowPrivate: true, Shell: launch.ShellAll}, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		r.admit = admitted(req.Job.State)
		p, err := r.preview(c.Context(), req)
		if err != nil {
			return err
		}
		if *format == "json" {
			return printJSON(c.OutOrStdout(), p)
		}
		return writePreview(c.OutOrStdout(), p)
	}
	return cmd
}

// preview renders a request's pipeline and runs nothing of it. The error lists every template that fails.
func (r *runner) preview(ctx context.Context, req *launch.Request) (*preview.Preview, error) {
	secrets := new(redact.Set)
	in, err := r.prepare(ctx, req, secrets)
	if err != nil {
		return nil, errors.New(secrets.String(err.Error()))
	}
	return preview.Of(ctx, in.Pipeline, in.State, secrets)
}

// writePreview writes a preview as pipelines are written; what there is to say of it are comments.
func writePreview(w io.Writer, p *preview.Preview) error {
	y := &yamlWriter{}
	y.comment("%s, %s", p.Source, p.Digest)
	y.comment("Nothing was run. What a comment says is known later is still its template.")
	y.pair(0, "name", p.Name, "")
	if p.Entry != "" {
		y.comment("entry %s", p.Entry)
	}
	y.pair(0, "state", p.State, "")
	if len(p.Tasks) == 0 {
		y.pair(0, "tasks", []any{}, "")
	} else {
		y.printf("tasks:\n")
	}
	for _, t := range p.Tasks {
		y.task(t)
	}
	y.callbacks(0, p.Callbacks)
	_, err := w.Write(y.out.Bytes())
	return err
}

func (y *yamlWriter) task(t preview.Task) {
	y.printf("  - ")
	y.pair(4, "name", t.Name, "")
	y.pair(4, "module", t.Module, "")
	if !t.Next {
		y.pair(4, "after", t.After, "")
	}
	if t.When != "" {
		why := "only the run can tell"
		if t.Runs != nil {
			why = map[bool]string{true: "true", false: "false: it is skipped"}[*t.Runs]
		}
		y.pair(4, "when", t.When, why)
	}
	if t.GPU != nil {
		y.pair(4, "gpu", t.GPU, "")
	}
	if t.Soft {
		y.pair(4, "throw", false, "")
	}
	y.notes = t.Notes
	y.tree(4, "props", t.Props)
	if t.Register != "" {
		y.pair(4, "register", t.Register, "")
	}
	y.callbacks(4, t.Callbacks)
}

// callbacks writes a list that is in the order of its events.
func (y *yamlWriter) callbacks(depth int, list []preview.Callback) {
	if len(list) == 0 {
		return
	}
	y.line(depth, "callbacks:")
	for i, cb := range list {
		if i == 0 || list[i-1].Event != cb.Event {
			y.line(depth+2, string(cb.Event)+":")
		}
		y.line(depth+4, "- module: "+y.scalar(cb.Module))
		y.notes = cb.Notes
		y.tree(depth+6, "props", cb.Props)
	}
}
