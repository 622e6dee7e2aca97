package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/gateway"
)

// keysConfig says where the keys of those who ask are.
type keysConfig struct {
	APIKeys string `flag:"api-keys" default:"" doc:"file of keys, which say who may ask (millrace gateway key)"`
}

func (c *keysConfig) complete(func(string) string) []error { return nil }

func newGatewayKeysCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Check the file of keys, and list them",
		Long: `Reads the file of keys that a gateway has by --api-keys or MILLRACE_API_KEYS, and says
all that is wrong with it, or lists the keys, and until when they are good. No secret
is in the file, so none is shown.`,
		Example: "  millrace gateway keys --api-keys keys.yaml",
		Args:    args(cobra.NoArgs),
	}
	var cfg keysConfig
	return listing(cmd, &cfg, cfg.list, []string{"KEY", "SCOPES", "CUSTOMER", "GOOD"}, func(k gateway.KeyView) []string {
		return []string{k.Name, strings.Join(k.Scopes, ", "), k.Customer, goodFor(k, time.Now())}
	})
}

// goodFor says when a key is good, in words.
func goodFor(k gateway.KeyView, now time.Time) string {
	switch {
	case !k.Until.IsZero() && !now.Before(k.Until):
		return "no more, since " + k.Until.Format(time.RFC3339)
	case now.Before(k.From):
		return "from " + k.From.Format(time.RFC3339)
	case !k.Until.IsZero():
		return "until " + k.Until.Format(time.RFC3339)
	}
	return "yes"
}

func (c *keysConfig) list(ctx context.Context) ([]gateway.KeyView, error) {
	if c.APIKeys == "" {
		return nil, usage("there is no file of keys: say --api-keys FILE, or set MILLRACE_API_KEYS")
	}
	keys, err := openKeys(c.APIKeys, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	return keys.Now(ctx).All(), nil
}
