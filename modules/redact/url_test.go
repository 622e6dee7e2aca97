package redact_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/redact"
)

func TestCredentialsAreFoundInURLs(t *testing.T) {
	for text, want := range map[string][]string{
		"https://u:pw@x.org/a?page=2&token=abc#frag":          {"pw", "abc"},
		"see https://x.org/?api_key=k1, or ftp://a:b:c@d/e@f": {"k1,", "b:c"},
		"https://user@x.org/?q=a@b":                           nil,
		"a:b@c?token=d":                                       nil,
		"://":                                                 nil, "": nil,
	} {
		require.Equal(t, want, redact.InURLs(text), text)
	}
	var s redact.Set
	s.AddInURLs(map[string]any{"a": []any{"https://u:p%40ssword@x.org"}})
	require.Equal(t, "[REDACTED] [REDACTED]", s.String("p%40ssword p@ssword"))
}
