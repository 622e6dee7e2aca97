package cosqueue

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/queue"
)

// careless is a server that does not know one of the conditions, as rclone's and s3rver.
func careless(t *testing.T, header string) Config {
	t.Helper()
	return memory(t).through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		r.Header.Del(header)
		return next.RoundTrip(r)
	})
}

// F22, of a queue.
func TestF22ABucketWithoutConditionalWritesIsRefused(t *testing.T) {
	for _, header := range []string{"If-None-Match", "If-Match"} {
		t.Run(header, func(t *testing.T) {
			_, err := Open(t.Context(), careless(t, header))
			require.ErrorIs(t, err, errUnsafe)
			require.ErrorContains(t, err, header)
			require.ErrorContains(t, err, "use SQS, or a bucket of IBM COS")
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}

func TestABucketThatRefusesEveryConditionIsRefused(t *testing.T) {
	_, err := Open(t.Context(), memory(t).through(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil && r.Header.Get("If-Match") != "" {
			resp.StatusCode = http.StatusPreconditionFailed
		}
		return resp, err
	}))
	require.ErrorIs(t, err, errUnsafe)
}

func TestOpenSaysAllThatIsWrong(t *testing.T) {
	_, err := Open(t.Context(), Config{Prefix: "a/../b", Visibility: -1, Idle: time.Hour})
	for _, problem := range []string{"no bucket", `part ".."`, "visibility", "idle", "no COS endpoint"} {
		require.ErrorContains(t, err, problem)
	}
}

func TestOpenSaysWhatIsWrongWithABucket(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Config)
		why    cloud.Why
	}{
		{"the bucket is missing", func(c *Config) { c.Bucket = "nowhere" }, cloud.Missing},
		{"the secret is wrong", func(c *Config) { c.COS.SecretAccessKey = "wrong" }, cloud.Denied},
		{"nobody answers", func(c *Config) { c.COS.Endpoint = "http://127.0.0.1:1" }, cloud.Unreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := gateway(t)
			tt.change(&c)
			_, err := Open(t.Context(), c)
			require.True(t, cloud.Is(err, tt.why), "%v", err)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestAProbeLeavesNothingBehind(t *testing.T) {
	d := start(t, memory(t))
	p, err := d.bucket.list(t.Context(), probes, "")
	require.NoError(t, err)
	require.Empty(t, p.objects)
}

func TestAnEmptyQueueIsLookedAtMoreAndMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, memory(t))
		before := d.Requests()["LIST"]
		for range 30 {
			none(t, d, maxWait)
		}
		require.LessOrEqual(t, d.Requests()["LIST"]-before, int64(600/4+40), "in ten minutes")
	})
}

func TestAWakenedReceiveLooksAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memory(t)
		d, producer := start(t, c), start(t, c)
		for range 3 {
			none(t, d, maxWait)
		}
		send(t, producer, "x")
		none(t, d, 0)
		d.Wake()
		ms, err := d.Receive(t.Context(), 1, 0)
		require.NoError(t, err)
		require.Len(t, ms, 1)
	})
}

func TestRequestsAreCountedByVerb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, memory(t))
		before := total(d)
		send(t, d, "x")
		ack(t, d, one(t, d))
		require.Equal(t, before+8, total(d), "six for the message, and two to look: %v", d.Requests())
	})
}

func total(d *Driver) (n int64) {
	for _, requests := range d.Requests() {
		n += requests
	}
	return n
}

func TestADraftThatNoBucketTakesIsAPermanentFault(t *testing.T) {
	d := start(t, memory(t))
	for _, tt := range []struct {
		name  string
		draft queue.Draft
	}{
		{"a body over 1 MiB", queue.Draft{Body: make([]byte, 1<<20+1)}},
		{"a negative delay", queue.Draft{Delay: -1}},
		{"a delay over 7 days", queue.Draft{Delay: 8 * 24 * time.Hour}},
		{"attributes that are too long", queue.Draft{Attributes: map[string]string{"a": string(make([]byte, maxNotes))}}},
		{"an attribute that is no text", queue.Draft{Attributes: map[string]string{"a": "\xff"}}},
		{"a group that is no text", queue.Draft{Group: "\xff"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := d.Send(t.Context(), tt.draft)
			require.Equal(t, fault.Permanent, fault.Of(err))
		})
	}
}
