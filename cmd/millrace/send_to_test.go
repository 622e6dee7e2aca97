//go:build linux

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

// payroll is a queue that this test alone uses, of servers that all take the operator's keys.
func (p *cloudPlace) payroll() (url string, sent func() []string) {
	p.t.Helper()
	out, err := p.sqs.CreateQueue(p.t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(queueName(p.t) + "-payroll")})
	require.NoError(p.t, err)
	return *out.QueueUrl, func() (bodies []string) {
		got, err := p.sqs.ReceiveMessage(p.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: out.QueueUrl, MaxNumberOfMessages: 10})
		require.NoError(p.t, err)
		for _, m := range got.Messages {
			bodies = append(bodies, *m.Body)
		}
		return bodies
	}
}

// What a message brings, a callback or a whole pipeline, sends nothing with the operator's keys but where he says.
func TestOnlyTheCatalogueSendsWithTheOperatorsKeys(t *testing.T) {
	t.Parallel()
	p := withServers(t)
	url, sent := p.payroll()
	p.env = append(p.env, "MILLRACE_QUEUE=", "MILLRACE_STORE=")
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "catalogue"), 0o700))
	send := func(text string) string {
		return fmt.Sprintf(`{"module": "SQS", "props": {"queueUrl": %q, "message": %q}}`, url, text)
	}
	p.write("catalogue/own.yaml", "tasks: ["+send("own")+"]\n")
	p.write("catalogue/quiet.yaml", "tasks: [{module: Now, props: {key: at}}]\n")
	p.write("callback.json", `{"pipeline": "quiet", "callbacks": {"onSuccess": [`+send("callback")+`]}}`)
	p.write("inline.json", `{"pipeline": {"tasks": [`+send("inline")+`]}}`)
	run := func(more ...string) (jobs []string) {
		jobs = append(jobs, id(t, p.succeeds("jobs", "run", "own", "--pipelines", p.dir+"/catalogue")))
		for _, file := range []string{"callback.json", "inline.json"} {
			jobs = append(jobs, id(t, p.succeeds("queue", "send", file)))
		}
		p.millrace(append([]string{"work", "--exit-when-idle", "1s", "--pipelines", p.dir + "/catalogue", "--max-attempts", "1"}, more...)...)
		return jobs
	}
	jobs := run()
	require.Equal(t, []string{"own"}, sent())
	for _, job := range jobs[1:] {
		require.Contains(t, p.succeeds("jobs", "logs", job), "what a message brings, or is replayed without --trust, may send nowhere with the operator's keys")
	}
	_, place, _ := strings.Cut(url, "://")
	run("--send-to", "sqs://"+place)
	require.ElementsMatch(t, []string{"own", "callback", "inline"}, sent())
	jobs = run("--send-to", "kafka://other")
	require.Empty(t, sent())
	require.Contains(t, p.succeeds("jobs", "logs", jobs[0]), "is none of those that jobs may send to; the operator can list it with MILLRACE_SEND_TO")
	replay := []string{"dlq", "replay", "--local", jobs[0], "--pipelines", p.dir + "/catalogue", "--workspace"}
	r := p.millrace(append(replay, p.dir+"/1")...)
	require.Contains(t, r.stdout+r.stderr, "sqs://"+place+": what a message brings, or is replayed without --trust, may send nowhere")
	require.Empty(t, sent())
	p.succeeds(append(replay, p.dir+"/2", "--send-to", "sqs://"+place)...)
	p.succeeds(append(replay, p.dir+"/3", "--trust")...)
	require.Equal(t, []string{"own", "own"}, sent())
	require.Contains(t, p.millrace("work", "--send-to", "payroll").stderr, `"payroll" is no queue or topic; write sqs://`)
	for _, host := range []string{"vpce-0a.sqs.eu-west-1.vpce.amazonaws.com", "sqs.eu-west-1.amazonaws.com:443"} {
		require.Contains(t, p.millrace("work", "--send-to", "sqs://"+host+"/1/q").stderr, `write sqs://sqs.eu-west-1.amazonaws.com/1/q`)
	}
}
