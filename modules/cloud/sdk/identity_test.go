package sdk

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	ibms3 "github.com/IBM/ibm-cos-sdk-go/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
)

// identityServer gives out no credentials, with this answer.
func identityServer(t *testing.T, status int, answer string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestWhoRefusesCredentialsIsNotUnreachable(t *testing.T) {
	byKey := func(t *testing.T, endpoint string) error {
		client, err := COS{Endpoint: "http://127.0.0.1:1", APIKey: "my-secret-key", InstanceID: "crn", AuthEndpoint: endpoint}.Open(t.Context())
		require.NoError(t, err)
		_, err = client.ListObjectsV2WithContext(t.Context(), &ibms3.ListObjectsV2Input{Bucket: aws.String("b")})
		return err
	}
	byRole := func(t *testing.T, endpoint string) error {
		alone(t, "", "")
		file := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(file, []byte("token"), 0o600))
		t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", file)
		t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/worker")
		t.Setenv("AWS_ENDPOINT_URL_STS", endpoint)
		c, err := AWS{Region: "us-east-1", Endpoint: "http://127.0.0.1:2"}.Load(t.Context())
		require.NoError(t, err)
		_, err = s3.NewFromConfig(c).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b")})
		return err
	}
	for _, tt := range []struct {
		name     string
		call     func(t *testing.T, endpoint string) error
		endpoint string
		why      cloud.Why
		code     string
	}{
		{"IAM does not know the key", byKey, identityServer(t, 400, `{"errorCode": "BXNIM0415E", "errorMessage": "no"}`), cloud.Denied, "BXNIM0415E"},
		{"IAM is down", byKey, identityServer(t, 503, ""), cloud.Unreachable, ""},
		{"nobody is where IAM was", byKey, "http://127.0.0.1:1", cloud.Unreachable, ""},
		{"STS does not know the token", byRole, identityServer(t, 400, stsAnswer("InvalidIdentityToken")), cloud.Denied, "InvalidIdentityToken"},
		{"STS is down", byRole, identityServer(t, 503, stsAnswer("ServiceUnavailable")), cloud.Unreachable, "ServiceUnavailable"},
		{"nobody is where STS was", byRole, "http://127.0.0.1:1", cloud.Unreachable, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Explain(t.Context(), "list", tt.call(t, tt.endpoint))
			require.True(t, cloud.Is(err, tt.why), "%v", err)
			require.ErrorContains(t, err, tt.code)
			require.NotContains(t, err.Error(), "my-secret-key")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func stsAnswer(code string) string {
	return "<ErrorResponse><Error><Code>" + code + "</Code><Message>no</Message></Error></ErrorResponse>"
}
