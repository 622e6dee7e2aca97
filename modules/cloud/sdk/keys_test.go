package sdk

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
)

func TestKeysOfAWSComeFromTheEnvironmentUnlessDataHasItsOwn(t *testing.T) {
	alone(t, "of-the-worker", "s")
	k, err := (&Chain{}).Keys(t.Context(), cloud.ServiceAWS)
	require.NoError(t, err)
	require.Equal(t, "of-the-worker", k.ID)
	require.WithinDuration(t, time.Now().Add(cloud.Reread), k.End(), 10*time.Second, "read again by then")

	k, err = (&Chain{AWS: cloud.Keys{ID: "of-the-data", Secret: "d"}}).Keys(t.Context(), cloud.ServiceAWS)
	require.NoError(t, err)
	require.Equal(t, cloud.Keys{ID: "of-the-data", Secret: "d"}, k)

	file := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(file, []byte("[data]\naws_access_key_id = of-the-profile\naws_secret_access_key = p\nregion = eu-west-3\n"), 0o600))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	chain := &Chain{Profile: "data"}
	k, err = chain.Keys(t.Context(), cloud.ServiceAWS)
	require.NoError(t, err)
	require.Equal(t, "of-the-profile", k.ID)
	require.Equal(t, "eu-west-3", chain.Region(t.Context()))
}

func TestKeysOfCOSAreAPairOrATokenOfIAM(t *testing.T) {
	k, err := (&Chain{COS: COS{AccessKeyID: "id", SecretAccessKey: "s"}}).Keys(t.Context(), cloud.ServiceCOS)
	require.NoError(t, err)
	require.Equal(t, "id", k.ID)

	iam := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"access_token":"short-lived","token_type":"Bearer","expires_in":3600,"expiration":%d}`, time.Now().Add(time.Hour).Unix())
	}))
	t.Cleanup(iam.Close)
	k, err = (&Chain{COS: COS{APIKey: "long-lived", AuthEndpoint: iam.URL}}).Keys(t.Context(), cloud.ServiceCOS)
	require.NoError(t, err)
	require.Equal(t, "short-lived", k.Token)
	require.Empty(t, k.Secret)
	require.WithinDuration(t, time.Now().Add(time.Hour), k.Expires, time.Minute)

	_, err = (&Chain{}).Keys(t.Context(), cloud.ServiceCOS)
	require.ErrorContains(t, err, "cos: no COS credentials are given: an HMAC key pair")
}

func TestKeysOfGoogleAreATokenOfTheServiceAccount(t *testing.T) {
	token := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"short-lived","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(token.Close)
	file := filepath.Join(t.TempDir(), "user.json")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	_, err := (&Chain{}).Keys(t.Context(), cloud.ServiceGCS)
	require.ErrorContains(t, err, "GOOGLE_APPLICATION_CREDENTIALS")
	k, err := (&Chain{Anonymous: true}).Keys(t.Context(), cloud.ServiceGCS)
	require.NoError(t, err)
	require.Zero(t, k)
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{"type":"service_account","client_email":"a@b","private_key_id":"k","private_key":%q,"token_uri":%q}`, newKey(t), token.URL), 0o600))
	k, err = (&Chain{}).Keys(t.Context(), cloud.ServiceGCS)
	require.NoError(t, err)
	require.Equal(t, "short-lived", k.Token)
	require.WithinDuration(t, time.Now().Add(time.Hour), k.Expires, time.Minute)
}

func TestF19WhoGivesOutKeysAndDoesNotAnswerHoldsUpNobody(t *testing.T) {
	hangs, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hangs.Close()) })
	file := filepath.Join(t.TempDir(), "user.json")
	account := fmt.Appendf(nil, `{"type":"service_account","client_email":"a@b","private_key_id":"k","private_key":%q,"token_uri":"http://%s"}`, newKey(t), hangs.Addr())
	require.NoError(t, os.WriteFile(file, account, 0o600))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	chain := &Chain{AWS: cloud.Keys{ID: "id", Secret: "s"}, COS: COS{APIKey: "k", AuthEndpoint: "http://" + hangs.Addr().String()}}
	enough := errors.New("the deadline")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, enough)
	defer cancel()
	for _, s := range []cloud.Service{cloud.ServiceGCS, cloud.ServiceCOS, cloud.ServiceGCS} {
		_, err = chain.Keys(ctx, s)
		require.ErrorIs(t, err, enough, s)
	}
	_, err = chain.Keys(t.Context(), cloud.ServiceAWS)
	require.NoError(t, err)
}

func TestF19WhoJoinsAnAskThatHangsReadsTheSameSentence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Chain{aws: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			<-ctx.Done()
			return aws.Credentials{}, fmt.Errorf("get: %w", ctx.Err())
		})}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				_, err := c.Keys(t.Context(), cloud.ServiceAWS)
				require.EqualError(t, err, "aws: who gives credentials out has not answered for 20s; check that it runs, and the way to it")
				require.Equal(t, fault.Transient, fault.Of(err))
			})
			time.Sleep(5 * time.Second)
		}
		wg.Wait()
	})
}

func TestKeysAreAskedForAgainBeforeTheyEnd(t *testing.T) {
	end := time.Now().Add(time.Hour)
	require.Equal(t, end.Add(-10*time.Second), cloud.Keys{Expires: end}.End())
	require.WithinDuration(t, time.Now().Add(time.Minute), cloud.Keys{}.End(), time.Second)
}

func TestWhoAsksForKeysOfAWSAtTheirEndGetsOthers(t *testing.T) {
	asked := 0
	c := &Chain{aws: cached(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		asked++
		end := time.Now().Add(time.Duration(asked) * cloud.Margin / 2) // 5, 10 and 15 s
		return aws.Credentials{AccessKeyID: fmt.Sprint(asked), SecretAccessKey: "s", CanExpire: true, Expires: end}, nil
	}))}
	for _, want := range []string{"1", "2", "3", "3"} {
		k, err := c.Keys(t.Context(), cloud.ServiceAWS)
		require.NoError(t, err)
		require.Equal(t, want, k.ID)
		require.Equal(t, want == "3", time.Now().Before(k.End()), "whose End has come are not kept")
	}
}

func TestNoKeysOfAWSAreASentenceWithARemedy(t *testing.T) {
	alone(t, "", "")
	_, err := (&Chain{}).Keys(t.Context(), cloud.ServiceAWS)
	require.ErrorContains(t, err, "aws: none were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or give the pod an identity (")
}

// A job's programs write what they like in its home folder.
func TestWithKeysNoFileLeadsACallElsewhere(t *testing.T) {
	alone(t, "of-the-worker", "s")
	const hostile = "[default]\nregion = eu-west-3\nservices = s\n[services s]\ns3 =\n  endpoint_url = http://hostile.example\n"
	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte(hostile), 0o600))
	t.Setenv("AWS_CONFIG_FILE", file)
	for name, keys := range map[string]func(context.Context) (cloud.Keys, error){
		"the worker's own": nil,
		"given":            func(context.Context) (cloud.Keys, error) { return cloud.Keys{ID: "of-the-task", Secret: "t"}, nil },
	} {
		c, err := AWS{Region: "us-east-1", Keys: keys}.Load(t.Context())
		require.NoError(t, err)
		led := s3.NewFromConfig(c).Options().BaseEndpoint
		require.Equal(t, keys == nil, led != nil, name)
		_, err = AWS{Keys: keys}.Load(t.Context())
		require.Equal(t, keys != nil, errors.Is(err, ErrNoRegion), name)
	}
}

func newKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
