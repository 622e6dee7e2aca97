package main

import (
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/modules/document"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/worker/callback"
)

// callbackConfig says how completion callbacks are made and sent.
type callbackConfig struct {
	AllowHosts   []string `flag:"allow-hosts" default:"" doc:"private hosts that jobs and callbacks may reach: host, host:port or CIDR, comma-separated"`
	Documents    string   `flag:"documents" default:"" doc:"folder of the operator's documents: report.html, callback bodies"`
	Secrets      []string `flag:"callback-secret" default:"" secret:"true" doc:"signing secrets of callbacks, whsec_…, comma-separated, the first signs and the others still do while they are rotated"`
	CallbackBody string   `flag:"callback-template" default:"" doc:"document that makes the body of completion callbacks, from the folder or slack.json, teams.json; empty is the standard body"`

	body *document.Template // of CallbackBody, by complete; nil is the standard one
}

func (c *callbackConfig) complete(from func(string) string) []error {
	return append(c.checkDocuments(from), c.checkHosts(from)...)
}

// checkDocuments parses what the operator's documents are known to be used for.
func (c *callbackConfig) checkDocuments(from func(string) string) (errs []error) {
	if err := checkReports(&c.Documents, from); err != nil {
		errs = append(errs, err)
	}
	if c.CallbackBody != "" {
		var err error
		if c.body, err = callback.OpenTemplate(c.Documents, c.CallbackBody); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", from("callback-template"), err))
		}
	}
	return errs
}

func (c *callbackConfig) checkHosts(from func(string) string) (errs []error) {
	if err := (egress.Policy{AllowHosts: c.AllowHosts}).Validate(); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", from("allow-hosts"), err))
	}
	for _, s := range c.Secrets {
		if err := callback.CheckSecret(s); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", from("callback-secret"), err))
		}
	}
	return errs
}

func (c *callbackConfig) sender(log *slog.Logger) *callback.Sender {
	if len(c.Secrets) == 0 {
		return nil
	}
	return &callback.Sender{Client: egress.NewClient(egress.Policy{AllowHosts: c.AllowHosts}), Secrets: c.Secrets, Template: c.body, Log: log}
}
