//go:build linux

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/record"
)

// weigh tells what an uploaded file holds.
const weigh = `
name: Weigh
tasks:
  - {module: S3, props: {action: download, bucket: "{{ stagingBucket }}", src: "{{ stagingInputPrefix }}/{{ inputFilename }}", dest: file}}
  - {module: Shell, props: {command: cat, args: [file]}}
`

// inSNS is a message as SNS wraps it.
func inSNS(t *testing.T, message string) string {
	body, err := json.Marshal(map[string]any{
		"Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:us-east-1:111122223333:uploads", "Subject": "Amazon S3 Notification",
		"Message": message, "Timestamp": "2025-03-04T10:11:13.000Z", "SignatureVersion": "2", "Signature": "x", "SigningCertURL": "https://x", "UnsubscribeURL": "https://x",
	})
	require.NoError(t, err)
	return string(body)
}

// fromEventBridge is what EventBridge tells of an object: its key is as it is.
func fromEventBridge(t *testing.T, bucket, key string) string {
	body, err := json.Marshal(map[string]any{
		"version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": "Object Created", "source": "aws.s3", "account": "111122223333",
		"time": "2025-03-04T10:11:12Z", "region": "us-east-1", "resources": []string{"arn:aws:s3:::" + bucket},
		"detail": map[string]any{"version": "0", "bucket": map[string]any{"name": bucket}, "reason": "PutObject", "object": map[string]any{"key": key, "size": 9, "etag": "e", "sequencer": "01"}},
	})
	require.NoError(t, err)
	return string(body)
}

// Each event comes twice, as its services promise no better; of the store's own objects no job is made.
func TestUploadsThatSQSTellsOfBecomeOneJobEachWhoeverWrapsTheEvent(t *testing.T) {
	t.Parallel()
	p := withServers(t).onSQS()
	bucket := strings.TrimPrefix(strings.TrimSuffix(p.catalogue, "/pipelines"), "s3://")
	keys := credentials.NewStaticCredentialsProvider(servertest.AccessKey, servertest.SecretKey, "")
	store := s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String(servertest.Versitygw(t)), UsePathStyle: true, Credentials: keys})
	names := []string{"red chair (1)+ü.txt", "a%2Bb.txt", "in sns.txt", "in sns 2.txt", "bridge+1.txt"}
	for _, name := range names {
		_, err := store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("in/" + name), Body: strings.NewReader("holds: " + name)})
		require.NoError(t, err)
	}
	require.NotContains(t, p.succeeds("doctor"), "lets S3 send")
	where, err := p.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(strings.TrimPrefix(p.queue, "sqs:"))})
	require.NoError(t, err)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`
	_, err = p.sqs.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: where.QueueUrl, Attributes: map[string]string{"Policy": policy}})
	require.NoError(t, err)
	require.Contains(t, p.succeeds("doctor"), "lets S3 send of uploads")
	in := func(i int) string { return "in/" + names[i] }
	for range 2 {
		for _, body := range []string{
			s3Event(bucket, in(0), in(1)), inSNS(t, s3Event(bucket, in(2), in(3))), fromEventBridge(t, bucket, in(4)),
			s3Event(bucket, "records/artifacts/j/1/in/x.txt"), s3Event(bucket, "elsewhere/x.txt"),
			`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2024-07-24T16:56:57.011Z","Bucket":"models"}`,
		} {
			_, err := p.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: where.QueueUrl, MessageBody: &body})
			require.NoError(t, err)
		}
	}
	require.NoError(t, os.Mkdir(p.dir+"/mine", 0o755))
	p.write("mine/weigh.yaml", weigh)
	const table = "routes: [{name: weigh, regex: '(^|/)in/', suffixes: [.txt], pipeline: weigh, output: {suffixes: [.json]}}]\n"
	_, err = store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("mine/routes.yaml"), Body: strings.NewReader(table)})
	require.NoError(t, err)
	work := p.millrace("work", "--exit-when-idle", "2s", "--slots", "2", "--pipelines", "mine", "--routes", "s3://"+bucket+"/mine/routes.yaml", "--buckets", bucket)
	require.Zero(t, work.code, work.stderr)
	require.Contains(t, work.stderr, "is what a job has left in the store")

	jobs := decoded[[]map[string]any](t, p.succeeds("jobs", "list", "--json"))
	require.Len(t, jobs, len(names))
	said := ""
	for _, j := range jobs {
		require.Equal(t, string(record.Succeeded), j["status"])
		r := decoded[record.Record](t, p.succeeds("jobs", "describe", j["id"].(string), "--json"))
		require.Len(t, r.Attempts, 1)
		said += p.succeeds("jobs", "logs", r.ID)
	}
	for _, name := range names {
		require.Equal(t, 1, strings.Count(said, "holds: "+name), name)
	}
	require.Contains(t, p.millrace("dlq", "list").stderr, "empty")
}

func TestUploadsWithoutARoutingTableAreGivenUpWithTheRemedyAndSentAgainOnceThereIsOne(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.succeeds("jobs", "run", "hello_world")
	p.write("event.json", s3Event("models", "in/a.txt", "in/b.txt"))
	p.succeeds("queue", "send", "event.json")
	require.Contains(t, strings.Join(strings.Fields(p.succeeds("doctor")), " "), "1 of 2 messages in local tell of uploads, and no routing table")
	p.succeeds("work", "--exit-when-idle", "100ms")
	require.Contains(t, p.succeeds("dlq", "list", "--json"), "MILLRACE_ROUTES")

	require.NoError(t, os.Mkdir(p.dir+"/mine", 0o755))
	p.write("mine/tell.yaml", "name: Tell\ntasks: [{module: StdOut, props: {msg: 'got {{ inputFilename }}'}}]\n")
	p.write("routes.yaml", "routes: [{name: tell, prefix: in/, suffixes: [.txt], pipeline: tell}]\n")
	p.succeeds("dlq", "redrive", "--all")
	p.succeeds("work", "--exit-when-idle", "100ms", "--pipelines", "mine", "--routes", "routes.yaml")
	jobs := decoded[[]map[string]any](t, p.succeeds("jobs", "list", "--json"))
	require.Len(t, jobs, 4, "two, the message that was none, and the first")
}

func TestWhatIsKnownOfAMessageWithSeveralJobsIsShownAndOneOfThemRunHere(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.succeeds("jobs", "run", "hello_world")
	job := func(id, module, props string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/t","type":"job","data":{"id":%[1]q,"pipeline":{"tasks":[{"module":%q,"props":%s}]}}}`, id, module, props)
	}
	p.write("batch.json", "["+job("good", "StdOut", `{"msg":"well"}`)+","+job("bad", "StdOut", `{"width":"x"}`)+"]")
	p.succeeds("queue", "send", "batch.json")
	waiting := p.succeeds("jobs", "list")
	require.Contains(t, waiting, "good")
	require.Contains(t, waiting, "bad")
	require.Equal(t, "QUEUED", decoded[map[string]any](t, p.succeeds("jobs", "describe", "bad", "--json"))["status"])
	p.succeeds("work", "--exit-when-idle", "100ms")

	dead := decoded[[]map[string]any](t, p.succeeds("dlq", "list", "--json"))
	require.Len(t, dead, 1)
	require.Equal(t, []any{"good", "bad"}, dead[0]["jobs"])
	require.Contains(t, dead[0]["reason"], "1 of its 2 jobs failed: bad: ")
	explained := p.succeeds("dlq", "explain", "bad")
	require.Regexp(t, `SUCCEEDED +good`, explained)
	require.Regexp(t, `FAILED +bad`, explained)
	require.Equal(t, "well\n", p.succeeds("dlq", "replay", "--local", "good", "--trust"))
	r := p.millrace("dlq", "replay", "--local", dead[0]["id"].(string), "--trust")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "it asks for several jobs: say which, by its ID: good, bad")

	p.succeeds("dlq", "redrive", "bad")
	p.succeeds("work", "--exit-when-idle", "100ms")
	var ids []string
	for _, j := range decoded[[]map[string]any](t, p.succeeds("jobs", "list", "--json")) {
		ids = append(ids, j["id"].(string))
	}
	require.Len(t, ids, 4, "what has succeeded does not run again: %s", ids)
	require.Regexp(t, `bad-retry-[0-9a-f]{12}`, strings.Join(ids, " "))
}

// The other messages of the dead-letter queue have nothing to do with it.
func TestAMessageThatCanNotBeSentAgainKeepsNoOtherFromIt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.succeeds("jobs", "run", "hello_world")
	p.write("bad.json", `{"pipeline": "no_such_pipeline"}`)
	p.write("full.json", s3Event("models", "in/a.txt", "in/b.txt"))
	full := []string{"queue", "send", "full.json"}
	for i := range 10 {
		full = append(full, "--attribute", fmt.Sprintf("a%d=x", i))
	}
	p.succeeds("queue", "send", "bad.json")
	p.succeeds(full...)
	p.succeeds("queue", "send", "bad.json")
	p.succeeds("work", "--exit-when-idle", "100ms")
	r := p.millrace("dlq", "redrive", "--all")
	require.Equal(t, 1, r.code)
	require.Len(t, strings.Fields(r.stdout), 2, r.stderr)
	require.Contains(t, r.stderr, "has no room for one more attribute")
	require.Contains(t, r.stderr, "1 message can't be sent again")
	require.Len(t, decoded[[]map[string]any](t, p.succeeds("dlq", "list", "--json")), 1)
}

func TestAReplayHasTheFilesThatItsJobWasSentWith(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.succeeds("jobs", "run", "hello_world")
	p.write("x.txt", "from the store\n")
	key := strings.TrimSpace(p.succeeds("files", "put", "x.txt"))
	p.write("job.json", fmt.Sprintf(`{"id":"files","inputs":[{"key":%q,"name":"in/x.txt"}],
		"pipeline":{"tasks":[{"module":"Shell","props":{"command":"cat","args":["in/x.txt"]}},{"module":"StdOut","props":{"msg":"{{ nope }}"}}]}}`, key))
	p.succeeds("queue", "send", "job.json")
	p.succeeds("work", "--exit-when-idle", "100ms")
	require.Contains(t, p.succeeds("dlq", "list", "--json"), "files")
	require.Contains(t, p.millrace("dlq", "replay", "--local", "files", "--trust").stdout, "from the store")
	r := p.millrace("run", "-f", "job.json")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stderr, "send it to its queue")
}

// A worker that is killed between two jobs of a message has the next one go on where it was.
func TestAWorkerKilledBetweenTwoJobsOfAMessageRunsNoneTwice(t *testing.T) {
	t.Parallel()
	m := newMill(t)
	job := func(id, seconds string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/t","type":"job","data":{"id":%q,"pipeline":{"tasks":[{"module":"Shell","props":{"command":"sleep","args":[%q]}}]}}}`, id, id, seconds)
	}
	m.send("[" + job("first", "0") + "," + job("second", "1") + "," + job("third", "0") + "]")
	w := m.start("--slots=2")
	w.until("job settled")
	require.NoError(t, w.cmd.Process.Kill())
	_ = w.cmd.Wait() // killed, as it should be
	require.Equal(t, record.Succeeded, m.record("first").Status)

	m.start("--exit-when-idle=6s", "--slots=2").end() // its lease lasts 5 s
	require.Len(t, m.record("first").Attempts, 1)
	require.Equal(t, record.Succeeded, m.record("second").Status)
	require.Len(t, m.record("third").Attempts, 1)
	depth, err := m.queue.Depth(t.Context())
	require.NoError(t, err)
	require.Zero(t, depth)
}
