//go:build linux

package main_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
	"github.com/millrace/millrace/worker/record"
)

// D12: without a message, a callback that is due wakes the class, and one that is not yet does not.
func TestACallbackThatIsDueWakesTheClass(t *testing.T) {
	t.Parallel()
	p := withServers(t)
	bucket, _, _ := strings.Cut(strings.TrimPrefix(p.queue, "cos://"), "/")
	store, err := s3blob.Open(t.Context(), s3blob.Config{Bucket: bucket, Prefix: "records", AWS: sdk.AWS{
		Region: "us-east-1", Endpoint: servertest.Versitygw(t),
		Keys: func(context.Context) (cloud.Keys, error) {
			return cloud.Keys{ID: servertest.AccessKey, Secret: servertest.SecretKey}, nil
		},
	}})
	require.NoError(t, err)
	records := record.New(store, time.Now)
	owe := func(job string, in time.Duration) {
		e := record.Entry{Job: job, URL: "https://example.com/", First: time.Now()}
		require.NoError(t, records.Owe(t.Context(), e, record.Owed{Round: 1, Next: time.Now().Add(in)}))
	}
	owe("later", time.Hour)
	owe("hopeless", -25*time.Hour)
	s := startScaler(t, p.env, "--queue", "light="+p.queue+",heavy="+p.queue+"2", "--pods", "none", "--callbacks", "light")
	require.Zero(t, s.work("light"))
	owe("now", -time.Minute)
	again := startScaler(t, p.env, "--queue", "light="+p.queue+",heavy="+p.queue+"2", "--pods", "none", "--callbacks", "light")
	again.comesTo("light", 1)
	require.Zero(t, again.work("heavy"))
	took := again.residentAnon()
	t.Logf("%d KiB", took>>10)
	require.Less(t, took, 20<<20)
}

func TestAScalerMustKnowWhereCallbacksAreDue(t *testing.T) {
	t.Parallel()
	r := newPlace(t).millrace("scaler", "--queue", "light=sqs:jobs", "--callbacks", "heavy", "--pods", "none")
	require.Equal(t, 2, r.code)
	require.Contains(t, r.stderr, `--callbacks: "heavy" is no class that a queue is named for (--queue)`)
	require.Contains(t, r.stderr, `MILLRACE_STORE: "" is no store`)
}
