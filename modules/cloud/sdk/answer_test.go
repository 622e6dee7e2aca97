package sdk

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/googleapi"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/egress"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/servertest"
)

func alone(t *testing.T, key, secret string) {
	t.Helper()
	for _, name := range []string{"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_ACCESS_KEY_ID", key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestWhatServersAnswerIsExplained(t *testing.T) {
	list := func(t *testing.T, c aws.Config) error {
		client := s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })
		_, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("no-such-bucket")})
		return err
	}
	find := func(t *testing.T, c aws.Config) error {
		_, err := sqs.NewFromConfig(c).GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("none")})
		return err
	}
	for _, tt := range []struct {
		name     string
		endpoint string
		key      string
		call     func(*testing.T, aws.Config) error
		why      cloud.Why
		text     string
	}{
		{"no bucket", servertest.Versitygw(t), servertest.AccessKey, list, cloud.Missing, "check name"},
		{"no such key", servertest.Versitygw(t), "other", list, cloud.Denied, "are wrong"},
		{"no queue", servertest.Fauxqs(t), servertest.AccessKey, find, cloud.Missing, "check name"},
		{"no credentials", servertest.Fauxqs(t), "", find, cloud.Denied, "no credentials were found"},
		{"nobody there", "http://127.0.0.1:1", servertest.AccessKey, list, cloud.Unreachable, "no answer from http://127.0.0.1:1: connection refused; check the endpoint"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alone(t, tt.key, servertest.SecretKey)
			c, err := AWS{Endpoint: tt.endpoint, Region: "us-east-1"}.Load(t.Context())
			require.NoError(t, err)
			err = Explain(t.Context(), "call", tt.call(t, c))
			require.True(t, cloud.Is(err, tt.why), "%v", err)
			require.Equal(t, fault.Transient, fault.Of(err))
			require.NotContains(t, err.Error(), "\n")
			require.Contains(t, err.Error(), tt.text)
			require.Less(t, len(err.Error()), 200, "%v", err)
		})
	}
}

func TestAnAddressThatJobsMayNotReachStaysRefusedForGood(t *testing.T) {
	client := egress.NewClient(egress.Policy{})
	keys := func(context.Context) (cloud.Keys, error) { return cloud.Keys{ID: "i", Secret: "s"}, nil }
	c, err := AWS{Endpoint: "http://127.0.0.1:1", Keys: keys, HTTP: client}.Load(t.Context())
	require.NoError(t, err)
	_, ofAWS := s3.NewFromConfig(c).ListBuckets(t.Context(), nil)
	of, err := COS{Endpoint: "http://127.0.0.1:1", Keys: keys, HTTP: client}.Open(t.Context())
	require.NoError(t, err)
	_, ofCOS := of.ListBucketsWithContext(t.Context(), nil)
	for _, err := range []error{ofAWS, ofCOS} {
		err = Explain(t.Context(), "list", err)
		require.EqualError(t, err, `list: host "127.0.0.1" is a loopback address; the operator can allow it with MILLRACE_ALLOW_HOSTS`)
		require.Equal(t, fault.Permanent, fault.Of(err))
	}
}

// What no server here answers.
func TestOnlyACallThatIsWrongItselfIsPermanent(t *testing.T) {
	for _, tt := range []struct {
		code   string
		status int
		why    cloud.Why
	}{
		{"KMS.DisabledException", 400, cloud.Locked},
		{"KmsInvalidState", 400, cloud.Locked},
		{"KMS.AccessDeniedException", 400, cloud.Denied},
		{"ConditionalRequestConflict", 409, cloud.Throttled},
		{"BadDigest", 400, cloud.Unreachable},
		{"IncompleteBody", 400, cloud.Unreachable},
		{"", 408, cloud.Unreachable},
		{"", 200, cloud.Unreachable},
		{"KMS.ThrottlingException", 400, cloud.Throttled},
		{"TokenRefreshRequired", 400, cloud.Denied},
		{"BandwidthLimitExceeded", 400, cloud.Throttled},
		{"SomethingOfNextYear", 400, cloud.Unclear},
		{"", 400, cloud.Unclear},
		{"AuthorizationHeaderMalformed", 400, cloud.Missing},
		{"InvalidArgument", 400, cloud.Refused},
		{"AWS.SimpleQueueService.BatchRequestTooLong", 400, cloud.Refused},
	} {
		t.Run(fmt.Sprint(tt.code, tt.status), func(t *testing.T) {
			err := Explain(t.Context(), "call", &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
				Response: &smithyhttp.Response{Response: &http.Response{StatusCode: tt.status}}, Err: &smithy.GenericAPIError{Code: tt.code},
			}})
			require.True(t, cloud.Is(err, tt.why), "%v", err)
			require.Equal(t, tt.why == cloud.Refused, fault.Of(err) == fault.Permanent)
		})
	}
}

// As "Error codes" of the Cloud Storage JSON API has them.
func TestWhatGoogleAnswersIsExplained(t *testing.T) {
	for _, tt := range []struct {
		reason string
		status int
		why    cloud.Why
	}{
		{"conditionNotMet", 412, cloud.Refused},
		{"invalid", 400, cloud.Refused},
		{"notFound", 404, cloud.Missing},
		{"forbidden", 403, cloud.Denied},
		{"authError", 401, cloud.Denied},
		{"rateLimitExceeded", 403, cloud.Throttled},
		{"", 429, cloud.Throttled},
		{"backendError", 503, cloud.Unreachable},
		{"", 502, cloud.Unreachable},
		{"somethingOfNextYear", 409, cloud.Unclear},
	} {
		t.Run(fmt.Sprint(tt.reason, tt.status), func(t *testing.T) {
			e := &googleapi.Error{Code: tt.status, Errors: []googleapi.ErrorItem{{Reason: tt.reason}}}
			if tt.reason == "" {
				e.Errors = nil
			}
			err := Explain(t.Context(), "list gs://b", fmt.Errorf("storage: %w", e))
			require.True(t, cloud.Is(err, tt.why), "%v", err)
			require.Equal(t, tt.status, Status(err))
			require.Equal(t, tt.reason, Code(err))
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestAWSCredentialsAreReadAgainFromAReplacedFile(t *testing.T) {
	alone(t, "", "")
	file := filepath.Join(t.TempDir(), "credentials")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	write := func(id string) {
		require.NoError(t, os.WriteFile(file, []byte("[default]\naws_access_key_id = "+id+"\naws_secret_access_key = s\n"), 0o600))
	}
	write("one")
	c, err := AWS{Region: "us-east-1"}.Load(t.Context())
	require.NoError(t, err)
	creds, err := c.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "one", creds.AccessKeyID)
	require.True(t, creds.CanExpire)
	write("two")
	cache, ok := c.Credentials.(*aws.CredentialsCache)
	require.True(t, ok)
	cache.Invalidate() // as the end of a minute does
	creds, err = c.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	require.Equal(t, "two", creds.AccessKeyID)
}

func TestAWSKeysThatAreGivenAreUsedAndNoneIsAnonymous(t *testing.T) {
	alone(t, "of-the-environment", "s")
	signed := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { signed <- r.Header.Get("Authorization") }))
	t.Cleanup(server.Close)
	for _, tt := range []struct{ id, want string }{{"given", "Credential=given/"}, {"", ""}} {
		keys := func(context.Context) (cloud.Keys, error) { return cloud.Keys{ID: tt.id, Secret: "s"}, nil }
		c, err := AWS{Endpoint: server.URL, Region: "us-east-1", Keys: keys}.Load(t.Context())
		require.NoError(t, err)
		_, err = s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true }).
			DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
		require.NoError(t, err)
		got := <-signed
		require.Contains(t, got, tt.want)
		require.Equal(t, tt.id == "", got == "")
	}
}

func TestAServerOfAnotherKindIsSaid(t *testing.T) {
	alone(t, servertest.AccessKey, servertest.SecretKey)
	c, err := AWS{Endpoint: servertest.Versitygw(t), Region: "us-east-1"}.Load(t.Context())
	require.NoError(t, err)
	_, err = sqs.NewFromConfig(c).GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
	require.ErrorContains(t, Explain(t.Context(), "find queue jobs", err), "what answers is no such service (HTTP status 405); check the endpoint's URL")
}

func TestWithoutARegionAWSIsNotGuessedAt(t *testing.T) {
	alone(t, "", "")
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	_, err := AWS{}.Load(t.Context())
	require.ErrorIs(t, err, ErrNoRegion)
	c, err := AWS{Endpoint: "http://127.0.0.1:1"}.Load(t.Context())
	require.NoError(t, err, "a server of one's own")
	require.NotEmpty(t, c.Region)
}
