package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/millrace/millrace/modules/cloud"
	"github.com/millrace/millrace/modules/cloud/sdk"
)

// Where the renderer that COS tasks come from keeps its videos, unless it is told.
const (
	defaultCOSEndpoint = "https://s3.eu-de.cloud-object-storage.appdomain.cloud"
	defaultCOSBucket   = "vg-videos-prod"
)

// accessConfig says how jobs get at the operator's data in clouds.
type accessConfig struct {
	Buckets       []string `flag:"buckets" default:"" doc:"buckets that jobs may touch with the operator's keys: name, name/prefix, s3://name/prefix, cos://…, gs://…, comma-separated; empty is any, but none for pipelines that messages bring to a queue of others"`
	SendTo        []string `flag:"send-to" default:"" doc:"SQS queues and Kafka topics that jobs may send to with the operator's keys or by his brokers: sqs://host/account/name, kafka://topic, comma-separated; empty is any for pipelines of the catalogue, and none for pipelines and callbacks that messages bring"`
	BucketOwner   string   `flag:"bucket-owner" default:"" doc:"AWS account that S3 buckets must belong to, 12 digits; empty is any"`
	COSBucket     string   `flag:"cos-bucket" default:"" doc:"bucket of COS tasks that name none; empty is COS_BUCKET, else vg-videos-prod"`
	GCSEndpoint   string   `flag:"gcs-endpoint" default:"" doc:"URL of a server that speaks as Google Cloud Storage does, instead of Google's"`
	GCSProject    string   `flag:"gcs-project" default:"" doc:"Google Cloud project that CloudStorage tasks make buckets in"`
	DataProfile   string   `flag:"data-profile" default:"" doc:"AWS profile whose credentials jobs' data is reached with; empty is the worker's own"`
	DataKeyID     string   `flag:"data-access-key-id" default:"" doc:"AWS access key that jobs' data is reached with, instead of the worker's own"`
	DataSecret    string   `flag:"data-secret-access-key" default:"" secret:"true" doc:"secret that belongs to it"`
	DataToken     string   `flag:"data-session-token" default:"" secret:"true" doc:"session token, of temporary keys"`
	DataCOSKeyID  string   `flag:"data-cos-access-key-id" default:"" doc:"HMAC access key of COS that jobs' data is reached with, instead of the worker's own"`
	DataCOSSecret string   `flag:"data-cos-secret-access-key" default:"" secret:"true" doc:"secret that belongs to it"`
	kafkaConfig
}

func (c *accessConfig) complete(from func(string) string) (errs []error) {
	errs = c.kafkaConfig.complete(from)
	for _, text := range c.Buckets {
		if _, err := parseAllowed(text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", from("buckets"), err))
		}
	}
	for _, text := range c.SendTo {
		if err := checkSendTo(text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", from("send-to"), err))
		}
	}
	if c.BucketOwner != "" && (len(c.BucketOwner) != 12 || strings.Trim(c.BucketOwner, "0123456789") != "") {
		errs = append(errs, fmt.Errorf("%s: %q is no AWS account; it has 12 digits", from("bucket-owner"), c.BucketOwner))
	}
	if c.GCSEndpoint != "" && !isServer(c.GCSEndpoint) {
		errs = append(errs, fmt.Errorf("%s: %q is not the URL of a server; one looks like https://host:port", from("gcs-endpoint"), c.GCSEndpoint))
	}
	if (c.DataKeyID == "") != (c.DataSecret == "") {
		errs = append(errs, fmt.Errorf("%s and %s belong together: give both or none", from("data-access-key-id"), from("data-secret-access-key")))
	}
	if (c.DataCOSKeyID == "") != (c.DataCOSSecret == "") {
		errs = append(errs, fmt.Errorf("%s and %s belong together: give both or none", from("data-cos-access-key-id"), from("data-cos-secret-access-key")))
	}
	return errs
}

// access is how jobs get at data: the places as they are reached, and the keys for whoever may ask for them.
func (c *accessConfig) access(ctx context.Context, of *cloudConfig) cloud.Access {
	chain := c.chain(of)
	anyEndpoint := os.Getenv("AWS_ENDPOINT_URL")
	a := cloud.Access{
		Region:      of.Region,
		S3Endpoint:  cmp.Or(of.S3Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), anyEndpoint),
		SQSEndpoint: cmp.Or(of.SQSEndpoint, os.Getenv("AWS_ENDPOINT_URL_SQS"), anyEndpoint),
		COSEndpoint: cmp.Or(of.COSEndpoint, os.Getenv("COS_ENDPOINT"), defaultCOSEndpoint),
		COSRegion:   of.COSRegion,
		COSBucket:   cmp.Or(c.COSBucket, os.Getenv("COS_BUCKET"), defaultCOSBucket),
		GCSEndpoint: c.GCSEndpoint,
		GCSProject:  cmp.Or(c.GCSProject, os.Getenv("GOOGLE_CLOUD_PROJECT")),
		Buckets:     c.Buckets,
		SendTo:      c.SendTo,
		Owner:       c.BucketOwner,
		Keys:        chain.Keys,
	}
	if a.Region == "" {
		a.Region = chain.Region(ctx)
	}
	c.kafkaConfig.join(&a)
	return a
}

// chain is where the keys of jobs' data come from: those that are meant for it, else the worker's own, else what older
// deployments call theirs.
func (c *accessConfig) chain(of *cloudConfig) *sdk.Chain {
	chain := &sdk.Chain{
		Profile: c.DataProfile, AWS: cloud.Keys{ID: c.DataKeyID, Secret: c.DataSecret, Token: c.DataToken},
		COS: of.cos(), Anonymous: c.GCSEndpoint != "",
	}
	switch own := chain.COS; {
	case c.DataCOSKeyID != "":
		chain.COS = sdk.COS{AccessKeyID: c.DataCOSKeyID, SecretAccessKey: c.DataCOSSecret}
	case own.File == "" && own.APIKey == "" && own.AccessKeyID == "":
		chain.COS.AccessKeyID, chain.COS.SecretAccessKey = os.Getenv("COS_ACCESS_KEY"), os.Getenv("COS_SECRET_KEY")
	}
	return chain
}

// allowed is what an entry of --buckets lets jobs touch.
type allowed struct {
	service cloud.Service // empty is any
	bucket  string
	prefix  string // of keys, with a slash at its end; empty is all
}

var errNoBucket = errors.New("is no bucket; write name, name/prefix, s3://name/prefix, cos://name/prefix or gs://name/prefix")

func parseAllowed(text string) (allowed, error) {
	var a allowed
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = "", text
	}
	for _, service := range []cloud.Service{cloud.ServiceAWS, cloud.ServiceCOS, cloud.ServiceGCS} {
		if service.Scheme() == scheme {
			a.service = service
		}
	}
	if scheme != "" && a.service == "" {
		return a, fmt.Errorf("%q %w", text, errNoBucket)
	}
	a.bucket, a.prefix, _ = strings.Cut(rest, "/")
	if a.bucket == "" {
		return a, fmt.Errorf("%q %w", text, errNoBucket)
	}
	if a.prefix = strings.Trim(a.prefix, "/"); a.prefix != "" {
		a.prefix += "/"
	}
	return a, nil
}
