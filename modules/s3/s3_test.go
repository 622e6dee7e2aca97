package s3_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/s3blob"
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

// counted is a bucket that counts how often it is looked through.
type counted struct {
	modules.Bucket
	lists int
}

func (c *counted) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	c.lists++
	return c.Bucket.List(ctx, prefix, after)
}

func TestADownloadIsPlannedOnce(t *testing.T) {
	endpoint := blobtest.Fake(t)
	name := blobtest.Bucket(t, endpoint)
	b, err := s3blob.Open(t.Context(), s3blob.Config{AWS: blobtest.AWS(t, endpoint), Bucket: name, Foreign: true})
	require.NoError(t, err)
	_, err = b.Put(t.Context(), "m/a", strings.NewReader("glTF"), blob.PutOptions{})
	require.NoError(t, err)
	bucket, opened := &counted{Bucket: b}, 0
	c, _ := moduletest.Call(t)
	var moved int64
	c.Moved = func(in, out int64) { moved += in - out }
	c.Bucket = func(context.Context, modules.BucketRef) (modules.Bucket, error) {
		opened++
		return bucket, nil
	}
	w, err := modules.Probe(t.Context(), s3.Module, c, map[string]any{"action": "download", "bucket": name, "src": "m/", "dest": "in"})
	require.NoError(t, err)
	require.Equal(t, modules.Demand{Input: 4, Disk: 4}, w.Demand)
	out, err := w.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, "4", out["size"])
	require.EqualValues(t, 4, moved)
	require.Equal(t, 1, opened)
	require.Equal(t, 1, bucket.lists)
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
