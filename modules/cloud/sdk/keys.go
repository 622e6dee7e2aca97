package sdk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	ibm "github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/sync/singleflight"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/fault"
)

// A Chain is where the operator keeps credentials. Keys may be called from several goroutines; what it returns was read a
// minute ago at most, or ends when it says.
type Chain struct {
	// Profile is that of AWS's files; empty is the environment's.
	Profile string
	// AWS are keys in place of AWS's default chain; empty is none.
	AWS cloud.Keys
	COS COS // as far as its credentials go
	// Anonymous says that it is not Google whom its keys are for, but a server that takes anybody: none are no error.
	Anonymous bool

	asks   singleflight.Group       // by Service: what follows belongs to the ask of its service that is under way
	aws    aws.CredentialsProvider  // nil before it is asked for
	cos    *credentials.Credentials // likewise
	google oauth2.TokenSource       // likewise
}

// patience is how long whoever gives out keys may take.
const patience = 20 * time.Second

// Keys returns what a service takes. Its errors name the service, and say where credentials may come from. It returns when
// ctx ends, and after 20 s at most; who asks for keys of one service waits for nobody who asks for those of another.
func (c *Chain) Keys(ctx context.Context, s cloud.Service) (cloud.Keys, error) {
	silent := fault.As(fault.Transient,
		fmt.Errorf("%s: who gives credentials out has not answered for %s; check that it runs, and the way to it", s, patience))
	limited, cancel := context.WithTimeoutCause(ctx, patience, silent)
	defer cancel()
	got := c.asks.DoChan(string(s), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		k, err := c.ask(ctx, s)
		if err != nil && ctx.Err() != nil {
			err = silent
		}
		return k, err
	})
	select {
	case <-limited.Done():
		return cloud.Keys{}, context.Cause(limited)
	case r := <-got:
		if e, ok := errors.AsType[*fault.Error](r.Err); ok {
			return cloud.Keys{}, e
		}
		if r.Err != nil {
			return cloud.Keys{}, fmt.Errorf("%s: %s", s, oneLine(root(r.Err)))
		}
		return r.Val.(cloud.Keys), nil
	}
}

// ask makes one ask of a service. No two of one service are made at once.
func (c *Chain) ask(ctx context.Context, s cloud.Service) (cloud.Keys, error) {
	switch s {
	case cloud.ServiceAWS:
		return c.ofAWS(ctx)
	case cloud.ServiceCOS:
		return c.ofCOS(ctx)
	case cloud.ServiceGCS:
		return c.ofGoogle(ctx)
	}
	return cloud.Keys{}, fmt.Errorf("%q is no service that there are credentials for", s)
}

func (c *Chain) ofAWS(ctx context.Context) (cloud.Keys, error) {
	if c.AWS.ID != "" {
		return c.AWS, nil
	}
	if c.aws == nil {
		options := c.options()
		conf, err := config.LoadDefaultConfig(ctx, options...)
		if err != nil {
			return cloud.Keys{}, err
		}
		c.aws = cached(rereading{conf.Credentials, options})
	}
	k, err := c.aws.Retrieve(ctx)
	if askedOf(err) == "ec2imds" { // whom the default chain asks last
		return cloud.Keys{}, fmt.Errorf("none were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or give the pod an identity (%s)", oneLine(root(err)))
	}
	if err != nil {
		return cloud.Keys{}, err
	}
	return cloud.Keys{ID: k.AccessKeyID, Secret: k.SecretAccessKey, Token: k.SessionToken, Expires: k.Expires.Add(cloud.Margin)}, nil
}

func (c *Chain) ofCOS(ctx context.Context) (cloud.Keys, error) {
	if c.cos == nil {
		var err error
		if c.cos, err = c.COS.credentials(ibm.NewConfig().WithHTTPClient(keysClient())); err != nil {
			return cloud.Keys{}, err
		}
	}
	v, err := c.cos.GetWithContext(ctx)
	if err != nil {
		return cloud.Keys{}, err
	}
	k := cloud.Keys{ID: v.AccessKeyID, Secret: v.SecretAccessKey, Token: cmp.Or(v.SessionToken, v.AccessToken)}
	if v.Expiration > 0 {
		k.Expires = time.Unix(v.Expiration, 0)
	}
	return k, nil
}

// scopeOfGoogle is what a token is good for: objects, and the buckets that a task makes.
const scopeOfGoogle = "https://www.googleapis.com/auth/devstorage.full_control"

func (c *Chain) ofGoogle(ctx context.Context) (cloud.Keys, error) {
	if c.google == nil {
		// Its tokens know no context.
		ctx := context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, keysClient())
		found, err := google.FindDefaultCredentials(ctx, scopeOfGoogle)
		if err != nil && c.Anonymous {
			return cloud.Keys{}, nil
		}
		if err != nil {
			return cloud.Keys{}, errors.New("none were found: set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or give the pod an identity")
		}
		c.google = found.TokenSource
	}
	t, err := c.google.Token()
	if err != nil {
		return cloud.Keys{}, err
	}
	return cloud.Keys{Token: t.AccessToken, Expires: t.Expiry}, nil
}

// keysClient makes calls that have an end of their own.
func keysClient() *http.Client {
	return &http.Client{Transport: NewHTTPClient().GetTransport(), Timeout: patience}
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
	options := []func(*config.LoadOptions) error{config.WithHTTPClient(NewHTTPClient()), config.WithLogger(logging.Nop{})}
	if c.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(c.Profile))
	}
	return options
}
