//go:build linux

package main_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/servertest"
)

// producer sends each line of stdin by Amazon's own SDK for JavaScript: a message with its attributes.
const producer = `const {SQSClient, GetQueueUrlCommand, SendMessageCommand, SendMessageBatchCommand} = require("@aws-sdk/client-sqs");
const attributes = a => Object.fromEntries(Object.entries(a || {}).map(([k, v]) => [k, {DataType: "String", StringValue: v}]));
(async () => {
  const [endpoint, QueueName] = process.argv.slice(1);
  const sqs = new SQSClient({endpoint, region: "us-east-1"});
  const {QueueUrl} = await sqs.send(new GetQueueUrlCommand({QueueName}));
  const all = JSON.parse(require("fs").readFileSync(0));
  const first = await sqs.send(new SendMessageCommand({QueueUrl, MessageBody: all[0].body, MessageAttributes: attributes(all[0].attributes)}));
  const rest = await sqs.send(new SendMessageBatchCommand({QueueUrl, Entries: all.slice(1).map((m, i) =>
    ({Id: String(i), MessageBody: m.body, MessageAttributes: attributes(m.attributes)}))}));
  if (rest.Failed?.length) throw new Error(JSON.stringify(rest.Failed));
  console.log(JSON.stringify([first.MessageId, ...rest.Successful.sort((a, b) => a.Id - b.Id).map(m => m.MessageId)]));
})().catch(err => { console.error(err); process.exit(1); });`

// What a producer in JavaScript drops is run: jobs, their attributes, CloudEvents in both modes, and an event of S3 with two records,
// which is two jobs.
func TestAProducerWithAmazonsSDKSendsJobsAndEvents(t *testing.T) {
	t.Parallel()
	p := withServers(t).onSQS()
	p.env = append(p.env, "MILLRACE_ROUTES="+filepath.Join(p.dir, p.write("routes.yaml", `routes:
  - name: greet
    bucket: models
    prefix: in/
    suffixes: [.txt]
    pipeline: hello_world
    state: {name: "{{ key }}"}
    output: {prefix: out}
`)))
	record := func(key string) string {
		return `{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2025-03-04T10:11:12.000Z","eventName":"ObjectCreated:Put",` +
			`"s3":{"s3SchemaVersion":"1.0","configurationId":"uploads","bucket":{"name":"models"},"object":{"key":"` + key + `","size":3,"eTag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"0055AED6DCD90281E5"}}}`
	}
	type sent struct {
		Body       string            `json:"body"`
		Attributes map[string]string `json:"attributes,omitzero"`
	}
	event := sent{Body: `{"Records":[` + record("in/red+chair%281%29.txt") + `,` + record("in/%2Bplus.txt") + `]}`}
	messages := []sent{
		{Body: `{"pipeline": "hello_world", "state": {"name": "Ada"}}`},
		{Body: `{}`, Attributes: map[string]string{"pipeline": "hello_world", "state.name": "Grace"}},
		{Body: `hello_world name=Linus`},
		{Body: `{"specversion":"1.0","id":"e-1","source":"/cms","type":"com.example.job","data":{"pipeline":"hello_world","state":{"name":"Structured"}}}`},
		{Body: `{"pipeline":"hello_world","state":{"name":"Binary"}}`, Attributes: map[string]string{
			"ce-specversion": "1.0", "ce-id": "e-2", "ce-source": "/cms", "ce-type": "com.example.job",
		}},
		event, event, // SQS delivers at least once
		{Body: `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2024-07-24T16:56:57.011Z","Bucket":"models"}`},
	}
	stdin, err := json.Marshal(messages)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "node", "-e", producer, servertest.Fauxqs(t), queueName(t))
	tools, err := filepath.Abs(repository + ".tools/fauxqs/node_modules") // the server brings the client
	require.NoError(t, err)
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "NODE_PATH=" + tools, "AWS_ACCESS_KEY_ID=" + servertest.AccessKey, "AWS_SECRET_ACCESS_KEY=" + servertest.SecretKey,
	}
	cmd.Stdin = strings.NewReader(string(stdin))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)
	ids := decoded[[]string](t, string(out))
	require.Len(t, ids, len(messages))

	p.succeeds("work", "--exit-when-idle", "2s")
	rows := decoded[[]map[string]any](t, p.succeeds("jobs", "list", "--json"))
	require.Len(t, rows, 7, "five jobs, and two of the event, however often it comes")
	var said []string
	for _, r := range rows {
		require.Equal(t, "SUCCEEDED", r["status"], r)
		said = append(said, strings.TrimSpace(p.succeeds("jobs", "logs", r["id"].(string))))
	}
	require.ElementsMatch(t, []string{
		"Hello Ada!!!", "Hello Grace!!!", "Hello Linus!!!", "Hello Structured!!!", "Hello Binary!!!", "Hello in/red chair(1).txt!!!", "Hello in/+plus.txt!!!",
	}, said)
	require.Contains(t, p.millrace("dlq", "list").stderr, "empty")
}
