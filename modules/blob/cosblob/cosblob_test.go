package cosblob_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/cosblob"
	"github.com/millrace/millrace/modules/servertest"
)

func open(t *testing.T, endpoint string) *cosblob.Store {
	t.Helper()
	s, err := cosblob.Open(t.Context(), cosblob.Config{
		COS: blobtest.COS(endpoint), Bucket: blobtest.Bucket(t, endpoint), Prefix: "team/a",
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
