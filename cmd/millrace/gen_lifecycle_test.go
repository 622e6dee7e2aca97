//go:build linux

package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"
)

func TestGenLifecycleWritesRulesThatS3Knows(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	text := p.succeeds("gen", "lifecycle", "--store", "cos://bucket/millrace", "--queue", "cos://bucket/jobs", "--outputs", "7")
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	var rules types.BucketLifecycleConfiguration
	require.NoError(t, d.Decode(&rules))
	expires, aborts := map[string]int32{}, map[string]int32{}
	for _, r := range rules.Rules {
		require.Equal(t, types.ExpirationStatusEnabled, r.Status)
		if r.Expiration != nil {
			expires[*r.Filter.Prefix] = *r.Expiration.Days
		}
		if r.AbortIncompleteMultipartUpload != nil {
			aborts[*r.Filter.Prefix] = *r.AbortIncompleteMultipartUpload.DaysAfterInitiation
		}
	}
	require.Equal(t, map[string]int32{
		"millrace/artifacts-1d/": 1, "millrace/artifacts-3d/": 3, "millrace/artifacts-7d/": 7, "millrace/artifacts-14d/": 14,
		"millrace/artifacts-30d/": 30, "millrace/artifacts-90d/": 90, "millrace/artifacts-365d/": 90, // no longer than the records
		"millrace/artifacts/": 7, "millrace/uploads/": 30, "millrace/jobs/": 90, "millrace/index/": 90, "jobs/dead/": 14,
		"millrace/outbox/claims/": 90, "millrace/outbox/exhausted/": 90, "millrace/outbox/gone/": 90,
	}, expires)
	require.Equal(t, map[string]int32{"millrace/": 7}, aborts)

	forever := p.succeeds("gen", "lifecycle", "--store", "s3://bucket", "--outputs", "0", "--uploads", "0", "--records", "0")
	require.NotContains(t, forever, `"Prefix": "artifacts/"`)
	require.NotContains(t, forever, `"Prefix": "jobs/"`)
	require.Contains(t, forever, `"Days": 365`, "what a job has said holds all the same")
	require.Contains(t, forever, `"Prefix": ""`)
}

func TestLifecyclesThatWouldLoseSomethingAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for want, args := range map[string][]string{
		"name what lies in the bucket":                         {},
		"--records: must be 0 or at least 15 days":             {"--store", "s3://b/p", "--records", "14"},
		"--uploads: must be 0 or at least 15 days":             {"--store", "s3://b/p", "--uploads", "3"},
		"--outputs: 40 days is longer than the records":        {"--store", "s3://b/p", "--outputs", "40", "--records", "30"},
		"are in different buckets":                             {"--store", "s3://b/p", "--queue", "cos://c/q"},
		`--store: "local" is no bucket`:                        {"--store", "local"},
		`--queue: "sqs:jobs" is no queue in a bucket`:          {"--queue", "sqs:jobs"},
		"days can't be below 0, and those of --unfinished not": {"--store", "s3://b/p", "--unfinished", "0"},
		"cos://b and cos://b/jobs overlap":                     {"--store", "cos://b", "--queue", "cos://b/jobs"},
		"s3://b and cos://b/jobs overlap":                      {"--store", "s3://b", "--queue", "cos://b/jobs"},
		"cos://b/m and cos://b/m/index overlap":                {"--store", "cos://b/m", "--queue", "cos://b/m/index"},
		"cos://b/m/q and cos://b/m overlap":                    {"--store", "cos://b/m/q", "--queue", "cos://b/m"},
	} {
		r := p.millrace(append([]string{"gen", "lifecycle"}, args...)...)
		require.Equal(t, 2, r.code, want)
		require.Contains(t, r.stderr, want)
	}
}
