package blobtest

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/modules/servertest"
)

// AWS is how to reach a server of servertest, or Fake, with the credentials in the test's environment, and nothing else of
// that environment.
func AWS(t *testing.T, endpoint string) sdk.AWS {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", servertest.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", servertest.SecretKey)
	for _, name := range []string{"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	return sdk.AWS{Endpoint: endpoint, Region: "us-east-1"}
}

// COS is the same for servers that are reached as IBM COS is.
func COS(endpoint string) sdk.COS {
	return sdk.COS{Endpoint: endpoint, AccessKeyID: servertest.AccessKey, SecretAccessKey: servertest.SecretKey}
}

// Fake starts an S3 in this process. It asks for no credentials, and its conditional writes are atomic.
func Fake(t testing.TB) (endpoint string) {
	t.Helper()
	s := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(s.Close)
	return s.URL
}

// Bucket makes an empty bucket for this test on a server of S3.
func Bucket(t testing.TB, endpoint string) (name string) {
	t.Helper()
	name = strings.ToLower("b-" + rand.Text())
	_, err := Client(endpoint).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	require.NoError(t, err)
	return name
}

// GCSBucket makes an empty bucket for this test on servertest.GCS.
func GCSBucket(t testing.TB, endpoint string) (name string) {
	t.Helper()
	name = strings.ToLower("b-" + rand.Text())
	resp, err := http.Post(endpoint+"/storage/v1/b?project=test", "application/json", strings.NewReader(`{"name": "`+name+`"}`))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return name
}

// Client looks at a server of S3 past the store.
func Client(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint, UsePathStyle: true, Region: "us-east-1",
		Credentials:                credentials.NewStaticCredentialsProvider(servertest.AccessKey, servertest.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
}
