package main_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestACallbackThatWasGivenUpIsListedAndSentAgainByHand(t *testing.T) {
	t.Parallel()
	var status, heard atomic.Int32
	status.Store(http.StatusGone)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		heard.Add(1)
		w.WriteHeader(int(status.Load()))
	}))
	t.Cleanup(receiver.Close)
	p := newPlace(t)
	p.env = []string{"MILLRACE_CALLBACK_SECRET=whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))), "MILLRACE_ALLOW_HOSTS=127.0.0.1"}
	require.Contains(t, p.millrace("callbacks", "list").stderr, "there is no folder")
	job := id(t, p.succeeds("jobs", "run", "hello_world", "--callback", receiver.URL+"/done?token=t0ken"))
	p.work()
	require.EqualValues(t, 1, heard.Load())
	rows := decoded[[]map[string]any](t, p.succeeds("callbacks", "list", "--json"))
	require.Len(t, rows, 1)
	require.Equal(t, []any{job, "given up", receiver.URL}, []any{rows[0]["job"], rows[0]["state"], rows[0]["host"]})
	require.Contains(t, p.succeeds("callbacks", "list"), "given up")

	require.Equal(t, 2, p.millrace("callbacks", "replay").code)
	require.Equal(t, 1, p.millrace("callbacks", "replay", "no-such-job").code)
	status.Store(http.StatusOK)
	require.Equal(t, job, id(t, p.succeeds("callbacks", "replay", job)))
	require.Contains(t, p.succeeds("callbacks", "list"), "owed")
	require.Contains(t, p.millrace("callbacks", "deliver").stderr, "1 callback delivered")
	require.EqualValues(t, 2, heard.Load())
	require.Contains(t, p.millrace("callbacks", "list").stderr, "no callback is owed")
	require.Equal(t, "SUCCEEDED", decoded[map[string]any](t, p.succeeds("jobs", "describe", job, "--json"))["status"])
}

func TestQueueCommandsRefuseWhatTheyCannotMean(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.succeeds("jobs", "run", "hello_world")
	for _, tt := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"queue", "purge"}, 2, "about 1 message, for good; say --yes"},
		{[]string{"queue", "send", "-"}, 1, "the message is empty"},
		{[]string{"queue", "send", "nope.json"}, 1, "nope.json can't be read: no such file"},
		{[]string{"queue", "send", "-", "--attribute", "x"}, 2, `"x" is not key=value`},
		{[]string{"queue", "peek", "--limit", "0"}, 2, "--limit: must be 1 to 1000"},
		{[]string{"dlq", "redrive"}, 2, "give one ID, or --all"},
		{[]string{"dlq", "redrive", "--all", "--rate", "0"}, 2, "--rate: must be 1 to 1000"},
		{[]string{"dlq", "replay", "x"}, 2, "say --local"},
		{[]string{"dlq", "explain", "x"}, 1, `no message "x"`},
		{[]string{"queue", "depth", "--queue", "sqs"}, 2, `--queue: "sqs" is no queue`},
		{[]string{"queue", "depth", "--queue", "cos://b"}, 2, "no COS credentials are given"},
		{[]string{"queue", "depth", "--queue", "sqs:jobs", "--sqs-endpoint", "localhost:9324"}, 2, `"localhost:9324" is not the URL of a server`},
		{[]string{"jobs", "list", "--store", "s3"}, 2, `--store: "s3" is no store`},
		{[]string{"work", "--labels", "memory=24Gx"}, 2, `"memory=24Gx" is no size`},
		{[]string{"pipelines", "--pipelines", "cos://b/p"}, 2, "cos://b/p is a bucket"},
		{[]string{"work", "--labels", "gpu", "--class-queues", "gpu=jobs", "--wake", "8080", "--queue-order", "random"}, 2, `"gpu" is no label`},
		{[]string{"work", "--labels", "kind=gpu"}, 2, "kind is another word for class in what messages require; write class=gpu"},
		{[]string{"work", "--class-queues", "GPU=sqs:a,gpu=sqs:b"}, 2, "--class-queues: class gpu has two queues"},
	} {
		r := p.millrace(tt.args...)
		require.Equal(t, tt.code, r.code, "%v: %s", tt.args, r.stderr)
		require.Contains(t, r.stderr, tt.text)
	}
	require.Contains(t, p.succeeds("queue", "peek"), "visible")
	p.succeeds("queue", "purge", "--yes")
	require.Contains(t, p.millrace("queue", "peek").stderr, "nothing")
	require.Contains(t, p.succeeds("doctor"), "this machine")
}
