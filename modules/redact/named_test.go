package redact_test

import (
	"encoding/json"
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

func TestNumbersBelowSecretNamesAreSecret(t *testing.T) {
	s := new(redact.Set)
	s.AddNamed(map[string]any{
		"password": int64(123456789012), "pins": map[string]any{"secret": 12345678.5}, "token": 1.25e21, "api_key": json.Number("777777777"),
		"cookie": true, "count": int64(111111111),
	})
	const m = redact.Mask
	require.Equal(t, m+" "+m+" "+m+" "+m+" "+m+" true 111111111",
		s.String("123456789012 12345678.5 1.25e+21 1250000000000000000000 777777777 true 111111111"))
}
