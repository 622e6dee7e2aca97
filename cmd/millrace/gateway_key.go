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
		Example: "  millrace gateway key ada --scope submit --scope read --rate 20\n  millrace gateway key shop --scope submit --customer shop --pipeline web_ready --type .stl --max-upload 100Mi",
		Args:    args(cobra.ExactArgs(1)),
	}
	var k gateway.Row
	f := cmd.Flags()
	scopes := f.StringSlice("scope", nil, "what it may do: submit, read, operate; several, or comma-separated")
	f.StringVar(&k.Customer, "customer", "", "whose key it is, who sees and sends his own jobs alone; none is the operator's own, which sees all")
	f.StringSliceVar(&k.Pipelines, "pipeline", nil, "pipeline that its jobs may name, and no other; several, or comma-separated")
	f.IntVar(&k.Rate, "rate", 0, "requests a second; 0 is no limit")
	f.IntVar(&k.Burst, "burst", 0, "requests that may come at once; 0 is twice the rate")
	f.Var((*size)(&k.MaxBody), "max-body", "bytes of a body, like 2Mi, at most 16Mi; 0 is 1Mi")
	f.Var((*size)(&k.MaxUpload), "max-upload", "bytes of a file, like 100Mi; 0 is as for all")
	f.StringSliceVar(&k.Types, "type", nil, "files that it may send, like .stl, model/stl or image/*; several, or comma-separated; none is all")
	valid := f.Duration("valid", 0, "how long it is good, like 2160h; 0 is for ever")
	cmd.RunE = func(c *cobra.Command, a []string) error {
		k.Name = a[0]
		for _, s := range slices.Sorted(slices.Values(trimmed(*scopes))) {
			k.Scopes = append(k.Scopes, gateway.Scope(s))
		}
		k.Pipelines, k.Types = trimmed(k.Pipelines), trimmed(k.Types)
		switch {
		case len(k.Scopes) == 0:
			return usage("say what the key may do: --scope %s", strings.Join(scopeWords(), ", --scope "))
		case f.Changed("customer") && k.Customer == "":
			return usage("--customer is empty; leave it out for a key of the operator's own, which sees all")
		case f.Changed("pipeline") && len(k.Pipelines) == 0, f.Changed("type") && len(k.Types) == 0:
			return usage("--pipeline or --type is empty; leave it out where all are meant")
		case k.Rate < 0 || k.Burst < 0 || *valid < 0:
			return usage("--rate, --burst and --valid can't be less than 0; leave out what has no limit")
		case *valid > 0:
			k.Expires = time.Now().Add(*valid).UTC().Truncate(time.Second)
		}
		secret, hash := gateway.NewSecret()
		k.Hash = hash
		row, err := k.Text()
		if err != nil {
			return usage("%w", err)
		}
		fmt.Fprint(c.ErrOrStderr(), row)
		_, err = fmt.Fprintln(c.OutOrStdout(), secret)
		return err
	}
	return cmd
}

// trimmed are the words of a flag that was written "a, b".
func trimmed(words []string) []string {
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return words
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
