package sqs_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/modules/sqs"
)

func TestConformance(t *testing.T) { moduletest.Conform(t, sqs.Module) }

// call is one whose operator has keys and, where endpoint is not empty, an SQS of his own.
func call(t *testing.T, endpoint string) (*modules.Call, *moduletest.Recorder) {
	t.Helper()
	c, r := moduletest.Call(t)
	c.Clouds = cloud.Access{SQSEndpoint: endpoint, Keys: func(_ context.Context, s cloud.Service) (cloud.Keys, error) {
		require.Equal(t, cloud.ServiceAWS, s)
		return cloud.Keys{ID: servertest.AccessKey, Secret: servertest.SecretKey}, nil
	}}
	return c, r
}

func server(t *testing.T) *awssqs.Client {
	t.Helper()
	return awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(servertest.Fauxqs(t)),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: servertest.AccessKey, SecretAccessKey: servertest.SecretKey}, nil
		}),
	})
}

// queue makes a queue for a test and returns its URL.
func queue(t *testing.T, suffix string) string {
	t.Helper()
	name := strings.NewReplacer("/", "-", ",", "").Replace(t.Name())
	name = name[max(0, len(name)-60):] + suffix
	in := &awssqs.CreateQueueInput{QueueName: &name}
	if suffix != "" {
		in.Attributes = map[string]string{"FifoQueue": "true"}
	}
	out, err := server(t).CreateQueue(t.Context(), in)
	require.NoError(t, err)
	return *out.QueueUrl
}

// received is the messages of a queue.
func received(t *testing.T, queueURL string) []types.Message {
	t.Helper()
	out, err := server(t).ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{
		QueueUrl: &queueURL, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	require.NoError(t, err)
	return out.Messages
}

func TestAMessageArrivesAsItWasWritten(t *testing.T) {
	for _, tt := range []struct {
		name    string
		message any
		want    string
	}{
		{"a map is JSON that keeps its types", map[string]any{"n": int64(3), "ok": true, "s": "<ü>", "l": []any{1.5, nil}}, `{"l":[1.5,null],"n":3,"ok":true,"s":"<ü>"}`},
		{"text is itself", "plain\ntext", "plain\ntext"},
		{"what SQS refuses is escaped in JSON", map[string]any{"s": "\uFFFF\x01"}, `{"s":"\uffff\u0001"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := queue(t, "")
			c, r := call(t, servertest.Fauxqs(t))
			out, err := sqs.Module.Run(t.Context(), c, map[string]any{
				"queueUrl": q, "message": tt.message, "attributes": map[string]any{"kind": "result", "count": int64(7)},
			})
			require.NoError(t, err)
			got := received(t, q)
			require.Len(t, got, 1)
			require.Equal(t, tt.want, *got[0].Body)
			require.Equal(t, map[string]any{"messageId": *got[0].MessageId}, out)
			require.Equal(t, "result", *got[0].MessageAttributes["kind"].StringValue)
			require.Equal(t, "Number", *got[0].MessageAttributes["count"].DataType)
			require.Empty(t, r.Stdout.String()+r.Stderr.String())
		})
	}
}

func TestACallbackIsKnownByItsID(t *testing.T) {
	c, r := call(t, servertest.Fauxqs(t))
	r.State = map[string]any{"callback_id": "job 1-a-onSuccess-0", "job": map[string]any{"id": "job-1"}}
	q := queue(t, "")
	_, err := sqs.Module.Run(t.Context(), c, map[string]any{"queueUrl": q, "message": "x"})
	require.NoError(t, err)
	require.Equal(t, "job 1-a-onSuccess-0", *received(t, q)[0].MessageAttributes["Idempotency-Key"].StringValue)

	fifo := queue(t, ".fifo")
	r.State["callback_id"] = "job-1-a-onSuccess-0"
	for range 2 {
		out, err := sqs.Module.Run(t.Context(), c, map[string]any{"queueUrl": fifo, "message": "x"})
		require.NoError(t, err)
		require.NotEmpty(t, out["sequenceNumber"])
	}
	got := received(t, fifo)
	require.Len(t, got, 1, "made twice, it is one message")
	require.Equal(t, "job-1", got[0].Attributes["MessageGroupId"])
}

func TestWhatSQSWouldRefuseIsRefusedBeforeItIsSent(t *testing.T) {
	const q = "https://sqs.eu-west-1.amazonaws.com/1/q"
	for _, tt := range []struct {
		name  string
		props map[string]any
		want  string
	}{
		{"no URL", map[string]any{"queueUrl": "results"}, `prop "queueUrl" must be the URL of a queue`},
		{"half a key", map[string]any{"queueUrl": q, "accessKeyId": "a"}, `props "accessKeyId" and "secretAccessKey" go together`},
		{"keys of somebody who is not named", map[string]any{"queueUrl": q, "accessKeyId": "", "secretAccessKey": nil}, `prop "accessKeyId" is empty; give it a value, or leave the prop out; prop "secretAccessKey" is empty`},
		{"a server that is not named", map[string]any{"queueUrl": q, "endpoint": ""}, `prop "endpoint" is empty`},
		{"a token that is not there", map[string]any{"queueUrl": q, "sessionToken": ""}, `prop "sessionToken" is empty`},
		{"a delay of an hour", map[string]any{"queueUrl": q, "delaySeconds": 3600}, `prop "delaySeconds" must be 0 to 900`},
		{"a delay in a FIFO queue", map[string]any{"queueUrl": q + ".fifo", "delaySeconds": 1}, "set the delay of the queue"},
		{"a deduplication ID in none", map[string]any{"queueUrl": q, "messageDeduplicationId": "a"}, "is for FIFO queues"},
		{"a group with spaces", map[string]any{"queueUrl": q, "messageGroupId": "a b"}, `prop "messageGroupId" must be letters`},
		{"an attribute of AWS's", map[string]any{"queueUrl": q, "attributes": map[string]any{"AWS.x": "1"}}, `has "AWS.x"`},
		{"an attribute that is a list", map[string]any{"queueUrl": q, "attributes": map[string]any{"x": []any{}}}, `prop "attributes.x" must be a number`},
		{"a message of a megabyte", map[string]any{"queueUrl": q, "message": strings.Repeat("x", 1<<20), "attributes": map[string]any{"a": "b"}}, "put it into a bucket and send its key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, given := tt.props["message"]; !given {
				tt.props["message"] = "x"
			}
			c, _ := call(t, "")
			_, err := sqs.Module.Run(t.Context(), c, tt.props)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestTheOperatorsKeysGoToNobodyElse(t *testing.T) {
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(other.Close)
	for _, props := range []map[string]any{
		{"queueUrl": other.URL + "/1/q"},
		{"queueUrl": "https://sqs.eu-west-1.amazonaws.com/1/q", "endpoint": other.URL},
		{"queueUrl": "https://abc.execute-api.eu-west-1.amazonaws.com/1/q"},
	} {
		c, _ := call(t, "")
		props["message"] = "x"
		_, err := sqs.Module.Run(t.Context(), c, props)
		require.ErrorContains(t, err, "so his keys don't go there")
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
	require.Zero(t, asked.Load())
}

func TestTheOperatorSaysWhereHisKeysSend(t *testing.T) {
	const q = "https://sqs.eu-west-1.amazonaws.com/1/q"
	for _, tt := range []struct {
		name, endpoint string
		props          map[string]any
		want           string
	}{
		{"a queue of AWS's", "", map[string]any{"queueUrl": q}, "sqs://sqs.eu-west-1.amazonaws.com/1/q"},
		{"by the server, not by what the URL says of one", "", map[string]any{"queueUrl": q, "endpoint": "https://sqs.us-east-1.amazonaws.com"}, "sqs://sqs.us-east-1.amazonaws.com/1/q"},
		{"nothing of a URL is left out", "", map[string]any{"queueUrl": q + "/../r?a#b"}, "sqs://sqs.eu-west-1.amazonaws.com/1/q/../r?a#b"},
		{"by the operator's endpoint", "http://127.0.0.1:1", map[string]any{"queueUrl": q}, "sqs://sqs.eu-west-1.amazonaws.com/1/q"},
		{"by the operator's endpoint at AWS", "https://vpce-0a-1b.sqs.eu-west-1.vpce.amazonaws.com", map[string]any{"queueUrl": q}, "sqs://sqs.eu-west-1.amazonaws.com/1/q"},
		{"in the region of his endpoint", "https://sqs.us-east-1.api.aws:443", map[string]any{"queueUrl": q}, "sqs://sqs.us-east-1.amazonaws.com/1/q"},
		{"to the operator's server with any keys", "http://127.0.0.1:1", map[string]any{"queueUrl": "http://127.0.0.1:1/1/q", "accessKeyId": "a", "secretAccessKey": "b"}, "sqs://127.0.0.1:1/1/q"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := call(t, tt.endpoint)
			refused := errors.New("the queue: refused")
			c.MaySend = func(to string) error {
				require.Equal(t, tt.want, to)
				return refused
			}
			tt.props["message"] = "x"
			_, err := sqs.Module.Run(t.Context(), c, tt.props)
			require.Equal(t, refused, err, "which names the queue, once")
		})
	}
}

func TestAQueueElsewhereIsReachedByTheEgressPolicyAndOnesOwnKeys(t *testing.T) {
	var signed []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed = append(signed, r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, `{"MessageId": "m-1", "MD5OfMessageBody": "9dd4e461268c8034f5c8564e155c67a6"}`) // of "x"
	}))
	t.Cleanup(elsewhere.Close)
	for _, props := range []map[string]any{
		{"queueUrl": elsewhere.URL + "/1/q"},
		{"queueUrl": "https://sqs.eu-west-1.amazonaws.com/1/q", "endpoint": elsewhere.URL},
	} {
		maps.Copy(props, map[string]any{"message": "x", "accessKeyId": "mine", "secretAccessKey": "my secret"})
		c, r := call(t, servertest.Fauxqs(t))
		c.MaySend = nil // nobody is asked
		out, err := sqs.Module.Run(t.Context(), c, props)
		require.NoError(t, err)
		require.Equal(t, "m-1", out["messageId"])
		require.Contains(t, signed[len(signed)-1], "Credential=mine/")
		require.ElementsMatch(t, []string{"mine", "my secret"}, r.Secrets)

		c.HTTP = egress.NewClient(egress.Policy{})
		_, err = sqs.Module.Run(t.Context(), c, props)
		require.ErrorContains(t, err, "is a loopback address; the operator can allow it with MILLRACE_ALLOW_HOSTS")
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
	require.Len(t, signed, 2)
}

func TestAFaultOfTheServiceIsRiddenOut(t *testing.T) {
	to, err := url.Parse(servertest.Fauxqs(t))
	require.NoError(t, err)
	var calls atomic.Int32
	proxy := httputil.NewSingleHostReverseProxy(to)
	flaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(flaky.Close)
	q := queue(t, "")
	c, r := call(t, flaky.URL)
	_, err = sqs.Module.Run(t.Context(), c, map[string]any{"queueUrl": q, "message": "x"})
	require.NoError(t, err)
	require.Len(t, received(t, q), 1)
	require.Contains(t, r.Stderr.String(), "trying again in 1s")
}

func TestAMissingQueueIsASentenceAtOnce(t *testing.T) {
	c, r := call(t, servertest.Fauxqs(t))
	_, err := sqs.Module.Run(t.Context(), c, map[string]any{"queueUrl": "https://sqs.us-east-1.amazonaws.com/000000000000/nowhere", "message": "x"})
	require.ErrorContains(t, err, "it does not exist")
	require.ErrorContains(t, err, "check name, account and region")
	require.Equal(t, fault.Unknown, fault.Of(err), "it is for another attempt of the job")
	require.Empty(t, r.Stderr.String())
}

func TestATryEndsWithItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := call(t, "")
		c.HTTP = &http.Client{Transport: silent{}}
		lost := errors.New("lease lost")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 15*time.Second, lost)
		defer cancel()
		start := time.Now()
		_, err := sqs.Module.Run(ctx, c, map[string]any{
			"queueUrl": "https://sqs.example.com/1/q", "message": "x", "accessKeyId": "a", "secretAccessKey": "b",
		})
		require.ErrorIs(t, err, lost)
		require.Equal(t, 15*time.Second, time.Since(start), "one try, a pause, and half of another")
	})
}

func TestABodyThatIsChangedOnItsWayIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := call(t, "")
		c.HTTP = &http.Client{Transport: answer(`{"MessageId": "m-1", "MD5OfMessageBody": "9dd4e461268c8034f5c8564e155c67a6"}`)} // of "x"
		props := map[string]any{"queueUrl": "https://sqs.example.com/1/q", "message": "x", "accessKeyId": "a", "secretAccessKey": "b"}
		_, err := sqs.Module.Run(t.Context(), c, props)
		require.NoError(t, err)
		props["message"] = "y"
		_, err = sqs.Module.Run(t.Context(), c, props)
		require.ErrorContains(t, err, "checksum")
		require.Equal(t, 3, strings.Count(r.Stderr.String(), "trying again"))
	})
}

// answer is what answers every request.
type answer string

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}}
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader(string(a))), Request: r}, nil
}

// silent answers nothing.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}
