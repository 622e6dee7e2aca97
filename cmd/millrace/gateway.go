package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/pipelines"
	tables "github.com/millrace/millrace/pipelines/settings"
	"github.com/millrace/millrace/worker/gateway"
	"github.com/millrace/millrace/worker/job"
	"github.com/millrace/millrace/worker/metrics"
)

// gatewayConfig is all that `millrace gateway` can be told.
type gatewayConfig struct {
	placeConfig
	routesConfig
	uploadsConfig
	Listen      string        `flag:"listen" default:"127.0.0.1:8080" doc:"address to take requests on; without keys it must be this machine's own"`
	APIKeys     string        `flag:"api-keys" default:"" doc:"file of keys, which say who may ask (millrace gateway key); read again when it changes; empty is none, and everybody on this machine is the operator"`
	Hooks       string        `flag:"hooks" default:"" doc:"file of sources of webhooks (docs/hooks.md); read again when it changes; empty is none"`
	Pipelines   string        `flag:"pipelines" default:"" doc:"folder of named pipelines, s3://bucket/prefix or cos://bucket/prefix, over the built-in ones"`
	AllowHosts  []string      `flag:"allow-hosts" default:"" doc:"private hosts that callbacks may name, as the workers have it: host, host:port or CIDR, comma-separated"`
	Connections int           `flag:"connections" default:"4096" doc:"connections at once; more of them wait"`
	Grace       time.Duration `flag:"grace" default:"20s" doc:"how long requests may go on after SIGTERM"`
	Status      string        `flag:"status" default:"" doc:"address to answer /metrics, /healthz and /readyz on; :8081 is this machine's own, 0.0.0.0:8081 everybody's; empty is none"`
}

func newGatewayCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Take jobs, files and webhooks by HTTP and put them into the queue",
		Long: `Takes jobs (POST /v1/jobs), files (POST /v1/uploads) and webhooks (POST
/v1/hooks/SOURCE) by HTTP and puts jobs into the queue; shows, follows and cancels
them. 202 says that the queue holds them durably. GET /v1/openapi.json has it all.

Who asks says so with a key: Authorization: Bearer KEY. Without a file of keys
everybody on this machine is the operator, and it listens to nobody else. It keeps
no state: any number may run side by side, on the queues and the store of the
workers. TLS is for what stands before it: an Ingress, a Route.`,
		Example: `  millrace gateway
  curl --json '{"pipeline": "hello_world", "state": {"name": "Ada"}}' localhost:8080/v1/jobs
  curl -F file=@gear.stl -F pipeline=web_model -F state.input=gear.stl localhost:8080/v1/uploads
  millrace gateway --listen 0.0.0.0:8080 --api-keys keys.yaml --hooks hooks.yaml --routes routes.yaml`,
		Args: args(cobra.NoArgs),
	}
	var cfg gatewayConfig
	load, logs := bind(cmd, &cfg), bindLog(cmd)
	cmd.RunE = func(c *cobra.Command, _ []string) error {
		log, _, err := logs(os.Stderr)
		if err := errors.Join(load(), err); err != nil {
			return err
		}
		soft, hard, stop := signals(c.Context())
		defer stop()
		return cfg.serve(soft, hard, log)
	}
	cmd.AddCommand(newGatewayKeyCmd(), newGatewayKeysCmd(), newGatewayHooksCmd(), newGatewayOpenAPICmd())
	return cmd
}

func (c *gatewayConfig) complete(from func(string) string) []error {
	errs := append(c.placeConfig.complete(from), c.routesConfig.complete(from)...)
	errs = append(append(errs, c.checkCatalogue(c.Pipelines, from)...), c.uploadsConfig.check(from)...)
	err := checkClasses(c.queues)
	if err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", from("queue"), err))
	}
	if c.Status, err = checkAddress(c.Status); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", from("status"), err))
	}
	if c.Listen, err = checkAddress(cmp.Or(c.Listen, "127.0.0.1:8080")); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", from("listen"), err))
	} else if c.APIKeys == "" && !isLoopback(c.Listen) {
		errs = append(errs, fmt.Errorf("%s: %s is reached by others than this machine, and without keys everybody who reaches it may do everything; name a file of keys (%s, `millrace gateway key` makes them), or listen on 127.0.0.1:8080",
			from("listen"), c.Listen, from("api-keys")))
	}
	if c.Connections < 1 {
		errs = append(errs, fmt.Errorf("%s: must be 1 or more, got %d", from("connections"), c.Connections))
	}
	if err := (egress.Policy{AllowHosts: c.AllowHosts}).Validate(); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", from("allow-hosts"), err))
	}
	return errs
}

// isLoopback says whether an address that checkAddress has passed is reached by this machine alone.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// gatewayParts are what a gateway stands on.
type gatewayParts struct {
	desk      *localDesk
	store     blob.Store
	catalogue *pipelines.Catalogue
	outlet    *outlet
}

// open opens them. Close them after use.
func (c *gatewayConfig) open(ctx context.Context, log *slog.Logger) (p *gatewayParts, err error) {
	p = &gatewayParts{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.desk, err = makeDesk(ctx, &c.placeConfig); err != nil {
		return p, err
	}
	if p.store, err = c.openStore(ctx); err != nil {
		return p, err
	}
	if p.catalogue, err = c.openCatalogue(ctx, c.Pipelines, log); err != nil {
		return p, err
	}
	p.outlet, err = c.openOutlet(ctx, p.catalogue)
	return p, err
}

func (p *gatewayParts) close() {
	if p.desk != nil {
		_ = p.desk.close()
	}
	if p.outlet != nil {
		_ = closeAll(p.outlet.brokers)
	}
}

// gateway makes the gateway.
func (c *gatewayConfig) gateway(ctx context.Context, p *gatewayParts, counted *metrics.Gateway, log *slog.Logger) (*gateway.Gateway, error) {
	gc := gateway.Config{
		Send: p.outlet.send, Check: p.outlet.check, Records: p.desk.Records, Desk: p.desk.Desk, Store: p.store, Log: log,
		Begun: counted.Begun, Ended: func(a gateway.Answered) {
			counted.Ended(metrics.Request{Operation: a.Operation, Status: a.Status, Refused: string(a.Refused), In: a.In, Out: a.Out, Duration: a.Duration})
		},
		Uploads: c.uploads(&c.placeConfig, p.store),
	}
	if lender, ok := p.store.(interface {
		PresignGet(ctx context.Context, key, contentType, disposition string, expires time.Duration) (url string, err error)
	}); ok {
		gc.Lend = lender.PresignGet
	}
	rules, err := c.openRoutes(ctx, &c.cloudConfig, p.catalogue, log)
	if err != nil {
		return nil, err
	}
	if rules != nil {
		gc.Route = c.without(func(u job.Upload) (*job.Job, string) { return rules().Route(u) })
	}
	if gc.Hooks, err = openHooks(c.Hooks, egress.Policy{AllowHosts: c.AllowHosts}, log); err != nil {
		return nil, &codeError{exitUsage, fmt.Errorf("MILLRACE_HOOKS: %w", err)}
	}
	if c.APIKeys != "" {
		keys, err := openKeys(c.APIKeys, log)
		if err != nil {
			return nil, &codeError{exitUsage, fmt.Errorf("MILLRACE_API_KEYS: %w", err)}
		}
		gc.Keys = func(secret string) *gateway.Key { return keys.Now(ctx).Find(secret, time.Now()) }
	}
	return gateway.New(gc)
}

// openKeys reads the file of keys, and again when it changes.
func openKeys(path string, log *slog.Logger) (*tables.File[*gateway.Keys], error) {
	var last *gateway.Keys // guarded by the file, which reads one text at a time
	parse := func(name string, text []byte) (*gateway.Keys, []string, error) {
		keys, err := gateway.ParseKeys(name, text, last)
		if err == nil {
			last = keys
		}
		return keys, nil, err
	}
	return tables.Open(tables.Config[*gateway.Keys]{Path: path, Parse: parse, Log: log})
}
