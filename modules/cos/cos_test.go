package cos_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/modules/blob/cosblob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/cos"
	"github.com/millrace/millrace/modules/moduletest"
)

// anonymous is a bucket of which everybody may read one object; no server here has such a one.
func anonymous(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" || strings.HasSuffix(r.URL.Path, "/private") {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error><Code>AccessDenied</Code></Error>")
		return
	}
	w.Header().Set("Content-Length", "4")
	_, _ = io.WriteString(w, "glTF")
}

func TestAPublicBucketElsewhereIsReadWithoutKeys(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(anonymous))
	t.Cleanup(server.Close)
	c, _ := moduletest.Call(t)
	c.Bucket = func(ctx context.Context, r modules.BucketRef) (modules.Bucket, error) {
		require.Nil(t, r.Keys)
		none := func(context.Context) (cloud.Keys, error) { return cloud.Keys{}, nil }
		return cosblob.Open(ctx, cosblob.Config{COS: sdk.COS{Endpoint: r.Endpoint, Keys: none}, Bucket: r.Name, Unlisted: true, Foreign: true})
	}
	task := map[string]any{"action": "download", "bucket": "assets", "src": "public", "dest": "x", "endpoint": server.URL}
	out, err := cos.Module.Run(t.Context(), c, task)
	require.NoError(t, err)
	require.Equal(t, "4", out["size"])
	task["src"] = "private"
	_, err = cos.Module.Run(t.Context(), c, task)
	require.ErrorContains(t, err, "; at an endpoint that is not the operator's a worker does not use his keys: give accessKeyId, unless the bucket is public")
}

// G2: a task without a bucket means the operator's.
func TestG2ATaskWithoutABucketMeansTheOperators(t *testing.T) {
	c, _ := moduletest.Call(t)
	c.Clouds.COSBucket = "videos"
	var asked []string
	c.Bucket = func(_ context.Context, r modules.BucketRef) (modules.Bucket, error) {
		asked = append(asked, r.Name)
		return nil, io.ErrUnexpectedEOF
	}
	for _, bucket := range []any{nil, "assets"} {
		_, err := cos.Module.Run(t.Context(), c, map[string]any{"action": "download", "bucket": bucket, "src": "a", "dest": "a"})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, bucket == nil, strings.HasPrefix(err.Error(), "the task names no bucket, so it is that of COS_BUCKET (--cos-bucket): "))
	}
	require.Equal(t, []string{"videos", "assets"}, asked)
}
