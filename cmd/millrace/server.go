package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/millrace/millrace/worker/gateway/client"
)

// serverConfig says which gateway jobs are sent to and looked at by, in place of queues and a store.
type serverConfig struct {
	Server string `flag:"server" default:"" doc:"URL of a gateway, which then knows queue and store"`
	APIKey string `flag:"api-key" default:"" secret:"true" doc:"API key for the gateway of --server"`
}

func (c *serverConfig) client() (*client.Client, error) {
	return client.New(client.Config{Server: c.Server, Key: c.APIKey})
}

// jobsConfig says where jobs wait and their records lie: in a queue and a store, or behind a gateway.
type jobsConfig struct {
	placeConfig
	serverConfig
}

func (c *jobsConfig) complete(from func(string) string) []error {
	if c.Server == "" {
		return c.placeConfig.complete(from)
	}
	var errs []error
	for _, s := range settings(&c.placeConfig) {
		if by := from(s.Flag); strings.HasPrefix(by, "--") { // variables may be there for other commands
			errs = append(errs, fmt.Errorf("%s: the gateway of %s has a queue and a store of its own; give one of the two", by, from("server")))
		}
	}
	if _, err := c.client(); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", from("server"), err))
	}
	return errs
}

// name is what people call the place where jobs are.
func (c *jobsConfig) name() string {
	if c.Server != "" {
		return c.Server
	}
	return c.storeName()
}

// open opens what jobs are looked at through. Where all of it would be in the data folder, and there is none, the error is
// errNoFolder.
func (c *jobsConfig) open(ctx context.Context, stderr io.Writer) (jobView, func() error, error) {
	return c.openBy(ctx, openDesk, stderr)
}

// openBy is open that opens queue and store by desk.
func (c *jobsConfig) openBy(ctx context.Context, desk func(context.Context, *placeConfig) (*localDesk, error), stderr io.Writer) (jobView, func() error, error) {
	if c.Server == "" {
		d, err := desk(ctx, &c.placeConfig)
		if err != nil {
			return nil, nil, err
		}
		return d, d.close, nil
	}
	gw, err := c.client()
	if err != nil {
		return nil, nil, err
	}
	c.warn(stderr)
	return gw, func() error { return nil }, nil
}

var _ jobView = (*client.Client)(nil)

// warn says that the key can be read on its way.
func (c *serverConfig) warn(stderr io.Writer) {
	u, err := url.Parse(c.Server)
	if err == nil && u.Scheme == "http" && c.APIKey != "" && !onThisMachine(u.Hostname()) {
		fmt.Fprintf(stderr, "millrace: the API key goes to %s unencrypted; use https\n", u.Host)
	}
}

func onThisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// gatewayCode is the exit code that tells what a gateway's answer was.
func gatewayCode(e *client.Error) int {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitDenied
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return exitUnreachable
	}
	return exitFailed
}
