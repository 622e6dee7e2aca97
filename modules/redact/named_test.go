package redact_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/redact"
)

func TestTextsBelowSecretNamesAreSecret(t *testing.T) {
	s := new(redact.Set)
	s.AddNamed(map[string]any{
		"plain":       "plain-text",
		"password":    "hunter-1",
		"list":        []any{map[string]any{"api_key": "hunter-2", "n": 1}, "plain-too"},
		"credentials": map[string]any{"user": "hunter-3", "keys": []any{"hunter-4", 5, nil}},
		"token":       nil,
	})
	require.Equal(t, "plain-text plain-too "+redact.Mask+redact.Mask+redact.Mask+redact.Mask, s.String("plain-text plain-too hunter-1hunter-2hunter-3hunter-4"))
}
