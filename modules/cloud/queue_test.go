package cloud_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
)

func TestOnlyAHostOfAWSsOwnIsSQS(t *testing.T) {
	for address, want := range map[string]bool{
		"https://sqs.eu-west-1.amazonaws.com/1/q":                           true,
		"https://sqs.eu-west-1.amazonaws.com:443/1/q":                       true,
		"https://sqs-fips.us-east-1.amazonaws.com/1/q":                      true,
		"https://sqs.cn-north-1.amazonaws.com.cn/1/q":                       true,
		"https://sqs.eu-west-1.api.aws/1/q":                                 true,
		"https://eu-west-1.queue.amazonaws.com/1/q":                         true,
		"https://queue.amazonaws.com/1/q":                                   true,
		"https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com/1/q":           true,
		"http://sqs.eu-west-1.amazonaws.com/1/q":                            false,
		"https://sqs.eu-west-1.amazonaws.com:8443/1/q":                      false,
		"https://user@sqs.eu-west-1.amazonaws.com/1/q":                      false,
		"https://sqs.eu-west-1.amazonaws.com.evil.example/1/q":              false,
		"https://abc.execute-api.eu-west-1.amazonaws.com/sqs/q":             false,
		"https://sqs.s3.amazonaws.com/1/q":                                  false,
		"https://sqs.s3-eu-west-1.amazonaws.com/1/q":                        false,
		"https://sqs.s3.eu-west-1.amazonaws.com/1/q":                        false,
		"https://ec2-1-2-3-4.sqs.compute.amazonaws.com/1/q":                 false,
		"https://vpce-0a-1b.execute-api.eu-west-1.vpce.amazonaws.com/sqs/q": false,
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, want, cloud.IsSQS(u), address)
	}
}

func TestAQueueOfAWSsHasOneNameByWhateverHostItIsReached(t *testing.T) {
	for host, want := range map[string]string{
		"sqs.eu-west-1.amazonaws.com":                 "sqs.eu-west-1.amazonaws.com",
		"sqs-fips.us-east-1.amazonaws.com":            "sqs.us-east-1.amazonaws.com",
		"sqs.eu-west-1.api.aws":                       "sqs.eu-west-1.amazonaws.com",
		"eu-west-1.queue.amazonaws.com":               "sqs.eu-west-1.amazonaws.com",
		"vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com": "sqs.eu-west-1.amazonaws.com",
		"sqs.cn-north-1.amazonaws.com.cn":             "sqs.cn-north-1.amazonaws.com.cn",
		"queue.amazonaws.com":                         "queue.amazonaws.com",
		"sqs.my-own.example":                          "sqs.my-own.example",
	} {
		require.Equal(t, want, cloud.QueueHost(host), host)
	}
}

func TestAQueuesHostNamesItsRegion(t *testing.T) {
	for host, want := range map[string]string{
		"sqs.eu-west-1.amazonaws.com":                 "eu-west-1",
		"vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com": "eu-west-1",
		"eu-west-1.queue.amazonaws.com":               "eu-west-1",
		"queue.amazonaws.com":                         "",
		"127.0.0.1":                                   "",
	} {
		require.Equal(t, want, cloud.QueueRegion(host), host)
	}
}
