package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/millrace/millrace/modules/egress"
	tables "github.com/millrace/millrace/pipelines/settings"
	"github.com/millrace/millrace/worker/gateway/hook"
)

// openHooks returns the sources of webhooks that a file names, as it stands whenever they are asked for. It returns nil
// where there is no file. SNS is asked for certificates by the rules of p.
func openHooks(path string, p egress.Policy, log *slog.Logger) (func(context.Context) *hook.Table, error) {
	if path == "" {
		return nil, nil
	}
	c := hook.Config{Env: os.Getenv, Certificates: &hook.Certificates{Client: egress.NewClient(p)}}
	file, err := tables.Open(tables.Config[*hook.Table]{Path: path, Log: log, Parse: func(name string, text []byte) (*hook.Table, []string, error) {
		t, err := c.Parse(name, text)
		if err != nil {
			return nil, nil, err
		}
		return t, t.Files, nil
	}})
	if err != nil {
		return nil, fmt.Errorf("webhook sources: %w", err)
	}
	return file.Now, nil
}
