package gcsblob_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/gcsblob"
	"github.com/millrace/millrace/modules/servertest"
)

func open(t *testing.T) *gcsblob.Store {
	t.Helper()
	endpoint := servertest.GCS(t)
	s, err := gcsblob.Open(t.Context(), gcsblob.Config{Endpoint: endpoint, Bucket: blobtest.GCSBucket(t, endpoint), Prefix: "team/a"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestAStoreKeepsItsPromisesOnFakeGCS(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t) })
}

func TestFilesAreMovedOnFakeGCS(t *testing.T) {
	blobtest.RunMover(t, func(t *testing.T) blobtest.Bucketlike { return open(t) })
}
