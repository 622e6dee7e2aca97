package main

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/launch"
)

// The worker decides: what a job's own process asks for may be what it has read.
func TestAJobGetsTheKeysThatItsTasksMayUseAndNoOthers(t *testing.T) {
	const aws, cos, gcs, kafka = cloud.ServiceAWS, cloud.ServiceCOS, cloud.ServiceGCS, cloud.ServiceKafka
	all := []cloud.Service{aws, cos, gcs, kafka}
	for _, tt := range []struct {
		name               string
		buckets, sendTo    []string
		anyBucket          bool
		brought, catalogue []cloud.Service
	}{
		{name: "where nothing is listed", catalogue: all},
		{name: "on the embedded queue", anyBucket: true, brought: []cloud.Service{aws, cos, gcs}, catalogue: all},
		{
			name: "with a bucket of S3", buckets: []string{"s3://assets/in"}, sendTo: []string{"kafka://told"},
			brought: []cloud.Service{aws, kafka}, catalogue: []cloud.Service{aws, kafka},
		},
		{name: "with a bucket of any service", buckets: []string{"assets"}, brought: []cloud.Service{aws, cos, gcs}, catalogue: all},
		{
			name: "with a bucket of another service", buckets: []string{"cos://assets"}, sendTo: []string{"kafka://told"},
			brought: []cloud.Service{cos, kafka}, catalogue: []cloud.Service{cos, kafka},
		},
		{
			name: "with a queue of SQS", buckets: []string{"gs://assets"}, sendTo: []string{"sqs://sqs.eu-west-1.amazonaws.com/1/done"},
			brought: []cloud.Service{aws, gcs}, catalogue: []cloud.Service{aws, gcs},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys := keysFor(cloud.Access{
				Buckets: tt.buckets, SendTo: tt.sendTo,
				Keys: func(_ context.Context, s cloud.Service) (cloud.Keys, error) { return cloud.Keys{ID: string(s)}, nil },
			}, tt.anyBucket)
			for trusted, want := range map[bool][]cloud.Service{false: tt.brought, true: tt.catalogue} {
				for _, s := range append(all, "stranger") {
					got, err := keys(t.Context(), &launch.Request{Trusted: trusted}, s)
					if slices.Contains(want, s) {
						require.NoError(t, err)
						require.Equal(t, string(s), got.ID)
						continue
					}
					require.Equal(t, fault.Permanent, fault.Of(err))
					require.ErrorContains(t, err, string(s)+": this job may do nothing with the operator's keys")
					require.Empty(t, got)
				}
			}
		})
	}
}

func TestKeysThatJobsShareWithTheWorkerAreTold(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(c *workConfig)
		want []string
	}{
		{"where neither queue nor store has any", func(c *workConfig) { c.queues[0].kind, c.store.kind = kindLocal, kindLocal }, nil},
		{"of the queue and the store", func(*workConfig) {}, []string{"keys of AWS", "keys of COS"}},
		{"of a class's queue", func(c *workConfig) {
			c.queues[0].kind, c.store.kind = kindLocal, kindLocal
			c.classes = map[string]queueRef{"gpu": {kind: kindSQS}}
		}, []string{"keys of AWS"}},
		{"of the pipelines", func(c *workConfig) {
			c.queues[0].kind, c.store.kind, c.Pipelines = kindLocal, kindLocal, "cos://ours/pipelines"
		}, []string{"keys of COS"}},
		{"where jobs have their own of one", func(c *workConfig) { c.DataProfile = "jobs" }, []string{"keys of COS"}},
		{"where jobs have their own of both", func(c *workConfig) { c.DataKeyID, c.DataCOSKeyID = "a", "b" }, nil},
		{"where no list lets jobs use them", func(c *workConfig) { c.Buckets, c.SendTo = []string{"gs://a"}, []string{"kafka://b"} }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c workConfig
			c.queues, c.store = []queueRef{{kind: kindSQS}}, storeRef{kind: kindCOS}
			tt.set(&c)
			var told []string
			for _, f := range c.lent() {
				told = append(told, f.Check)
				require.Contains(t, f.Remedy, "MILLRACE_DATA_")
			}
			require.Equal(t, tt.want, told)
		})
	}
}
