package sqsqueue

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheServicesThatMaySendAreReadOfAnyFormOfAPolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, policy string
		want         []string
	}{
		{"none", "", nil},
		{"one statement, one service", `{"Statement":{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sqs:SendMessage"}}`, []string{"s3.amazonaws.com"}},
		{
			"several, each once", `{"Statement":[{"Effect":"Allow","Principal":{"Service":["sns.amazonaws.com","s3.amazonaws.com"]}},{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"}}]}`,
			[]string{"s3.amazonaws.com", "sns.amazonaws.com"},
		},
		{"everybody", `{"Statement":[{"Effect":"Allow","Principal":"*"},{"Effect":"Allow","Principal":{"AWS":"*"}}]}`, nil},
		{"one that is denied", `{"Statement":[{"Effect":"Deny","Principal":{"Service":"s3.amazonaws.com"}}]}`, nil},
		{"no policy at all", `[1]`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, services(tt.policy)) })
	}
}
