package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/cosblob"
	"github.com/millrace/millrace/modules/blob/s3blob"
	"github.com/millrace/millrace/modules/cloud/sdk"
	"github.com/millrace/millrace/pipelines"
	"github.com/millrace/millrace/worker/queue"
	"github.com/millrace/millrace/worker/queue/cosqueue"
	"github.com/millrace/millrace/worker/queue/localqueue"
	"github.com/millrace/millrace/worker/queue/sqsqueue"
	"github.com/millrace/millrace/worker/record"
)

// cloudConfig says how to get at what lies in a cloud. AWS credentials come by AWS's own default chain: environment,
// profile, web identity, container, instance.
type cloudConfig struct {
	Region          string `flag:"region" default:"" doc:"AWS region; empty is the environment's or the profile's"`
	SQSEndpoint     string `flag:"sqs-endpoint" default:"" doc:"URL of a server that speaks SQS, instead of AWS's"`
	S3Endpoint      string `flag:"s3-endpoint" default:"" doc:"URL of a server that speaks S3, instead of AWS's"`
	COSEndpoint     string `flag:"cos-endpoint" default:"" doc:"URL of IBM COS, like https://s3.eu-de.cloud-object-storage.appdomain.cloud"`
	COSRegion       string `flag:"cos-region" default:"" doc:"region that HMAC signatures name; empty is us-east-1"`
	COSAccessKeyID  string `flag:"cos-access-key-id" default:"" doc:"HMAC access key of COS"`
	COSSecretKey    string `flag:"cos-secret-access-key" default:"" secret:"true" doc:"HMAC secret key of COS"`
	COSAPIKey       string `flag:"cos-api-key" default:"" secret:"true" doc:"IAM API key of COS, instead of HMAC keys"`
	COSInstanceID   string `flag:"cos-instance-id" default:"" doc:"service instance that the IAM API key belongs to"`
	COSAuthEndpoint string `flag:"cos-auth-endpoint" default:"" doc:"URL that IAM tokens come from; empty is IBM Cloud's"`
	COSCredentials  string `flag:"cos-credentials" default:"" doc:"file of a COS service credential (JSON), instead of keys; read again when it changes"`
}

func (c *cloudConfig) aws(endpoint string) sdk.AWS {
	return sdk.AWS{Region: c.Region, Endpoint: endpoint}
}

func (c *cloudConfig) cos() sdk.COS {
	return sdk.COS{
		Endpoint: c.COSEndpoint, Region: c.COSRegion, AccessKeyID: c.COSAccessKeyID, SecretAccessKey: c.COSSecretKey,
		APIKey: c.COSAPIKey, InstanceID: c.COSInstanceID, AuthEndpoint: c.COSAuthEndpoint, File: c.COSCredentials,
	}
}

// checkEndpoints refuses what is no URL of a server.
func (c *cloudConfig) checkEndpoints(from func(string) string) (errs []error) {
	for _, e := range [][2]string{{"sqs-endpoint", c.SQSEndpoint}, {"s3-endpoint", c.S3Endpoint}, {"cos-endpoint", c.COSEndpoint}, {"cos-auth-endpoint", c.COSAuthEndpoint}} {
		if e[1] != "" && !isServer(e[1]) {
			errs = append(errs, fmt.Errorf("%s: %q is not the URL of a server; one looks like https://host:port", from(e[0]), e[1]))
		}
	}
	return errs
}

// isServer says whether text is the URL of a server.
func isServer(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// checkCOS refuses what no client can be made of. Whether the credentials are good is the service's to say.
func (c *cloudConfig) checkCOS(from func(string) string) (errs []error) {
	if c.COSEndpoint == "" {
		errs = append(errs, fmt.Errorf("%s: is empty: COS is reached at a URL like https://s3.eu-de.cloud-object-storage.appdomain.cloud", from("cos-endpoint")))
	}
	switch {
	case c.COSCredentials != "":
		if _, err := os.ReadFile(c.COSCredentials); err != nil {
			errs = append(errs, fmt.Errorf("%s: the file of credentials %s can't be read: %w", from("cos-credentials"), c.COSCredentials, plainPath(err)))
		}
	case (c.COSAccessKeyID == "" || c.COSSecretKey == "") && c.COSAPIKey == "":
		errs = append(errs, fmt.Errorf("no COS credentials are given: set %s and %s, or %s, or %s",
			from("cos-access-key-id"), from("cos-secret-access-key"), from("cos-api-key"), from("cos-credentials")))
	}
	return errs
}

// placeConfig says where messages wait, and where records and outputs lie.
type placeConfig struct {
	dataConfig
	Queue     []string `flag:"queue" default:"local" doc:"queues, comma-separated: local (embedded), sqs:NAME, an SQS URL or ARN, cos://bucket/prefix; ?weight=3&limit=4 may follow each; gpu=sqs:NAME says the class of its workers, by which jobs run chooses"`
	Store     string   `flag:"store" default:"local" doc:"where records and outputs lie: local (a folder), s3://bucket/prefix, cos://bucket/prefix"`
	DeadQueue string   `flag:"dead-queue" default:"" doc:"SQS queue for what is given up; empty is that of the queue's redrive policy"`
	cloudConfig

	queues []queueRef // of Queue, by complete
	store  storeRef   // of Store, by complete
}

func (c *placeConfig) complete(from func(string) string) []error {
	errs := c.dataConfig.complete(from)
	var wrong []error
	c.queues, wrong = parseQueues(c.Queue)
	for _, err := range wrong {
		errs = append(errs, fmt.Errorf("%s: %w", from("queue"), err))
	}
	var err error
	if c.store, err = parseStore(c.Store); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", from("store"), err))
	}
	errs = append(errs, apart(c.queues, c.store)...)
	errs = append(errs, c.checkEndpoints(from)...)
	if c.store.kind == kindCOS || slices.ContainsFunc(c.queues, func(r queueRef) bool { return r.kind == kindCOS }) {
		errs = append(errs, c.checkCOS(from)...)
	}
	return errs
}

// storeName is what people call the store.
func (c *placeConfig) storeName() string {
	if c.store.kind == kindLocal {
		return c.Data
	}
	return c.store.text
}

// embedded says whether all queues are the embedded one, whose file is its owner's alone.
func (c *placeConfig) embedded() bool {
	return !slices.ContainsFunc(c.queues, func(r queueRef) bool { return r.kind != kindLocal })
}

// onSQS says whether any queue is one of SQS.
func (c *placeConfig) onSQS() bool {
	return slices.ContainsFunc(c.queues, func(r queueRef) bool { return r.kind == kindSQS })
}

// inFolder says whether anything lies in the data folder.
func (c *placeConfig) inFolder() bool {
	return c.store.kind == kindLocal || slices.ContainsFunc(c.queues, func(r queueRef) bool { return r.kind == kindLocal })
}

// openBroker opens a queue. Close it after use.
func (c *placeConfig) openBroker(ctx context.Context, ref queueRef, visibility time.Duration) (queue.Broker, error) {
	switch ref.kind {
	case kindSQS:
		return sqsqueue.Open(ctx, sqsqueue.Config{Queue: ref.name, AWS: c.aws(c.SQSEndpoint), Visibility: visibility, DeadQueue: c.DeadQueue})
	case kindCOS:
		return cosqueue.Open(ctx, cosqueue.Config{COS: c.cos(), Bucket: ref.bucket, Prefix: ref.prefix, Visibility: visibility})
	}
	return localqueue.Open(ctx, localqueue.Config{Path: c.queueFile(), Visibility: visibility})
}

// openBrokers opens all queues. Close them after use.
func (c *placeConfig) openBrokers(ctx context.Context, visibility time.Duration) ([]queue.Broker, error) {
	var all []queue.Broker
	for _, ref := range c.queues {
		b, err := c.openBroker(ctx, ref, visibility)
		if err != nil {
			return nil, errors.Join(err, closeAll(all))
		}
		all = append(all, b)
	}
	return all, nil
}

func closeAll(brokers []queue.Broker) error {
	var errs []error
	for _, b := range brokers {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}

// openStore opens the store; it may be left open until the process ends.
func (c *placeConfig) openStore(ctx context.Context) (blob.Store, error) {
	if c.store.kind == kindLocal {
		return c.openFolder()
	}
	return c.openBucket(ctx, c.store)
}

// openBucket opens what ref names in a bucket.
func (c *cloudConfig) openBucket(ctx context.Context, ref storeRef) (blob.Store, error) {
	if ref.kind == kindCOS {
		return cosblob.Open(ctx, cosblob.Config{COS: c.cos(), Bucket: ref.bucket, Prefix: ref.prefix})
	}
	return s3blob.Open(ctx, s3blob.Config{AWS: c.aws(c.S3Endpoint), Bucket: ref.bucket, Prefix: ref.prefix})
}

// checkCatalogue refuses named pipelines that lie neither in a folder nor in a bucket.
func (c *cloudConfig) checkCatalogue(where string, from func(string) string) []error {
	if !isBucket(where) {
		return []error{checkPipelines(where, from)}
	}
	ref, err := parseStore(where)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", from("pipelines"), err)}
	}
	if ref.kind == kindCOS {
		return c.checkCOS(from)
	}
	return nil
}

// openCatalogue is the named pipelines of a folder or of a bucket that checkCatalogue has passed, over the built-in ones.
func (c *cloudConfig) openCatalogue(ctx context.Context, where string, log *slog.Logger) (*pipelines.Catalogue, error) {
	if !isBucket(where) {
		return newCatalogue(where), nil
	}
	ref, err := parseStore(where)
	if err != nil {
		return nil, err
	}
	store, err := c.openBucket(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("open pipelines in %s: %w", where, err)
	}
	return pipelines.NewStoreCatalogue(store, log), nil
}

func (c *placeConfig) openRecords(ctx context.Context) (*record.Book, error) {
	store, err := c.openStore(ctx)
	if err != nil {
		return nil, err
	}
	return record.New(store, time.Now), nil
}
