package s3_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/moduletest"
	"github.com/millrace/millrace/modules/s3"
)

var errAsked = errors.New("asked")

func TestATaskAsksForTheBucketThatItNames(t *testing.T) {
	task := map[string]any{"action": "download", "bucket": "assets", "src": "a", "dest": "a"}
	own := &cloud.Keys{ID: "AKIA", Secret: "of-the-task", Token: "short"}
	for _, tt := range []struct {
		name string
		also map[string]any
		want modules.BucketRef
	}{
		{"with the operator's keys", nil, modules.BucketRef{}},
		{"in another region", map[string]any{"region": "eu-west-3"}, modules.BucketRef{Region: "eu-west-3"}},
		{"on a server of its own", map[string]any{"endpoint": "https://minio.example"}, modules.BucketRef{Endpoint: "https://minio.example"}},
		{"with keys of its own", map[string]any{"accessKeyId": "AKIA", "secretAccessKey": "of-the-task", "sessionToken": "short"}, modules.BucketRef{Keys: own}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, told := moduletest.Call(t)
			var got modules.BucketRef
			c.Bucket = func(_ context.Context, r modules.BucketRef) (modules.Bucket, error) {
				got = r
				return nil, errAsked
			}
			props := map[string]any{}
			for _, some := range []map[string]any{task, tt.also} {
				for k, v := range some {
					props[k] = v
				}
			}
			_, err := s3.Module.Run(t.Context(), c, props)
			require.ErrorIs(t, err, errAsked)
			tt.want.Service, tt.want.Name = cloud.ServiceAWS, "assets"
			require.Equal(t, tt.want, got)
			if tt.want.Keys != nil {
				require.Subset(t, told.Secrets, []string{"of-the-task", "short"})
			}
		})
	}
}

// A variable that a message leaves out is empty.
func TestKeysThatComeOutEmptyAreNotTheOperators(t *testing.T) {
	for _, prop := range []string{"endpoint", "accessKeyId", "secretAccessKey", "sessionToken"} {
		task := map[string]any{
			"action": "download", "bucket": "assets", "src": "a", "dest": "a",
			"endpoint": "https://minio.example", "accessKeyId": "i", "secretAccessKey": "s", "sessionToken": "t", prop: "",
		}
		c, _ := moduletest.Call(t)
		_, err := s3.Module.Run(t.Context(), c, task)
		require.ErrorContains(t, err, `prop "`+prop+`" is empty; give it a value, or leave the prop out`)
	}
}

// A bucket and a region become parts of a host's name.
func TestWhatWouldNameAnotherHostIsRefused(t *testing.T) {
	for prop, value := range map[string]string{
		"bucket": "evil.example/", "region": "x.evil.example/", "endpoint": "file:///etc", "src": "a[", "secretAccessKey": "alone", "sessionToken": "alone",
	} {
		task := map[string]any{"action": "download", "bucket": "assets", "src": "a", "dest": "a", prop: value}
		c, _ := moduletest.Call(t)
		_, err := s3.Module.Run(t.Context(), c, task)
		require.ErrorContains(t, err, `"`+prop+`"`)
		_, ok := errors.AsType[*modules.PropError](err)
		require.True(t, ok)
	}
}
