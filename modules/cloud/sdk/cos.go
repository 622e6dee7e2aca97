package sdk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	ibm "github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/aws/credentials"
	"github.com/IBM/ibm-cos-sdk-go/aws/credentials/ibmiam"
	"github.com/IBM/ibm-cos-sdk-go/aws/credentials/ibmiam/token"
	"github.com/IBM/ibm-cos-sdk-go/aws/session"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"

	"github.com/millrace/millrace/modules/cloud"
)

// COS is how to reach IBM Cloud Object Storage, or a server that speaks as it does. Of the three kinds of credentials
// one is given.
type COS struct {
	Endpoint string // required: https://s3.eu-de.cloud-object-storage.appdomain.cloud
	Region   string // of HMAC signatures; default us-east-1

	AccessKeyID, SecretAccessKey string // HMAC
	APIKey, InstanceID           string // IAM
	AuthEndpoint                 string // of IAM; default IBM Cloud's
	// File is a service credential as IBM Cloud writes it (JSON with apikey, resource_instance_id, cos_hmac_keys). It is
	// read again every minute, so that a secret that is replaced counts by then.
	File string
	// Keys returns the credentials in place of all these, each time that the last ones have ended: an HMAC pair, or a
	// bearer Token of IAM alone.
	Keys func(context.Context) (cloud.Keys, error)
	// HTTP makes the calls, for who may not reach every address, to servers that may be hostile; nil is one that reaches all.
	HTTP *http.Client
}

const iamEndpoint = "https://iam.cloud.ibm.com/identity/token"

// Open returns a client. Nothing is retried, and every step has a time limit. It may ask Keys, of which none at all is
// anonymous access.
func (c COS) Open(ctx context.Context) (*s3.S3, error) {
	if c.Endpoint == "" {
		return nil, errors.New("no COS endpoint is given; it is one like https://s3.eu-de.cloud-object-storage.appdomain.cloud")
	}
	client := c.HTTP
	if client == nil {
		client = &http.Client{Transport: NewHTTPClient().GetTransport()}
	}
	conf := ibm.NewConfig().WithEndpoint(c.Endpoint).WithRegion(cmp.Or(c.Region, "us-east-1")).
		WithS3ForcePathStyle(true).WithMaxRetries(0).WithHTTPClient(client)
	creds, err := c.proof(ctx, conf)
	if err != nil {
		return nil, err
	}
	s, err := session.NewSession(conf.WithCredentials(creds))
	if err != nil {
		return nil, fmt.Errorf("set up the COS client: %w", err)
	}
	api := s3.New(s)
	if c.HTTP != nil {
		api.Handlers.Send.PushBack(boundRequest)
	}
	return api, nil
}

// proof is what calls are signed with. Whether it is none at all is asked once: the SDK wants to know beforehand.
func (c COS) proof(ctx context.Context, conf *ibm.Config) (*credentials.Credentials, error) {
	if c.Keys == nil {
		return c.credentials(conf)
	}
	k, err := c.Keys(ctx)
	switch {
	case err != nil:
		return nil, fmt.Errorf("get credentials: %w", err)
	case k.ID == "" && k.Token == "":
		return credentials.AnonymousCredentials, nil
	}
	return credentials.NewCredentials(&givenKeys{keys: c.Keys}), nil
}

// credentials are the operator's own.
func (c COS) credentials(conf *ibm.Config) (*credentials.Credentials, error) {
	switch {
	case c.File != "":
		f := &credentialFile{cos: c, conf: conf}
		_, err := f.Retrieve()
		return credentials.NewCredentials(f), err
	case c.AccessKeyID != "" && c.SecretAccessKey != "":
		return credentials.NewStaticCredentials(c.AccessKeyID, c.SecretAccessKey, ""), nil
	case c.APIKey != "":
		return ibmiam.NewStaticCredentials(conf, cmp.Or(c.AuthEndpoint, iamEndpoint), c.APIKey, c.InstanceID), nil
	}
	return nil, errors.New("no COS credentials are given: an HMAC key pair, an API key, or the file of a service credential")
}

// A credentialFile reads a service credential, and reads it again when it is older than reread.
type credentialFile struct {
	cos  COS
	conf *ibm.Config
	read time.Time
	iam  *ibmiam.Provider // of the file's API key; nil with an HMAC pair
	key  string           // of iam
}

func (f *credentialFile) Retrieve() (credentials.Value, error) {
	b, err := os.ReadFile(f.cos.File)
	if err != nil {
		return credentials.Value{}, fmt.Errorf("read COS credentials: %w", err)
	}
	var c struct {
		APIKey     string `json:"apikey"`
		InstanceID string `json:"resource_instance_id"`
		HMAC       struct {
			ID     string `json:"access_key_id"`
			Secret string `json:"secret_access_key"`
		} `json:"cos_hmac_keys"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return credentials.Value{}, fmt.Errorf("read COS credentials: %s is not the JSON of a service credential", f.cos.File)
	}
	f.read = time.Now()
	switch {
	case c.HMAC.ID != "" && c.HMAC.Secret != "":
		return credentials.Value{AccessKeyID: c.HMAC.ID, SecretAccessKey: c.HMAC.Secret, ProviderName: "file"}, nil
	case c.APIKey == "":
		return credentials.Value{}, fmt.Errorf("read COS credentials: %s has neither cos_hmac_keys nor apikey", f.cos.File)
	case f.iam == nil || f.key != c.APIKey:
		f.iam, f.key = ibmiam.NewStaticProvider(f.conf, cmp.Or(f.cos.AuthEndpoint, iamEndpoint), c.APIKey, c.InstanceID), c.APIKey
	}
	return f.iam.Retrieve()
}

func (f *credentialFile) IsExpired() bool {
	return time.Since(f.read) > cloud.Reread || f.iam != nil && f.iam.IsExpired()
}

// givenKeys are what a caller has for credentials.
type givenKeys struct {
	keys func(context.Context) (cloud.Keys, error)
	last cloud.Keys
}

var _ credentials.ProviderWithContext = (*givenKeys)(nil)

func (g *givenKeys) Retrieve() (credentials.Value, error) {
	return g.RetrieveWithContext(context.Background())
}

func (g *givenKeys) RetrieveWithContext(ctx credentials.Context) (credentials.Value, error) {
	k, err := g.keys(ctx)
	if err != nil {
		return credentials.Value{}, fmt.Errorf("get credentials: %w", err)
	}
	k.Expires = k.End()
	g.last = k
	if k.ID != "" {
		return credentials.Value{AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Token, ProviderName: "given"}, nil
	}
	bearer := token.Token{AccessToken: k.Token, TokenType: "Bearer", Expiration: k.Expires.Unix()}
	return credentials.Value{Token: bearer, ProviderName: "given", ProviderType: "oauth"}, nil
}

func (g *givenKeys) IsExpired() bool { return !time.Now().Before(g.last.Expires) }
