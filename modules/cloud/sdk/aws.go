package sdk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/millrace/millrace/modules/cloud"
)

// AWS is how to reach AWS, or a server that speaks as it does.
type AWS struct {
	Region   string // empty: the environment's, else that of the profile; a server of one's own needs none
	Endpoint string // empty: the environment's (AWS_ENDPOINT_URL_SQS and the like), else AWS's own
	// Keys returns the credentials, each time that the last ones have ended; none at all is anonymous access. nil: those of
	// the default chain.
	Keys func(context.Context) (cloud.Keys, error)
	// HTTP makes the calls, for who may not reach every address, to servers that may be hostile; nil is NewHTTPClient's.
	HTTP *http.Client
}

// ErrNoRegion says that it is not known where in AWS to look. A guess could meet another queue of the same name.
var ErrNoRegion = errors.New("no AWS region is given: set AWS_REGION, or MILLRACE_REGION (--region), or name a queue by its URL or ARN")

// Load reads what the default chain says: environment, profile, web identity, container, instance. Nothing is retried:
// that is for the caller, who knows what a second try would do. Every connection has time limits; long polls of 20 s and
// answers that take a minute to begin fit into them. With Keys no file is read: a job's programs could have
// written one in its home folder that leads the calls elsewhere.
func (a AWS) Load(ctx context.Context) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithHTTPClient(NewHTTPClient()),
		config.WithLogger(logging.Nop{}), // it writes to stderr, in lines of its own
	}
	if a.Region != "" {
		options = append(options, config.WithRegion(a.Region))
	}
	if a.Keys != nil {
		options = append(options, config.WithSharedConfigFiles([]string{}), config.WithSharedCredentialsFiles([]string{}))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	var credentials aws.CredentialsProvider = cached(rereading{c.Credentials, options})
	if a.Keys != nil {
		if credentials, err = given(ctx, a.Keys); err != nil {
			return aws.Config{}, err
		}
	}
	if err == nil && a.Endpoint != "" { // of this service: STS, which credentials may come from, has its own
		c, err = config.LoadDefaultConfig(ctx, append(options, config.WithBaseEndpoint(a.Endpoint))...)
	}
	if err != nil {
		return aws.Config{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	c.Credentials = credentials
	if a.HTTP != nil { // no option: with AWS_CA_BUNDLE Load takes none but its own
		c.HTTPClient = boundClient{a.HTTP}
	}
	if c.Region == "" {
		if c.BaseEndpoint == nil {
			return aws.Config{}, ErrNoRegion
		}
		c.Region = "us-east-1" // a server of one's own has none, and signatures name one
	}
	return c, nil
}

// rereading gives credentials that name no end one, and reads them from where they come from then.
type rereading struct {
	first   aws.CredentialsProvider
	options []func(*config.LoadOptions) error
}

func (r rereading) Retrieve(ctx context.Context) (aws.Credentials, error) {
	provider := r.first
	if c, err := config.LoadDefaultConfig(ctx, r.options...); err == nil {
		provider = c.Credentials
	}
	creds, err := provider.Retrieve(ctx)
	if err == nil && !creds.CanExpire {
		creds.CanExpire, creds.Expires = true, time.Now().Add(cloud.Reread+cloud.Margin) // asked for again a cloud.Margin before
	}
	return creds, err
}

// cached asks again a margin before the last credentials end, and says that they end then.
func cached(p aws.CredentialsProvider) *aws.CredentialsCache {
	return aws.NewCredentialsCache(p, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = cloud.Margin })
}

// given is what a caller has for credentials. Whether it is none at all is asked once: the SDK wants to know beforehand.
func given(ctx context.Context, keys func(context.Context) (cloud.Keys, error)) (aws.CredentialsProvider, error) {
	k, err := keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("get credentials: %w", err)
	}
	if k.ID == "" {
		return aws.AnonymousCredentials{}, nil
	}
	return aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		k, err := keys(ctx)
		return aws.Credentials{
			AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Token, CanExpire: true, Expires: k.End(),
		}, err
	})), nil
}

// NewHTTPClient returns a client whose every step has a time limit, so that a peer that has fallen silent is noticed.
func NewHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout, d.KeepAlive = 5*time.Second, 15*time.Second }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = 5 * time.Second
			t.ResponseHeaderTimeout = 70 * time.Second
			t.MaxIdleConnsPerHost = 64
			t.IdleConnTimeout = 90 * time.Second
		})
}
