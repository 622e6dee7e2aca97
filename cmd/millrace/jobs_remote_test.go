//go:build linux

package main_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

// No worker has claimed the jobs yet, and neither SQS nor a bucket can be searched for them.
func TestAJobThatOnlyABrokerKnowsIsWaitedForAndKeptFromBeingRun(t *testing.T) {
	for _, broker := range []string{"SQS", "COS"} {
		t.Run(broker, func(t *testing.T) {
			t.Parallel()
			p := withServers(t)
			if broker == "SQS" {
				p.onSQS()
			}
			unwanted := id(t, p.succeeds("jobs", "run", "hello_world", "name=Bob"))
			r := p.millrace("jobs", "cancel", unwanted)
			require.Equal(t, 0, r.code, r.stderr)
			require.Contains(t, r.stdout, "will not run it")

			wait := p.start("", "jobs", "run", "hello_world", "name=Ada", "--watch")
			p.succeeds("work", "--exit-when-idle", "3s")
			watched := wait()
			require.Equal(t, 0, watched.code, watched.stderr)
			require.Contains(t, watched.stdout, "Hello Ada")
			require.Contains(t, watched.stderr, "SUCCEEDED")
			require.Contains(t, p.succeeds("jobs", "describe", unwanted), "CANCELLED")
			require.Equal(t, 1, p.millrace("jobs", "describe", "never-sent").code)
		})
	}
}

func TestAQueueWithoutADeadLetterQueueIsSaidAtTheStartAndInTheList(t *testing.T) {
	t.Parallel()
	p := withServers(t)
	bucket := p.queue
	_, err := p.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(queueName(t))})
	require.NoError(t, err)
	p.env = append(p.env, "MILLRACE_QUEUE=sqs:"+queueName(t)+","+bucket)
	r := p.millrace("work", "--exit-when-idle", "1s")
	require.Equal(t, 0, r.code, r.stderr)
	require.Equal(t, 1, strings.Count(r.stderr, "dead-letter queue: there is none"), r.stderr)
	require.Regexp(t, `queue requests.*queue=`+bucket+` requests=\d+ messages=0`, r.stderr)
	r = p.millrace("dlq", "list", "--queue", "sqs:"+queueName(t))
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "it has no dead-letter queue")
	require.Contains(t, r.stderr, "redrive policy")
	r = p.millrace("doctor", "--queue", bucket, "--class-queues", "gpu=sqs:not-there")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "sqs:not-there (class gpu)")
	r = p.millrace("jobs", "run", "hello_world", "--deadline", "13h", "--queue", "sqs:"+queueName(t), "--dry-run")
	require.Equal(t, 0, r.code)
	require.Contains(t, r.stderr, "no message be held for longer than 12h")
}

func TestACompressedMessageIsReplayed(t *testing.T) {
	t.Parallel()
	p := withServers(t).onSQS()
	dead, err := p.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(queueName(t) + "-dead")})
	require.NoError(t, err)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write([]byte(`{"id": "packed-1", "pipeline": "hello_world", "state": {"name": "Ada"}}`))
	require.NoError(t, errors.Join(err, z.Close()))
	_, err = p.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: dead.QueueUrl, MessageBody: aws.String(base64.StdEncoding.EncodeToString(packed.Bytes())),
		MessageAttributes: map[string]types.MessageAttributeValue{"content-encoding": {DataType: aws.String("String"), StringValue: aws.String("gzip")}},
	})
	require.NoError(t, err)
	message := decoded[[]map[string]any](t, p.succeeds("dlq", "list", "--json"))[0]["id"].(string)
	require.Contains(t, p.succeeds("dlq", "explain", message), "Its body is packed")
	require.Contains(t, p.succeeds("dlq", "replay", "--local", message), "Hello Ada")
}
