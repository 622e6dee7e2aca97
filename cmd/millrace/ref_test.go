package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQueuesAreNamedInOneWay(t *testing.T) {
	for _, tt := range []struct {
		text string
		want queueRef
	}{
		{"local", queueRef{text: "local", kind: kindLocal}},
		{"sqs:jobs.fifo", queueRef{text: "sqs:jobs.fifo", kind: kindSQS, name: "jobs.fifo"}},
		{"arn:aws:sqs:eu-central-1:1:jobs", queueRef{text: "arn:aws:sqs:eu-central-1:1:jobs", kind: kindSQS, name: "arn:aws:sqs:eu-central-1:1:jobs"}},
		{"https://sqs.eu-central-1.amazonaws.com/1/jobs?weight=3", queueRef{
			text: "https://sqs.eu-central-1.amazonaws.com/1/jobs", kind: kindSQS,
			name: "https://sqs.eu-central-1.amazonaws.com/1/jobs", weight: 3,
		}},
		{"cos://b/a/c/?limit=2&weight=1", queueRef{text: "cos://b/a/c/", kind: kindCOS, bucket: "b", prefix: "a/c", limit: 2, weight: 1}},
	} {
		got, err := parseQueue(tt.text)
		require.NoError(t, err, tt.text)
		require.Equal(t, tt.want, got)
	}
}

func TestWhatNamesNoQueueOrStoreIsRefusedInASentence(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"jobs", `"jobs" is no queue; write local, sqs:NAME`},
		{"", `"" is no queue`},
		{"https://example.com", "is no queue"},
		{"https://example.com/jobs", "is no queue"},
		{"cos:///x", "names no bucket"},
		{"local?wieght=2", `"wieght" is no option of a queue; there are weight and limit`},
		{"sqs:jobs?limit=0", "limit must be 1 to 1024"},
		{"sqs:jobs?limit=x", "limit must be 1 to 1024"},
	} {
		_, err := parseQueue(tt.text)
		require.ErrorContains(t, err, tt.want)
	}
	_, errs := parseQueues([]string{"local", "sqs:a", "local?weight=2"})
	require.Len(t, errs, 1)
	require.ErrorContains(t, errs[0], "local is named twice")
	for _, text := range []string{"", "gs://b", "s3:///p", "/data"} {
		_, err := parseStore(text)
		require.Error(t, err, text)
	}
	s, err := parseStore("s3://b/p/")
	require.NoError(t, err)
	require.Equal(t, storeRef{text: "s3://b/p/", kind: kindS3, bucket: "b", prefix: "p"}, s)
}

func TestPlacesInOneBucketMustNotOverlap(t *testing.T) {
	for _, tt := range []struct {
		queues []string
		store  string
		wrong  int
	}{
		{[]string{"cos://b/q"}, "cos://b/q/", 1},
		{[]string{"cos://b"}, "cos://b/records", 1},
		{[]string{"cos://b/q", "cos://b/q/a"}, "local", 1},
		{[]string{"cos://b/q", "cos://b/queue", "cos://c/q", "local"}, "cos://b/records", 0},
	} {
		queues, errs := parseQueues(tt.queues)
		require.Empty(t, errs)
		store, err := parseStore(tt.store)
		require.NoError(t, err)
		require.Len(t, apart(queues, store), tt.wrong, "%v %s", tt.queues, tt.store)
	}
}
