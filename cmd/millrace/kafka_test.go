package main_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
)

func TestKafkaTasksSendWhereTheOperatorSays(t *testing.T) {
	p := newPlace(t)
	p.write("p.yaml", "tasks: [{module: Kafka, props: {topic: results, timeout: 1s}}]\n")
	r := p.millrace("run", "p.yaml")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout+r.stderr, "there are no Kafka brokers; set MILLRACE_KAFKA_BROKERS")

	port, hold, err := servertest.Reserve()
	require.NoError(t, err)
	defer hold.Close()
	broker := fmt.Sprintf("127.0.0.1:%d", port)
	r = p.millrace("run", "p.yaml", "--kafka-brokers="+broker)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout+r.stderr, "reach Kafka at "+broker)

	r = p.millrace("run", "p.yaml", "--kafka-brokers=kafka", "--kafka-mechanism=plain")
	require.Contains(t, r.stdout+r.stderr, `"kafka" is no broker; one looks like kafka.example.com:9092`)
	require.Contains(t, r.stdout+r.stderr, "needs MILLRACE_KAFKA_USERNAME and MILLRACE_KAFKA_PASSWORD")
}
