// Package s3blob keeps objects in a bucket of Amazon S3, or of a server that speaks as it does and has conditional
// writes: blob.Probe tells.
package s3blob

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
	"github.com/millrace/millrace/modules/cloud/sdk"
)

// Config says which bucket.
type Config struct {
	AWS    sdk.AWS
	Bucket string
	Prefix string // of all keys; may be empty
	// Stall is how long a transfer may stay below 4 KiB/s, and a call without an answer; default 30 s.
	Stall time.Duration
	// AutoCreate makes a bucket that is not there, in the region of AWS.
	AutoCreate bool
	// Unlisted opens a bucket that the credentials may not list, as those of a single job often may not.
	Unlisted bool
	// Foreign lists keys as well that no store takes: who reads a bucket of others must know what he does not get.
	Foreign bool
	// Owner is the AWS account that the bucket must belong to, in every call; empty is any.
	Owner string
}

// A Store keeps objects in a bucket, under a prefix.
type Store struct{ *bucket.Store }

var (
	_ blob.Store = (*Store)(nil)
	_ blob.Mover = (*Store)(nil)
)

// Open makes one cheap call, so that a wrong name, wrong credentials and a wrong endpoint show at once, as a *cloud.Error.
// A bucket that is in another region is looked for there, where S3 says which that is.
// Without s3:ListBucket S3 says of an object that is not there that it is forbidden.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Bucket == "" {
		return nil, errors.New("no bucket is given; a store is one like s3://bucket/prefix")
	}
	conf, err := c.AWS.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("open store s3://%s: %w", c.Bucket, err)
	}
	s, err := open(ctx, c, conf)
	if region := sdk.Region(err); region != "" && region != conf.Region {
		conf.Region = region
		s, err = open(ctx, c, conf)
	}
	if err != nil {
		return nil, err
	}
	return &Store{s}, nil
}

func open(ctx context.Context, c Config, conf aws.Config) (*bucket.Store, error) {
	d := &api{bucket: aws.String(c.Bucket), region: conf.Region}
	d.client = s3.NewFromConfig(conf, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired // we send our own
		if c.Owner != "" {
			o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("x-amz-expected-bucket-owner", c.Owner))
		}
		if d.sums = o.BaseEndpoint == nil; d.sums {
			d.unsigned = true
			return
		}
		// Not AWS's own: such servers may know no host name for each bucket, and no checksums.
		o.UsePathStyle = true
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		d.unsigned = strings.HasPrefix(*o.BaseEndpoint, "https:")
	})
	return bucket.Open(ctx, bucket.Config{
		SDK: d, Parts: d, Sign: d.presign, Lend: d.presignGet, Name: "s3://" + c.Bucket, Prefix: c.Prefix, Stall: c.Stall, AutoCreate: c.AutoCreate, Unlisted: c.Unlisted, Foreign: c.Foreign,
	})
}
