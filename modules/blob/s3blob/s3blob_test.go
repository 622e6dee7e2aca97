package s3blob_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/servertest"
)

func open(t *testing.T, endpoint string) *s3blob.Store {
	t.Helper()
	s, err := s3blob.Open(t.Context(), s3blob.Config{
		AWS: blobtest.AWS(t, endpoint), Bucket: blobtest.Bucket(t, endpoint), Prefix: "team/a",
	})
	require.NoError(t, err)
	return s
}

func TestAStoreKeepsItsPromisesOnVersitygw(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, servertest.Versitygw(t)) })
}

func TestFilesAreMovedOnVersitygw(t *testing.T) {
	blobtest.RunMover(t, func(t *testing.T) blobtest.Bucketlike { return open(t, servertest.Versitygw(t)) })
}

func TestFilesAreMovedOnGofakes3(t *testing.T) {
	blobtest.RunMover(t, func(t *testing.T) blobtest.Bucketlike { return open(t, blobtest.Fake(t)) })
}

func TestAStoreKeepsItsPromisesOnGofakes3(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, blobtest.Fake(t)) })
}

// No server here has regions: this one answers as S3 does, documented at "AuthorizationHeaderMalformed" of its error codes.
func TestABucketInAnotherRegionIsFoundThere(t *testing.T) {
	s3 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amz-Bucket-Region", "eu-central-1")
		if !strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/s3/") {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>")
			return
		}
		fmt.Fprint(w, "<ListBucketResult><Name>b</Name></ListBucketResult>")
	}))
	t.Cleanup(s3.Close)
	_, err := s3blob.Open(t.Context(), s3blob.Config{AWS: blobtest.AWS(t, s3.URL), Bucket: "b"})
	require.NoError(t, err)
}

func TestABucketOfAnotherAccountIsNotOpened(t *testing.T) {
	s3 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Expected-Bucket-Owner") != "111122223333" {
			fmt.Fprint(w, "<ListBucketResult><Name>b</Name></ListBucketResult>")
			return
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error><Code>AccessDenied</Code></Error>")
	}))
	t.Cleanup(s3.Close)
	conf := s3blob.Config{AWS: blobtest.AWS(t, s3.URL), Bucket: "b"}
	_, err := s3blob.Open(t.Context(), conf)
	require.NoError(t, err)
	conf.Owner = "111122223333"
	_, err = s3blob.Open(t.Context(), conf)
	require.True(t, cloud.Is(err, cloud.Denied), "%v", err)
	conf.Unlisted = true
	_, err = s3blob.Open(t.Context(), conf)
	require.NoError(t, err)
}
