//go:build linux

package main_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
)

// A cloudPlace is a place whose queue and store lie on servers that speak as AWS and IBM COS do.
type cloudPlace struct {
	*place
	queue string // as --queue names it
	sqs   *sqs.Client
	// catalogue is a bucket's folder with the pipeline telltale, which prints the environment of its program.
	catalogue string
}

// queueName is an SQS queue's for this test alone.
func queueName(t *testing.T) string {
	return "q" + strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' {
			return '-'
		}
		return r
	}, t.Name())[max(0, len(t.Name())-60):]
}

// withServers gives a place what it needs to reach the servers, and a bucket.
func withServers(t *testing.T) *cloudPlace {
	t.Helper()
	p := &cloudPlace{place: newPlace(t)}
	bucket := strings.ToLower(fmt.Sprintf("b%d", time.Now().UnixNano()))
	keys := credentials.NewStaticCredentialsProvider(servertest.AccessKey, servertest.SecretKey, "")
	store := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(servertest.Versitygw(t)), UsePathStyle: true, Credentials: keys})
	_, err := store.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	require.NoError(t, err)
	_, err = store.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &bucket, Key: aws.String("pipelines/telltale.yaml"),
		Body: strings.NewReader("name: Telltale\ntasks: [{module: Shell, props: {command: env}}]\n"),
	})
	require.NoError(t, err)
	p.catalogue = "s3://" + bucket + "/pipelines"
	p.sqs = sqs.New(sqs.Options{Region: "us-east-1", BaseEndpoint: aws.String(servertest.Fauxqs(t)), Credentials: keys})
	p.env = []string{
		"AWS_ACCESS_KEY_ID=" + servertest.AccessKey, "AWS_SECRET_ACCESS_KEY=" + servertest.SecretKey, "MILLRACE_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true",
		"MILLRACE_SQS_ENDPOINT=" + servertest.Fauxqs(t), "MILLRACE_S3_ENDPOINT=" + servertest.Versitygw(t),
		"MILLRACE_COS_ENDPOINT=" + servertest.Versitygw(t),
		"MILLRACE_COS_ACCESS_KEY_ID=" + servertest.AccessKey, "MILLRACE_COS_SECRET_ACCESS_KEY=" + servertest.SecretKey,
		"MILLRACE_STORE=s3://" + bucket + "/records", "MILLRACE_QUEUE=cos://" + bucket + "/queue",
	}
	p.queue = "cos://" + bucket + "/queue"
	return p
}

// onSQS makes an SQS queue with a dead-letter queue, and has the place use it.
func (p *cloudPlace) onSQS() *cloudPlace {
	p.t.Helper()
	name := queueName(p.t)
	dead, err := p.sqs.CreateQueue(p.t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String(name + "-dead"), Attributes: map[string]string{"MessageRetentionPeriod": "1209600"},
	})
	require.NoError(p.t, err)
	about, err := p.sqs.GetQueueAttributes(p.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: dead.QueueUrl, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	require.NoError(p.t, err)
	_, err = p.sqs.CreateQueue(p.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{
		"VisibilityTimeout": "30", "MessageRetentionPeriod": "345600",
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"100"}`, about.Attributes["QueueArn"]),
	}})
	require.NoError(p.t, err)
	p.queue = "sqs:" + name
	p.env = append(p.env, "MILLRACE_QUEUE="+p.queue)
	return p
}

// Both brokers, by the same words: sent, worked, recorded, given up, explained, sent again.
func TestAJobOnABrokerIsSentRunRecordedGivenUpAndSentAgain(t *testing.T) {
	for _, broker := range []string{"SQS", "COS"} {
		t.Run(broker, func(t *testing.T) {
			t.Parallel()
			p := withServers(t)
			if broker == "SQS" {
				p.onSQS()
			}
			good := id(t, p.succeeds("jobs", "run", "hello_world", "name=Ada", "--customer-id", "acme"))
			p.write("own.json", `{"id": "order-7", "pipeline": {"tasks": [{"module": "StdOut", "props": {"msg": "x"}}]}}`)
			p.succeeds("queue", "send", "own.json")
			require.EqualValues(t, 2, decoded[[]map[string]any](t, p.succeeds("queue", "depth", "--json"))[0]["visible"])
			told := id(t, p.succeeds("jobs", "run", "telltale", "--pipelines", p.catalogue))
			work := p.millrace("work", "--exit-when-idle", "2s", "--pipelines", p.catalogue)
			require.Zero(t, work.code, work.stderr)
			require.Equal(t, 1, strings.Count(work.stderr, "keys of AWS: jobs get those that the worker's queue and records are reached with"), work.stderr)

			environment := p.succeeds("jobs", "logs", told)
			require.Contains(t, environment, "JOB_ID=")
			for _, secret := range []string{servertest.AccessKey, servertest.SecretKey, "AWS_", "MILLRACE_COS"} {
				require.NotContains(t, environment, secret, "programs of jobs get no credentials")
			}
			require.Contains(t, p.succeeds("jobs", "logs", good), "Hello Ada")
			require.Equal(t, "SUCCEEDED", decoded[map[string]any](t, p.succeeds("jobs", "describe", good, "--json"))["status"])
			list := p.millrace("jobs", "list")
			require.Contains(t, list.stdout, "order-7")
			require.Contains(t, list.stderr, "can't be searched")
			require.NoDirExists(t, p.dir+"/.millrace/store")

			explained := strings.Join(strings.Fields(p.succeeds("dlq", "explain", "order-")), " ")
			for _, text := range []string{"order-7", "brings its own pipeline", "FAILED", "dlq redrive"} {
				require.Contains(t, explained, text, "a stranger's pipeline is not run where anybody may send")
			}
			r := p.millrace("dlq", "replay", "--local", "order-7")
			require.Equal(t, 1, r.code)
			require.Contains(t, r.stderr, "--trust")
			require.Equal(t, "x\n", p.succeeds("dlq", "replay", "--local", "order-7", "--trust"))

			again := id(t, p.succeeds("dlq", "redrive", "order-7"))
			require.Regexp(t, `^order-7-retry-[0-9a-f]+$`, again)
			require.Contains(t, p.millrace("dlq", "list").stderr, "empty")
			p.succeeds("work", "--exit-when-idle", "2s", "--inline", "on")
			require.Contains(t, p.succeeds("jobs", "logs", again), "x")
			require.Contains(t, p.succeeds("doctor", "--callback-url", ""), "ok")
		})
	}
}

// Killed in the middle and begun again, a redrive keeps its rate, loses no job and makes none of it two. What the look
// of a killed one has hidden stays where it is for a while.
func TestF45ARedriveOfAThousandThatIsKilledLosesNoneAndKeepsItsRate(t *testing.T) {
	t.Parallel()
	p := withServers(t).onSQS()
	dead, err := p.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(queueName(t) + "-dead")})
	require.NoError(t, err)
	for i := range 100 {
		var ten []types.SendMessageBatchRequestEntry
		for j := range 10 {
			body := fmt.Sprintf(`{"id": "order-%d%d", "pipeline": "hello_world"}`, i, j)
			ten = append(ten, types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(j)), MessageBody: &body})
		}
		_, err := p.sqs.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: dead.QueueUrl, Entries: ten})
		require.NoError(t, err)
	}
	killed := exec.CommandContext(t.Context(), binary, "dlq", "redrive", "--all", "--rate", "500")
	killed.Dir, killed.Env = p.dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir}, p.env...)
	out, err := killed.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, killed.Start())
	lines := bufio.NewScanner(out)
	for range 120 {
		require.True(t, lines.Scan())
	}
	require.NoError(t, killed.Process.Kill())
	require.Error(t, killed.Wait())

	began := time.Now()
	r := p.millrace("dlq", "redrive", "--all", "--rate", "400")
	require.Equal(t, 0, r.code, r.stderr)
	again := strings.Count(r.stdout, "\n")
	require.Greater(t, time.Since(began), time.Duration(again-10)*time.Second/400)
	row := decoded[[]map[string]any](t, p.succeeds("queue", "depth", "--json"))[0]
	sent, left := int(row["visible"].(float64)), int(row["dead"].(float64))
	require.LessOrEqual(t, left, 50, "what one page has hidden")
	live, err := p.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(queueName(t))})
	require.NoError(t, err)
	messages, jobs, orders := map[string]bool{}, map[string]bool{}, map[string]bool{}
	// What an answer held that never came is there again after its timeout.
	for late := time.Now().Add(2 * time.Minute); len(messages) < sent; {
		require.True(t, time.Now().Before(late), "%d of %d are there", len(messages), sent)
		got, err := p.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: live.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5, VisibilityTimeout: 20,
		})
		require.NoError(t, err)
		for _, m := range got.Messages {
			order, _, again := strings.Cut(*m.Body, "-retry-")
			require.True(t, again)
			messages[*m.MessageId], jobs[*m.Body], orders[order] = true, true, true
			_, err := p.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: live.QueueUrl, ReceiptHandle: m.ReceiptHandle})
			require.NoError(t, err)
		}
	}
	require.GreaterOrEqual(t, len(orders)+left, 1000, "none is lost")
	require.Contains(t, []int{0, 1}, sent+left-1000, "one may have been sent, and not yet deleted")
	require.Len(t, jobs, len(orders), "it is the same job then")
	require.Equal(t, 2, p.millrace("queue", "purge").code)
	p.succeeds("queue", "purge", "--yes")
}

func TestWhatAServiceRefusesAtTheStartHasAnExitCodeOfItsOwn(t *testing.T) {
	t.Parallel()
	p := withServers(t).onSQS()
	denied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("x-amzn-query-error", "InvalidClientTokenId;Sender")
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"__type":"com.amazonaws.sqs#InvalidClientTokenId","message":"The security token included in the request is invalid."}`)
	}))
	t.Cleanup(denied.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	bucket, _, _ := strings.Cut(strings.TrimPrefix(lastOf(p.env, "MILLRACE_STORE="), "s3://"), "/")
	for _, tt := range []struct {
		name string
		args []string
		env  string
		code int
		text string
	}{
		{"no such queue", []string{"--queue", "sqs:not-there"}, "", 3, "not-there"},
		{"no such bucket for records", []string{"--store", "s3://not-there-" + bucket}, "", 3, "not-there"},
		{"no such bucket for messages", []string{"--queue", "cos://not-there-" + bucket + "/q"}, "", 3, "not-there"},
		{"credentials that SQS refuses", []string{"--sqs-endpoint", denied.URL}, "", 4, "credentials are wrong"},
		{"a key that S3 does not know", nil, "AWS_SECRET_ACCESS_KEY=wrong", 4, "credentials are wrong"},
		{"a key that COS does not know", []string{"--queue", "cos://" + bucket + "/q"}, "MILLRACE_COS_SECRET_ACCESS_KEY=wrong", 4, "credentials are wrong"},
		{"nobody answers for SQS", []string{"--sqs-endpoint", gone.URL}, "", 5, "refused"},
		{"nobody answers for COS", []string{"--queue", "cos://" + bucket + "/q", "--cos-endpoint", gone.URL}, "", 5, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &place{t: t, dir: t.TempDir(), env: append(p.env[:len(p.env):len(p.env)], tt.env)}
			r := p.millrace(append([]string{"work", "--exit-when-idle", "1s"}, tt.args...)...)
			require.Equal(t, tt.code, r.code, r.stderr)
			require.Contains(t, r.stderr, tt.text)
			require.Equal(t, 1, strings.Count(r.stderr, "\n"), "one line: %s", r.stderr)
			sick := p.millrace(append([]string{"doctor"}, tt.args...)...)
			require.Equal(t, 1, sick.code, sick.stdout)
			require.Contains(t, sick.stdout, "error")
		})
	}
}

func TestADoctorTellsTheSameOfEachBroker(t *testing.T) {
	t.Parallel()
	p := withServers(t)
	cos := p.queue
	p.onSQS()
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	p.env = append(p.env, "MILLRACE_CALLBACK_SECRET="+secret)
	rows := decoded[[]map[string]any](t, p.succeeds("doctor", "--queue", p.queue+","+cos+",local", "--deadline", "13h", "--json"))
	seen := map[any]bool{}
	for _, r := range rows {
		require.NotEqual(t, "error", r["level"], "%v", r)
		require.NotEmpty(t, r["text"])
		if r["level"] == "warning" {
			require.NotEmpty(t, r["remedy"], "%v", r)
		}
		seen[r["of"]] = true
	}
	require.Len(t, seen, 6)
	require.NotContains(t, fmt.Sprint(rows), secret)
	require.Contains(t, fmt.Sprint(rows), "12h")
	require.Contains(t, fmt.Sprint(rows), "keys of AWS")
	require.Contains(t, fmt.Sprint(rows), "keys of COS")
	own := p.succeeds("doctor", "--queue", p.queue, "--data-profile", "jobs")
	require.NotContains(t, own, "keys of")
}

func lastOf(env []string, key string) (value string) {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, key); ok {
			value = v
		}
	}
	return value
}
