package sdk

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
)

func TestF46ACredentialFileThatIsReplacedCountsAfterAMinute(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cos.json")
	write := func(id string) {
		text := fmt.Sprintf(`{"cos_hmac_keys": {"access_key_id": %q, "secret_access_key": "s"}}`, id)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	write("one")
	f := &credentialFile{cos: COS{File: file}}
	v, err := f.Retrieve()
	require.NoError(t, err)
	require.Equal(t, "one", v.AccessKeyID)
	require.False(t, f.IsExpired())
	write("two")
	f.read = time.Now().Add(-cloud.Reread - time.Second)
	require.True(t, f.IsExpired())
	v, err = f.Retrieve()
	require.NoError(t, err)
	require.Equal(t, "two", v.AccessKeyID)
}

func TestWithAnAPIKeyTheTokenReachesTheBucket(t *testing.T) {
	iam := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("apikey") != "key" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": "token", "token_type": "Bearer", "expires_in": 3600, "expiration": %d}`, time.Now().Add(time.Hour).Unix())
	}))
	t.Cleanup(iam.Close)
	said := make(chan string, 1)
	bucket := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		said <- r.Header.Get("Authorization")
	}))
	t.Cleanup(bucket.Close)
	client, err := COS{Endpoint: bucket.URL, APIKey: "key", InstanceID: "crn", AuthEndpoint: iam.URL}.Open(t.Context())
	require.NoError(t, err)
	_, err = client.DeleteObjectWithContext(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	require.NoError(t, err)
	require.Equal(t, "Bearer token", <-said)
}

func TestKeysThatAreGivenReachTheBucketUntilTheyEnd(t *testing.T) {
	said := make(chan string, 1)
	bucket := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		said <- r.Header.Get("Authorization")
	}))
	t.Cleanup(bucket.Close)
	now := cloud.Keys{Token: "of-iam", Expires: time.Now().Add(-time.Second)}
	keys := func(context.Context) (cloud.Keys, error) { return now, nil }
	client, err := COS{Endpoint: bucket.URL, Keys: keys}.Open(t.Context())
	require.NoError(t, err)
	call := func() error {
		_, err := client.DeleteObjectWithContext(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
		return err
	}
	require.NoError(t, call())
	require.Equal(t, "Bearer of-iam", <-said)
	now = cloud.Keys{ID: "hmac-id", Secret: "s"}
	require.NoError(t, call())
	require.Contains(t, <-said, "Credential=hmac-id/")
	now = cloud.Keys{ID: "too-soon", Secret: "s"}
	require.NoError(t, call(), "the last ones hold for a minute")
	require.Contains(t, <-said, "Credential=hmac-id/")
	client, err = COS{Endpoint: bucket.URL, Keys: func(context.Context) (cloud.Keys, error) { return cloud.Keys{}, nil }}.Open(t.Context())
	require.NoError(t, err)
	require.NoError(t, call())
	require.Empty(t, <-said, "none at all is anonymous access")
}

func TestWithoutCredentialsOrEndpointCOSSaysWhatToGive(t *testing.T) {
	_, err := COS{}.Open(t.Context())
	require.ErrorContains(t, err, "no COS endpoint is given")
	_, err = COS{Endpoint: "http://127.0.0.1:1"}.Open(t.Context())
	require.ErrorContains(t, err, "no COS credentials are given")
	file := filepath.Join(t.TempDir(), "cos.json")
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	_, err = COS{Endpoint: "http://127.0.0.1:1", File: file}.Open(t.Context())
	require.ErrorContains(t, err, "neither cos_hmac_keys nor apikey")
}

func TestABucketThatIsNotReachedIsNamedWithARemedy(t *testing.T) {
	client, err := COS{Endpoint: "http://127.0.0.1:1", AccessKeyID: "a", SecretAccessKey: "s"}.Open(t.Context())
	require.NoError(t, err)
	_, err = client.ListObjectsV2WithContext(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b")})
	require.EqualError(t, Explain(t.Context(), "list cos://b", err),
		"list cos://b: no answer from http://127.0.0.1:1: connection refused; check the endpoint, DNS and the network's rules")
}
