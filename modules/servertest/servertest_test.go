package servertest_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
)

func TestEveryServerAnswers(t *testing.T) {
	for name, start := range map[string]func(testing.TB) string{
		"fauxqs": servertest.Fauxqs, "ElasticMQ": servertest.ElasticMQ, "versitygw": servertest.Versitygw,
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := start(t)
			require.Equal(t, endpoint, start(t), "it is started once")
			resp, err := http.Get(endpoint)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		})
	}
}

func TestAPortIsGivenOnce(t *testing.T) {
	given := map[int]bool{}
	for range 50 {
		port, hold, err := servertest.Reserve()
		require.NoError(t, err)
		defer hold.Close()
		require.False(t, given[port])
		given[port] = true
	}
	require.Len(t, given, 50)
}

func TestKafkaTakesConnections(t *testing.T) {
	broker := servertest.Kafka(t)
	require.Equal(t, broker, servertest.Kafka(t), "it is started once")
	for _, address := range []string{broker.Plain, broker.Secure} {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
}
