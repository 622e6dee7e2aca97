package kafka_test

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/kafka"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/servertest"
)

func TestConformance(t *testing.T) { moduletest.Conform(t, kafka.Module) }

// call is one whose state has a way to the broker.
func call(t *testing.T) (*modules.Call, *moduletest.Recorder) {
	t.Helper()
	c, r := moduletest.Call(t)
	r.State["__kafka"] = map[string]any{"brokers": []any{servertest.Kafka(t).Plain}, "clientId": "gateway"}
	return c, r
}

// topic makes a topic for a test.
func topic(t *testing.T) string {
	t.Helper()
	name := strings.NewReplacer("/", "-", ",", "", "'", "").Replace(t.Name())
	client, err := kgo.NewClient(kgo.SeedBrokers(servertest.Kafka(t).Plain))
	require.NoError(t, err)
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, nil, name)
	require.NoError(t, err)
	return name
}

// first waits for the first record of a topic.
func first(t *testing.T, name string) *kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(servertest.Kafka(t).Plain), kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer client.Close()
	got := client.PollRecords(t.Context(), 1)
	require.NoError(t, got.Err())
	require.Equal(t, 1, got.NumRecords())
	return got.Records()[0]
}

func headers(r *kgo.Record) map[string]string {
	all := map[string]string{}
	for _, h := range r.Headers {
		all[h.Key] = string(h.Value)
	}
	return all
}

func TestAMessageIsReadBackAsItWasWritten(t *testing.T) {
	name := topic(t)
	c, r := call(t)
	r.State["callback_id"] = "job-1-render-onSuccess-0"
	out, err := kafka.Module.Run(t.Context(), c, map[string]any{
		"topic": name, "typeId": "com.example.Done", "key": "job-1", "headers": map[string]any{"tenant": "acme"},
		"message": map[string]any{"n": int64(3), "ok": true, "s": "<ü>", "keys": []any{"a.glb"}},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"topic": name, "partition": int64(0), "offset": int64(0), "key": "job-1"}, out)
	got := first(t, name)
	require.Equal(t, "job-1", string(got.Key))
	require.Equal(t, `{"keys":["a.glb"],"n":3,"ok":true,"s":"<ü>"}`, string(got.Value))
	require.Equal(t, map[string]string{"__TypeId__": "com.example.Done", "tenant": "acme", "Idempotency-Key": "job-1-render-onSuccess-0"}, headers(got))
	require.Empty(t, r.Stdout.String()+r.Stderr.String())
}

func TestTheErrorIsWrittenIntoTheMessage(t *testing.T) {
	name := topic(t)
	c, r := call(t)
	r.State["error_message"] = `task "render" ended with exit code 2`
	message := map[string]any{"status": "FAILED", "payload": map[string]any{"id": "7"}}
	out, err := kafka.Module.Run(t.Context(), c, map[string]any{"topic": name, "message": message, "error": "payload.error.text"})
	require.NoError(t, err)
	got := first(t, name)
	require.JSONEq(t, `{"status": "FAILED", "payload": {"id": "7", "error": {"text": "task \"render\" ended with exit code 2"}}}`, string(got.Value))
	require.Equal(t, map[string]any{"status": "FAILED", "payload": map[string]any{"id": "7"}}, message, "the state's own is left as it is")
	require.Regexp(t, regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`), out["key"])
	require.Equal(t, out["key"], string(got.Key))

	_, err = kafka.Module.Run(t.Context(), c, map[string]any{"topic": name, "message": message, "error": "status.text"})
	require.EqualError(t, err, `compose the message: prop "error": "status" in the message is no map; choose another path`)
	require.Equal(t, fault.Permanent, fault.Of(err))
}

func TestABrokerWithTLSAndUsersIsReachedByEveryMechanism(t *testing.T) {
	name := topic(t)
	broker := servertest.Kafka(t)
	for _, mechanism := range []string{"plain", "scram-sha-256", "SCRAM-SHA-512"} {
		c, r := call(t)
		r.State["__kafka"] = map[string]any{
			"brokers": broker.Secure, "topic": name, "ssl": map[string]any{"ca": broker.CA}, "connectionTimeout": int64(3000),
			"sasl": map[string]any{"mechanism": mechanism, "username": servertest.AccessKey, "password": servertest.SecretKey},
		}
		_, err := kafka.Module.Run(t.Context(), c, map[string]any{"message": map[string]any{"by": mechanism}})
		require.NoError(t, err, mechanism)
		require.Equal(t, []string{servertest.SecretKey}, r.Secrets)
	}
	require.JSONEq(t, `{"by": "plain"}`, string(first(t, name).Value))
}

func TestTheOperatorsBrokersServeWhereTheStateHasNone(t *testing.T) {
	name := topic(t)
	c, r := call(t)
	delete(r.State, "__kafka")
	props := map[string]any{"topic": name}
	_, err := kafka.Module.Run(t.Context(), c, props)
	require.ErrorContains(t, err, "there are no Kafka brokers; set MILLRACE_KAFKA_BROKERS")
	require.Equal(t, fault.Permanent, fault.Of(err))

	c.Clouds.Kafka = cloud.Kafka{Brokers: []string{servertest.Kafka(t).Plain}}
	_, err = kafka.Module.Run(t.Context(), c, props)
	require.NoError(t, err)

	c.Clouds.Kafka = cloud.Kafka{Brokers: []string{servertest.Kafka(t).Secure}, TLS: true, Mechanism: "scram-sha-256"}
	c.Clouds.Keys = func(_ context.Context, s cloud.Service) (cloud.Keys, error) {
		require.Equal(t, cloud.ServiceKafka, s)
		return cloud.Keys{ID: servertest.AccessKey, Secret: servertest.SecretKey}, nil
	}
	_, err = kafka.Module.Run(t.Context(), c, props)
	require.ErrorContains(t, err, "certificate", "this machine does not know who signed it")
	require.ErrorContains(t, err, "give the certificate that signed it as ca of ssl")
}

func TestWhatABrokerRefusesIsASentenceWithARemedy(t *testing.T) {
	broker := servertest.Kafka(t)
	login := func(password string) map[string]any {
		return map[string]any{
			"brokers": []any{broker.Secure}, "ssl": map[string]any{"ca": broker.CA},
			"sasl": map[string]any{"mechanism": "plain", "username": servertest.AccessKey, "password": password},
		}
	}
	free, hold, err := servertest.Reserve()
	require.NoError(t, err)
	defer hold.Close()
	closed := net.JoinHostPort("127.0.0.1", strconv.Itoa(free))
	for _, tt := range []struct {
		name  string
		way   map[string]any
		props map[string]any
		want  string
		kind  fault.Kind
	}{
		{"an unknown topic", nil, map[string]any{"topic": "nowhere"}, "make the topic, or check its name", fault.Unknown},
		{"a wrong password", login("guess"), nil, "check mechanism, username and password of sasl", fault.Unknown},
		{"no password", map[string]any{"brokers": []any{broker.Secure}, "ssl": map[string]any{"ca": broker.CA}}, nil, "check whether it wants ssl and sasl there", fault.Unknown},
		{"TLS where there is none", map[string]any{"brokers": []any{broker.Plain}, "ssl": true}, nil, "hangs up at once", fault.Unknown},
		{"a message of two megabytes", nil, map[string]any{"message": map[string]any{"s": strings.Repeat("x", 2<<20)}}, "put it into a bucket and send its key", fault.Permanent},
		{"nobody there", map[string]any{"brokers": []any{closed}}, map[string]any{"timeout": "2s"}, "check address and network", fault.Transient},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := call(t)
			if tt.way != nil {
				r.State["__kafka"] = tt.way
			}
			props := map[string]any{"topic": "results"}
			for k, v := range tt.props {
				props[k] = v
			}
			if props["topic"] != "nowhere" {
				props["topic"] = topic(t)
			}
			_, err := kafka.Module.Run(t.Context(), c, props)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, tt.kind, fault.Of(err), err)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestTheOperatorSaysWhichTopicsMayBeSentTo(t *testing.T) {
	c, r := call(t)
	r.State["__kafka"].(map[string]any)["topic"] = "theirs"
	refused := errors.New("refused")
	c.MaySend = func(to string) error {
		require.Equal(t, "kafka://theirs", to)
		return refused
	}
	_, err := kafka.Module.Run(t.Context(), c, nil)
	require.ErrorIs(t, err, refused)
}

// The operator named his brokers himself, and they name each other.
func TestBrokersOfTheStateAreReachedByTheEgressPolicyAndTheOperatorsAnywhere(t *testing.T) {
	c, r := call(t)
	c.Dial = egress.NewDialer(egress.Policy{})
	_, err := kafka.Module.Run(t.Context(), c, map[string]any{"topic": "results"})
	require.ErrorContains(t, err, "is a loopback address; the operator can allow it with MILLRACE_ALLOW_HOSTS")
	require.Equal(t, fault.Permanent, fault.Of(err))

	delete(r.State, "__kafka")
	c.Clouds.Kafka.Brokers = []string{servertest.Kafka(t).Plain}
	_, err = kafka.Module.Run(t.Context(), c, map[string]any{"topic": topic(t)})
	require.NoError(t, err)
}

func TestWhatIsWrongWithTheReservedKeyIsNamed(t *testing.T) {
	brokers := []any{"kafka:9092"}
	for _, tt := range []struct {
		name string
		way  any
		want string
	}{
		{"text", "kafka:9092", "__kafka must be a map"},
		{"no brokers", map[string]any{"clientId": "x"}, "__kafka.brokers is missing"},
		{"a broker that is none", map[string]any{"brokers": []any{"a:b:c"}}, `__kafka.brokers has "a:b:c"; a broker is host:port`},
		{"an unknown option", map[string]any{"brokers": brokers, "socketFactory": "x"}, "__kafka.socketFactory is unknown; known are"},
		{"no check of certificates", map[string]any{"brokers": brokers, "ssl": map[string]any{"rejectUnauthorized": false}}, "give the broker's own as ca"},
		{"a certificate that is none", map[string]any{"brokers": brokers, "ssl": map[string]any{"ca": "x"}}, "has a ca without a certificate in PEM"},
		{"half a pair", map[string]any{"brokers": brokers, "ssl": map[string]any{"cert": "x"}}, "no pair in PEM"},
		{"an unknown mechanism", map[string]any{"brokers": brokers, "sasl": map[string]any{"mechanism": "aws", "username": "a", "password": "b"}}, `has mechanism "aws"`},
		{"an option of sasl that may be one that protects", map[string]any{"brokers": brokers, "sasl": map[string]any{"mechanism": "plain", "username": "a", "password": "b", "authorizationIdentity": "c"}}, `has "authorizationIdentity"; known are mechanism, username and password`},
		{"a user without a password", map[string]any{"brokers": brokers, "sasl": map[string]any{"mechanism": "plain", "username": "a"}}, "needs a username and a password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := moduletest.Call(t)
			r.State["__kafka"] = tt.way
			_, err := kafka.Module.Run(t.Context(), c, map[string]any{"topic": "results"})
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestAKeyOfTheStateIsASecret(t *testing.T) {
	c, r := moduletest.Call(t)
	r.State["__kafka"] = map[string]any{"brokers": "kafka", "ssl": map[string]any{"cert": "x", "key": "s3same"}}
	_, err := kafka.Module.Run(t.Context(), c, map[string]any{"topic": "results"})
	require.ErrorContains(t, err, "no pair in PEM")
	require.Equal(t, []string{"s3same"}, r.Secrets)
}

func TestItEndsWithItsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, r := moduletest.Call(t)
		r.State["__kafka"] = map[string]any{"brokers": "kafka"}
		c.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
			require.Equal(t, "kafka:9092", address)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		lost := errors.New("lease lost")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Second, lost)
		defer cancel()
		start := time.Now()
		_, err := kafka.Module.Run(ctx, c, map[string]any{"topic": "results"})
		require.ErrorIs(t, err, lost)
		require.Equal(t, 5*time.Second, time.Since(start))

		start = time.Now()
		_, err = kafka.Module.Run(t.Context(), c, map[string]any{"topic": "results", "timeout": "20s"})
		require.EqualError(t, err, "reach Kafka at kafka:9092: no answer; check address and network")
		require.Equal(t, fault.Transient, fault.Of(err))
		require.Equal(t, 20*time.Second, time.Since(start))
	})
}
