package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/worker/gateway"
)

func newGatewayKeyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key NAME",
		Short: "Make a key for who sends jobs by HTTP",
		Long: `Makes a key. Its secret goes to stdout, this once; the row for the file of keys
(millrace gateway --api-keys FILE), which has no more than a digest of it, to stderr.

The file is YAML, a list called keys of such rows, and is read again when it
changes. To replace a secret add a second row of the same name, have its owner use
the new one, and remove the first.`,
		Example: "  millrace gateway key ada --scope submit --scope read --rate 20\n  millrace gateway key shop --scope submit --customer shop --pipeline web_ready",
		Args:    args(cobra.ExactArgs(1)),
	}
	var k gateway.Key
	f := cmd.Flags()
	scopes := f.StringSlice("scope", nil, "what it may do: submit, read, operate; several, or comma-separated")
	f.StringVar(&k.Customer, "customer", "", "whose key it is, who sees and sends his own jobs alone; empty is the operator's own, which sees all")
	f.StringSliceVar(&k.Pipelines, "pipeline", nil, "pipeline that its jobs may name, and no other; several, or comma-separated")
	perSecond := f.Int("rate", 0, "requests a second; 0 is no limit")
	f.Int64Var(&k.MaxBody, "max-body", 0, "bytes of a body; 0 is 1 MiB")
	valid := f.Duration("valid", 0, "how long it is good, like 2160h; 0 is for ever")
	cmd.RunE = func(c *cobra.Command, a []string) error {
		k.Name = a[0]
		for _, s := range *scopes {
			k.Scopes = append(k.Scopes, gateway.Scope(s))
		}
		var expires time.Time
		if *valid > 0 {
			expires = time.Now().Add(*valid)
		}
		secret, hash := gateway.NewSecret()
		row := k.Row(hash, *perSecond, expires)
		switch {
		case len(*scopes) == 0:
			return usage("say what the key may do: --scope %s", strings.Join(scopeWords(), ", --scope "))
		case *perSecond < 0 || *valid < 0 || k.MaxBody < 0:
			return usage("--rate, --valid and --max-body must be more than 0; leave out what has no limit")
		}
		if _, err := gateway.ParseKeys("the key", []byte("keys:\n"+row), nil); err != nil {
			return usage("%w", err)
		}
		fmt.Fprintf(c.ErrOrStderr(), "%s\n", strings.TrimSuffix(row, "\n"))
		_, err := fmt.Fprintln(c.OutOrStdout(), secret)
		return err
	}
	return cmd
}

func scopeWords() []string {
	var words []string
	for _, s := range gateway.Scopes() {
		words = append(words, string(s))
	}
	return slices.Clip(words)
}

func newGatewayOpenAPICmd() *cobra.Command {
	return &cobra.Command{
		Use:   "openapi",
		Short: "Print what a gateway serves, as OpenAPI 3.1",
		Args:  args(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return printJSON(c.OutOrStdout(), gateway.OpenAPI()) },
	}
}
