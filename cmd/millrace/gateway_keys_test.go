//go:build linux

package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheKeysOfAGatewayAreCheckedAndListed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	row := func(args ...string) string { return p.millrace(append([]string{"gateway", "key"}, args...)...).stderr }
	good := p.write("keys.yaml", "keys:\n"+row("shop", "--scope", "submit,read", "--customer", "shop")+row("ada", "--scope", "operate")+
		"  expires: 2020-01-31\n"+row("later", "--scope", "read")+"  not_before: 2999-01-31\n")
	out := p.succeeds("gateway", "keys", "--api-keys", good)
	for _, want := range []string{`shop +read, submit +shop +yes`, `ada +operate +– +no more, since 2020-01-31`, `later +read +– +from 2999-01-31`} {
		require.Regexp(t, want, out)
	}
	require.Contains(t, p.succeeds("gateway", "keys", "--api-keys", good, "--json"), `"expires": "2020-01-31T00:00:00Z"`)

	r := p.millrace("gateway", "keys", "--api-keys", p.write("bad.yaml", "keys:\n  - {name: a, scopes: [submitt]}\n  - {name: B}\n"))
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "bad.yaml:2:")
	require.Contains(t, r.stderr, "bad.yaml:3:")
	require.Equal(t, 2, p.millrace("gateway", "keys").code)
}
