package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/worker/gateway/hook"
)

// hooksConfig says which webhooks are taken.
type hooksConfig struct {
	Hooks string `flag:"hooks" default:"" doc:"file of sources of webhooks (docs/hooks.md)"`
}

func (c *hooksConfig) complete(func(string) string) []error { return nil }

func newGatewayHooksCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hooks",
		Short: "Check the sources of webhooks, and list them",
		Long: `Reads the table of sources that a gateway has by --hooks or MILLRACE_HOOKS, with the
secrets that it names, says all that is wrong with it, or lists the sources.`,
		Example: "  millrace gateway hooks --hooks hooks.yaml",
		Args:    args(cobra.NoArgs),
	}
	var cfg hooksConfig
	return listing(cmd, &cfg, cfg.list, []string{"SOURCE", "KIND", "PATH", "MAKES", "CUSTOMER"}, func(v hookView) []string {
		return []string{v.Name, string(v.Kind), v.Path, v.does(), v.Customer}
	})
}

// A hookView is the JSON form of a source in a list.
type hookView struct {
	Name      string    `json:"name"`
	Kind      hook.Kind `json:"kind"`
	Path      string    `json:"path"`
	Pipeline  string    `json:"pipeline,omitzero"` // of its job; absent where the body is the message
	Pipelines []string  `json:"pipelines,omitempty"`
	Customer  string    `json:"customer,omitzero"`
	MaxBody   int64     `json:"max_body"`
	Remember  string    `json:"remember"`
	Gone      bool      `json:"gone,omitzero"`
}

func (v hookView) does() string {
	switch {
	case v.Gone:
		return "nothing: it is closed"
	case v.Pipeline != "":
		return v.Pipeline
	case len(v.Pipelines) > 0:
		return fmt.Sprintf("what its message says, of %d pipelines", len(v.Pipelines))
	}
	return "what its message says"
}

func (c *hooksConfig) list(ctx context.Context) ([]hookView, error) {
	if c.Hooks == "" {
		return nil, usage("there is no table of sources: say --hooks FILE, or set MILLRACE_HOOKS")
	}
	table, err := openHooks(c.Hooks, egress.Policy{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	t := table(ctx)
	var out []hookView
	for _, name := range slices.Sorted(maps.Keys(t.Sources)) {
		s := t.Sources[name]
		out = append(out, hookView{
			Name: name, Kind: s.Kind, Path: "/v1/hooks/" + name, Pipeline: s.Pipeline(), Pipelines: s.Pipelines, Customer: s.Customer,
			MaxBody: s.MaxBody, Remember: s.Remember.Round(time.Second).String(), Gone: s.Gone,
		})
	}
	return out, nil
}
