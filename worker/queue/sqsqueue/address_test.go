package sqsqueue

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAURLLeadsWhereItSays(t *testing.T) {
	for _, tt := range []struct{ url, region, endpoint string }{
		{"https://sqs.eu-west-1.amazonaws.com/1/jobs", "eu-west-1", "https://sqs.eu-west-1.amazonaws.com"},
		{"https://vpce-0a-x.sqs.eu-west-1.vpce.amazonaws.com/1/jobs", "eu-west-1", "https://vpce-0a-x.sqs.eu-west-1.vpce.amazonaws.com"},
		{"https://sqs-fips.us-west-2.amazonaws.com/1/jobs", "us-west-2", "https://sqs-fips.us-west-2.amazonaws.com"},
		{"https://sqs.eu-west-1.api.aws/1/jobs", "eu-west-1", "https://sqs.eu-west-1.api.aws"},
		{"https://eu-west-1.queue.amazonaws.com/1/jobs", "eu-west-1", ""},
		{"http://127.0.0.1:9324/1/jobs", "other", "http://127.0.0.1:9324"},
	} {
		a, err := parseAddress(tt.url)
		require.NoError(t, err)
		require.Equal(t, []string{tt.region, tt.endpoint}, []string{a.region("other"), a.endpoint()}, tt.url)
	}
}
