package sqsqueue_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
)

func TestAQueueIsNamedByItsNameARNOrURL(t *testing.T) {
	s := server{endpoint: servertest.ElasticMQ(t)}
	name, _ := s.queues(t, 100)
	want := s.open(t, name).Name()
	for _, ref := range []string{"arn:aws:sqs:us-east-1:000000000000:" + name, s.endpoint + "/000000000000/" + name} {
		require.Equal(t, want, s.open(t, ref).Name())
	}
	d, err := sqsqueue.Open(t.Context(), sqsqueue.Config{Queue: want, AWS: sdk.AWS{Region: "us-east-1"}})
	require.NoError(t, err, "a URL that is not AWS's says where the server is")
	require.NoError(t, d.Close())
}

func TestOpenSaysInOneLineWhatIsWrong(t *testing.T) {
	s := server{endpoint: servertest.ElasticMQ(t)}
	open := func(c sqsqueue.Config) error {
		if c.AWS.Endpoint == "" && c.AWS.Region == "" {
			c.AWS = s.aws()
		}
		_, err := sqsqueue.Open(t.Context(), c)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "\n")
		return err
	}
	require.ErrorContains(t, open(sqsqueue.Config{}), "name, ARN or URL")
	require.ErrorContains(t, open(sqsqueue.Config{Queue: "no queue"}), "at most 80")
	require.ErrorContains(t, open(sqsqueue.Config{Queue: "arn:aws:s3:::bucket"}), "one looks like arn:aws:sqs")
	require.ErrorContains(t, open(sqsqueue.Config{Queue: "ftp://host/queue"}), "one looks like https")
	require.ErrorContains(t, open(sqsqueue.Config{Queue: "q", Visibility: 1500 * time.Millisecond}), "whole seconds")
	require.True(t, cloud.Is(open(sqsqueue.Config{Queue: "is-not-there"}), cloud.Missing))
	require.True(t, cloud.Is(open(sqsqueue.Config{Queue: "q", AWS: sdk.AWS{Region: "us-east-1", Endpoint: "http://127.0.0.1:1"}}), cloud.Unreachable))
}

func TestWhatSQSCanNotHoldIsRefusedInASentence(t *testing.T) {
	s := server{endpoint: servertest.Fauxqs(t), fifo: true}
	name, _ := s.queues(t, 100)
	d := s.open(t, name)
	for _, tt := range []struct {
		name, want string
		queue.Draft
	}{
		{"a delay in a FIFO queue", "FIFO", queue.Draft{Body: []byte("x"), Delay: time.Second}},
		{"more than 1 MiB", "into a store", queue.Draft{Body: make([]byte, 1<<20+1)}},
		{"an attribute of bytes", "UTF-8", queue.Draft{Body: []byte("x"), Attributes: map[string]string{"a": "\xff"}}},
		{"an attribute with a name of ours", "millrace.", queue.Draft{Body: []byte("x"), Attributes: map[string]string{"millrace.origin": "{}"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := d.Send(t.Context(), tt.Draft)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestAFIFOQueueKeepsTheOrderWithinAGroupAndOneMessageOfAKey(t *testing.T) {
	s := server{servertest.ElasticMQ(t), true}
	name, _ := s.queues(t, 100)
	d := s.open(t, name)
	for _, key := range []string{"a", "b", "b", "c"} {
		_, err := d.Send(t.Context(), queue.Draft{Body: []byte(key), Group: "customer with spaces and é", Key: key})
		require.NoError(t, err)
	}
	for _, want := range []string{"a", "b", "c"} {
		ms, err := d.Receive(t.Context(), 1, time.Second)
		require.NoError(t, err)
		require.Len(t, ms, 1)
		require.Equal(t, want, string(ms[0].Body))
		next, err := d.Receive(t.Context(), 1, 0)
		require.NoError(t, err)
		require.Empty(t, next, "the group waits for the message in flight")
		require.NoError(t, d.Ack(t.Context(), []queue.Receipt{ms[0].Receipt})[0])
	}
}

func TestExamineNamesEachFaultWithItsRemedy(t *testing.T) {
	levels := func(d *sqsqueue.Driver) map[string]queue.Level {
		m := map[string]queue.Level{}
		for _, f := range d.Examine(t.Context()) {
			m[f.Check] = f.Level
			require.Equal(t, f.Level == queue.Good, f.Remedy == "", "%+v", f)
			require.NotEmpty(t, f.Text)
		}
		return m
	}
	s := server{endpoint: servertest.Fauxqs(t)}
	name, dead := s.queues(t, 100)
	client := s.client(t)
	set := func(name, retention string) {
		u, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
		require.NoError(t, err)
		_, err = client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
			QueueUrl: u.QueueUrl, Attributes: map[string]string{"MessageRetentionPeriod": retention},
		})
		require.NoError(t, err)
	}
	d, err := sqsqueue.Open(t.Context(), sqsqueue.Config{Queue: name, AWS: s.aws()})
	require.NoError(t, err)
	set(dead, "1209600")
	for check, level := range levels(d) {
		require.Equal(t, queue.Good, level, check)
	}
	set(dead, "60")
	require.Equal(t, queue.Bad, levels(d)["retention"])
	require.NoError(t, d.Close())

	few, _ := s.queues(t, 2)
	got := levels(s.open(t, few))
	require.Equal(t, []queue.Level{queue.Bad, queue.Warning}, []queue.Level{got["receive count"], got["visibility"]})
	require.Equal(t, queue.Bad, levels(s.open(t, dead))["dead-letter queue"])

	skewed := s.through(t, func(w http.ResponseWriter, _ string) bool {
		w.Header().Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte(`{"QueueUrl": "http://x/1/q", "Attributes": {}}`))
		return true
	}, nil)
	require.Equal(t, queue.Warning, levels(skewed.open(t, "q"))["clock"])
}

func TestF46ASecretThatIsReplacedInAFileCountsAMinuteLater(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(key string) {
		require.NoError(t, os.WriteFile(file, []byte("[default]\naws_access_key_id = "+key+"\naws_secret_access_key = s\n"), 0o600))
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	write("first")
	conf, err := server{}.aws().Load(t.Context())
	require.NoError(t, err)
	c, err := conf.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "first", c.AccessKeyID)
	require.WithinDuration(t, time.Now().Add(time.Minute), c.Expires, 10*time.Second)
	write("second")
	conf.Credentials.(*aws.CredentialsCache).Invalidate() // as the minute does
	c, err = conf.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "second", c.AccessKeyID)
}
