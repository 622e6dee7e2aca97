package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/redact"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/pipelines/lint"
	"github.com/millrace/millrace/pipelines/preview"
	"github.com/millrace/millrace/worker/launch"
)

const renderLong = `Shows what each task of a pipeline would see, and runs nothing: the document with
its blocks expanded, names, conditions, props and callbacks rendered with the
values given. What only the run can tell, because a task makes it, stays the
template that it is, and says so. Masked is what a run masks in its logs, as far as
it is known before: values of variables, props and keys whose names say that they are
secret, and passwords and tokens in URLs. What lint calls an error or a warning is
told on stderr.

FILE, NAME, - and the values are those of millrace run.

Exit codes: 0 done · 1 the document is unreadable or invalid, a template fails, a
param is missing or a task is bound to fail · 2 the command line is wrong.`

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
		told := newScreen(c.ErrOrStderr())
		secrets := new(redact.Set)
		p, wrong, err := r.preview(c.Context(), req, secrets)
		if err != nil {
			return tellError(told, masked(req, secrets), hidden(err, secrets))
		}
		if *format == "json" {
			err = printJSON(c.OutOrStdout(), p)
		} else {
			err = writePreview(c.OutOrStdout(), p)
		}
		if err != nil {
			return err
		}
		return tellWrong(told, masked(req, secrets), wrong)
	}
	return cmd
}

// preview renders a request's pipeline and runs nothing of it. wrong is what lint says of it. The error may be a
// *pipelines.ParseError, with every template that fails, and tell secrets.
func (r *runner) preview(ctx context.Context, req *launch.Request, secrets *redact.Set) (shown *preview.Preview, wrong []pipelines.Problem, err error) {
	in, err := r.prepare(ctx, req, secrets)
	if err != nil {
		return nil, nil, err
	}
	if shown, err = preview.Of(ctx, in.Pipeline, in.State, secrets); err != nil {
		return nil, nil, err
	}
	wrong = lint.Pipeline(withData(in.Pipeline, req.Job.State), r.lint)
	for i := range wrong {
		wrong[i].Msg = secrets.String(wrong[i].Msg)
	}
	return shown, wrong, nil
}

// hidden is err without the secrets.
func hidden(err error, secrets *redact.Set) error {
	bad, ok := errors.AsType[*pipelines.ParseError](err)
	if !ok {
		return errors.New(secrets.String(err.Error()))
	}
	out := &pipelines.ParseError{Problems: slices.Clone(bad.Problems)}
	for i := range out.Problems {
		out.Problems[i].Msg = secrets.String(out.Problems[i].Msg)
	}
	return out
}

// masked is req with a document that can be shown.
func masked(req *launch.Request, secrets *redact.Set) *launch.Request {
	var lines []byte
	for line := range strings.Lines(string(req.Document)) {
		lines = append(lines, strings.TrimRight(secrets.String(line), "\n")+"\n"...) // a line stays one
	}
	out := *req
	out.Document = lines
	return &out
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
	y.head(p)
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

// head writes what the document says besides its state and its tasks.
func (y *yamlWriter) head(p *preview.Preview) {
	if len(p.Params) > 0 {
		y.line(0, "params:")
	}
	for _, param := range p.Params {
		y.line(2, y.scalar(param.Name)+":")
		y.pair(4, "type", string(param.Type), "")
		if param.Description != "" {
			y.pair(4, "description", param.Description, "")
		}
		if param.Required {
			y.pair(4, "required", true, "")
		}
		if param.Default != nil {
			y.pair(4, "default", param.Default, "")
		}
		if len(param.Enum) > 0 {
			y.pair(4, "enum", param.Enum, "")
		}
	}
	if len(p.Plugins) > 0 {
		y.pair(0, "plugins", p.Plugins, "")
	}
	if len(p.Settings) > 0 {
		y.pair(0, "settings", p.Settings, "")
	}
	if p.Deadline > 0 {
		y.pair(0, "deadline", p.Deadline, "")
	}
	if len(p.Requires) > 0 {
		y.pair(0, "requires", p.Requires, "")
	}
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
