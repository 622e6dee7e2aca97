package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/pipelines"
	tables "github.com/millrace/millrace/pipelines/settings"
	"github.com/millrace/millrace/worker/route"
)

// routesConfig says which jobs are made of uploads.
type routesConfig struct {
	Routes string `flag:"routes" default:"" doc:"routes, which say what jobs are made of uploads (docs/routes.md): a file, s3://bucket/key or cos://bucket/key; empty is none"`
}

func (c *routesConfig) complete(from func(string) string) []error {
	var err error
	switch {
	case c.Routes == "":
	case isBucket(c.Routes):
		_, _, err = splitKey(c.Routes)
	default:
		_, err = route.Load(c.Routes)
	}
	if err != nil {
		return []error{fmt.Errorf("%s: %w", from("routes"), err)}
	}
	return nil
}

// splitKey parts the address of an object into the place that it lies in, and its name there.
func splitKey(address string) (in storeRef, name string, err error) {
	i := strings.LastIndex(address, "/")
	name = address[i+1:]
	if in, err = parseStore(address[:i]); err != nil || in.bucket == "" || name == "" {
		return in, "", fmt.Errorf("%q is no object in a bucket; write it like s3://bucket/routes.yaml", address)
	}
	return in, name, nil
}

const (
	maxRoutes     = 1 << 20 // bytes of a table in a bucket
	routesTimeout = 15 * time.Second
)

// openRoutes opens the table, and returns the rules in force; nil where there is none. What is wrong with its pipelines is logged
// alone: the catalogue may change, and a job that it does not suit says so.
func (c *routesConfig) openRoutes(ctx context.Context, cloud *cloudConfig, catalogue *pipelines.Catalogue, log *slog.Logger) (func() *route.Rules, error) {
	if c.Routes == "" {
		return nil, nil
	}
	tc := tables.Config[*route.Rules]{Path: c.Routes, Log: log, Parse: func(name string, text []byte) (*route.Rules, []string, error) {
		rules, err := route.Parse(name, text)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range rules.Check(catalogue) {
			log.WarnContext(ctx, "route unsure", "err", p.String())
		}
		return rules, nil, nil
	}}
	if isBucket(c.Routes) {
		in, name, err := splitKey(c.Routes)
		if err != nil {
			return nil, err
		}
		store, err := cloud.openBucket(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("open routes in %s: %w", c.Routes, err)
		}
		tc.Read = func() ([]byte, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), routesTimeout) // a drain's jobs need them too
			defer cancel()
			return blob.ReadAll(ctx, store, name, maxRoutes)
		}
	}
	file, err := tables.Open(tc)
	if err != nil {
		return nil, err
	}
	return func() *route.Rules { return file.Now(ctx) }, nil
}

// A routeConfig is what commands look at routes with.
type routeConfig struct {
	routesConfig
	catalogueConfig
}

func (c *routeConfig) complete(from func(string) string) []error {
	return c.catalogueConfig.complete(from) // a table that is wrong is what the commands are for
}

// rules reads the table.
func (c *routeConfig) rules() (*route.Rules, error) {
	if c.Routes == "" {
		return nil, usage("there is no table of routes: say --routes FILE, or set MILLRACE_ROUTES")
	}
	if isBucket(c.Routes) {
		return nil, usage("this command reads a file of routes, and %s is in a bucket; `work` and `gateway` read those", c.Routes)
	}
	return route.Load(c.Routes)
}

func newRouteCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route",
		Short: "Look at the routes, which say what jobs are made of uploads",
		Long: `Looks at a table of routes: which job is made of which upload. Workers and gateways
have it by --routes or MILLRACE_ROUTES. docs/routes.md describes it.`,
	}
	cmd.AddCommand(newRouteTestCmd(), newRouteListCmd(), newRouteCheckCmd(), newRouteSchemaCmd())
	return group(cmd)
}

func newRouteListCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the routes, in the order in which they are asked",
		Args:  args(cobra.NoArgs),
	}
	var cfg routeConfig
	return listing(cmd, &cfg, cfg.list, []string{"ROUTE", "TAKES", "EVENTS", "PIPELINE", "RESULTS", "DESCRIPTION"}, func(v routeView) []string {
		return []string{v.Name, v.takes(), strings.Join(v.Events, " "), v.Pipeline, v.results(), shorten(v.Description, 60)}
	})
}

func (c *routeConfig) list(context.Context) ([]routeView, error) {
	rules, err := c.rules()
	if err != nil {
		return nil, err
	}
	views := make([]routeView, len(rules.List))
	for i, r := range rules.List {
		views[i] = viewRoute(r)
	}
	return views, nil
}

// A routeView is the JSON form of a route in a list.
type routeView struct {
	Name        string   `json:"name"`
	Line        int      `json:"line"`
	Description string   `json:"description,omitzero"`
	Bucket      []string `json:"bucket,omitempty"`
	Prefix      string   `json:"prefix,omitzero"`
	Suffixes    []string `json:"suffixes,omitempty"`
	IgnoreCase  bool     `json:"ignore_case,omitzero"`
	Regex       string   `json:"regex,omitzero"`
	Events      []string `json:"events"`
	Sources     []string `json:"sources,omitempty"`
	MinSize     int64    `json:"min_size,omitzero"`
	MaxSize     *int64   `json:"max_size,omitempty"` // absent is any
	OutputsOf   []string `json:"outputs_of,omitempty"`
	Pipeline    string   `json:"pipeline"`
	Customer    string   `json:"customer,omitzero"`
	Output      struct {
		Prefix   string   `json:"prefix"`
		Name     string   `json:"name"`
		Suffixes []string `json:"suffixes,omitempty"`
	} `json:"output"`
}

func viewRoute(r *route.Rule) routeView {
	v := routeView{
		Name: r.Name, Line: r.Pos.Line, Description: r.Description, Bucket: r.Buckets, Prefix: r.Prefix, Suffixes: r.Suffixes,
		IgnoreCase: r.IgnoreCase, Events: r.Events, Sources: r.Sources, MinSize: r.MinSize, OutputsOf: r.OutputsOf, Pipeline: r.Pipeline(), Customer: r.Customer,
	}
	if r.MaxSize >= 0 {
		v.MaxSize = &r.MaxSize
	}
	if r.Regex != nil {
		v.Regex = r.Regex.String()
	}
	v.Output.Prefix, v.Output.Name, v.Output.Suffixes = r.Output.Folder(), r.Output.Stem(), r.Output.Suffixes
	return v
}

// takes is the keys that a route takes, in few words: "models/in/ .stl .step".
func (v routeView) takes() string {
	bucket := strings.Join(v.Bucket, ",")
	if bucket == "" {
		bucket = "*"
	}
	parts := append([]string{bucket + "/" + v.Prefix}, v.Suffixes...)
	if v.Regex != "" {
		parts = append(parts, "regex "+strconv.Quote(v.Regex))
	}
	return strings.Join(parts, " ")
}

func (v routeView) results() string {
	return strings.TrimSuffix(v.Output.Prefix, "/") + "/" + v.Output.Name
}

func newRouteCheckCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say everything that is wrong with the routes, and with what they ask of the pipelines",
		Long: `Says everything that is wrong with a table of routes, and whether the catalogue has
the pipelines that it names, and they take what it gives them. With --json the
answer is one list of objects, as ` + "`millrace lint --json`" + ` has them.

Exit codes: 0 nothing is wrong · 1 something is, or the file is unreadable · 2 the
command line is wrong.`,
		Example: "  millrace route check --routes routes.yaml --pipelines pipelines",
		Args:    args(cobra.NoArgs),
	}
	var cfg routeConfig
	load := bind(cmd, &cfg)
	asJSON := cmd.Flags().Bool("json", false, "as JSON, one list of problems")
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		if err := load(); err != nil {
			return err
		}
		found, err := cfg.check()
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(c.OutOrStdout(), found)
		} else {
			err = printFindings(newScreen(c.OutOrStdout()), found)
		}
		if err != nil || len(found) == 0 {
			return err
		}
		return &codeError{exitFailed, errSaid}
	}
	return cmd
}

// check is all that is wrong with the table, and then with what it asks of the pipelines.
func (c *routeConfig) check() ([]finding, error) {
	rules, err := c.rules()
	if err == nil {
		return c.findings(rules.Check(newCatalogue(c.Pipelines))), nil
	}
	if e, ok := errors.AsType[*pipelines.ParseError](err); ok {
		return c.findings(e.Problems), nil
	}
	return nil, err
}

func (c *routeConfig) findings(problems []pipelines.Problem) []finding {
	text, err := readFile(c.Routes)
	if err != nil {
		text = nil // the problems stand without the lines that they are about
	}
	return findings(c.Routes, text, problems)
}

func newRouteSchemaCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a table of routes, for editors",
		Long: `Prints the JSON Schema (draft 7) of a table of routes, so that an editor completes and
checks it while it is written. Name it in its first line:

  # yaml-language-server: $schema=routes.schema.json

Whether routes go on for ever or hide each other is ` + "`millrace route check`'s" + ` to say.`,
		Example: "  millrace route schema > routes.schema.json",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			return printJSON(c.OutOrStdout(), route.Schema())
		},
	}
}
