package cloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	ibm "github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// A Chain is where the operator keeps credentials. Keys may be called from several goroutines; what it returns was read a
// minute ago at most, or ends when it says.
type Chain struct {
	// Profile is that of AWS's files; empty is the environment's.
	Profile string
	// AWS are keys in place of AWS's default chain; empty is none.
	AWS Keys
	COS COS // as far as its credentials go
	// Anonymous says that it is not Google whom its keys are for, but a server that takes anybody: none are no error.
	Anonymous bool

	mu     sync.Mutex
	aws    aws.CredentialsProvider  // guarded by mu; nil before it is asked for
	cos    *credentials.Credentials // guarded by mu
	google oauth2.TokenSource       // guarded by mu
}

// Keys returns what a service takes. Its errors say where credentials may come from.
func (c *Chain) Keys(ctx context.Context, s Service) (Keys, error) {
	var k Keys
	var err error
	switch s {
	case ServiceAWS:
		k, err = c.ofAWS(ctx)
	case ServiceCOS:
		k, err = c.ofCOS(ctx)
	case ServiceGCS:
		k, err = c.ofGoogle(ctx)
	default:
		err = fmt.Errorf("%q is no service that there are credentials for", s)
	}
	if err != nil {
		return Keys{}, fmt.Errorf("get credentials of %s: %s", s, oneLine(root(err)))
	}
	return k, nil
}

func (c *Chain) ofAWS(ctx context.Context) (Keys, error) {
	if c.AWS.ID != "" {
		return c.AWS, nil
	}
	provider, err := c.providerOfAWS(ctx)
	if err != nil {
		return Keys{}, err
	}
	k, err := provider.Retrieve(ctx)
	if err != nil {
		return Keys{}, err
	}
	return Keys{ID: k.AccessKeyID, Secret: k.SecretAccessKey, Token: k.SessionToken, Expires: k.Expires}, nil
}

func (c *Chain) providerOfAWS(ctx context.Context) (aws.CredentialsProvider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aws != nil {
		return c.aws, nil
	}
	options := c.options()
	conf, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	c.aws = aws.NewCredentialsCache(rereading{conf.Credentials, options})
	return c.aws, nil
}

func (c *Chain) ofCOS(ctx context.Context) (Keys, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cos == nil {
		var err error
		if c.cos, err = c.COS.credentials(ibm.NewConfig()); err != nil {
			return Keys{}, err
		}
	}
	v, err := c.cos.GetWithContext(ctx)
	if err != nil {
		return Keys{}, err
	}
	k := Keys{ID: v.AccessKeyID, Secret: v.SecretAccessKey, Token: cmp.Or(v.SessionToken, v.AccessToken)}
	if v.Expiration > 0 {
		k.Expires = time.Unix(v.Expiration, 0)
	}
	return k, nil
}

// scopeOfGoogle is what a token is good for: objects, and the buckets that a task makes.
const scopeOfGoogle = "https://www.googleapis.com/auth/devstorage.full_control"

func (c *Chain) ofGoogle(ctx context.Context) (Keys, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.google == nil {
		found, err := google.FindDefaultCredentials(context.WithoutCancel(ctx), scopeOfGoogle)
		if err != nil && c.Anonymous {
			return Keys{}, nil
		}
		if err != nil {
			return Keys{}, errors.New("none were found: set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or give the pod an identity")
		}
		c.google = found.TokenSource
	}
	t, err := c.google.Token()
	if err != nil {
		return Keys{}, err
	}
	return Keys{Token: t.AccessToken, Expires: t.Expiry}, nil
}

// Region returns the AWS region that the environment or the profile names; empty is none.
func (c *Chain) Region(ctx context.Context) string {
	conf, err := config.LoadDefaultConfig(ctx, c.options()...)
	if err != nil {
		return "" // what is wrong shows when keys are asked for
	}
	return conf.Region
}

func (c *Chain) options() []func(*config.LoadOptions) error {
	options := []func(*config.LoadOptions) error{config.WithHTTPClient(NewHTTPClient())}
	if c.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.Profile))
	}
	return options
}
