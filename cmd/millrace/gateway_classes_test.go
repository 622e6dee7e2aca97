//go:build linux

package main_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAGatewayOfSeveralQueuesMustKnowWhichIsWhose(t *testing.T) {
	t.Parallel()
	r := newPlace(t).millrace("gateway", "--queue", "local,sqs:jobs", "--region", "eu-west-1", "--sqs-endpoint", "http://127.0.0.1:1")
	require.Equal(t, 2, r.code, r.stderr)
	require.Contains(t, r.stderr, "--queue: a job goes to one queue, and 2 are named")
}

func TestV46AGatewayPutsAJobIntoTheQueueOfItsClass(t *testing.T) {
	t.Parallel()
	p := withServers(t)
	light := p.queue
	gpu := p.onSQS().queue
	d := (&mill{t: t, data: p.dir, env: p.env}).gateway("--queue", "light="+light+",gpu="+gpu)
	for message, queue := range map[string]string{
		`{"id": "small", "pipeline": "hello_world"}`:                               light,
		`{"id": "large", "pipeline": "hello_world", "requires": {"class": "gpu"}}`: gpu,
	} {
		status, answer := d.post("/v1/jobs", "application/json", message)
		require.Equal(t, http.StatusAccepted, status, answer)
		waiting := p.succeeds("queue", "peek", "--queue", queue, "--json")
		require.Contains(t, waiting, d.jobs(answer)[0], queue)
	}
	status, answer := d.post("/v1/jobs", "application/json", `{"pipeline": "hello_world", "class": "heavy"}`)
	require.Equal(t, http.StatusUnprocessableEntity, status, answer)
	require.Contains(t, answer, "for workers of class heavy, and this gateway knows no queue of theirs")
	d.signal()
	d.end()
}
