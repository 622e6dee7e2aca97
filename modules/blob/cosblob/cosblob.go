// Package cosblob keeps objects in a bucket of IBM Cloud Object Storage, by HMAC keys or IAM, or of a server that speaks
// as it does.
package cosblob

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/ibm-cos-sdk-go/aws"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
	"github.com/millrace/millrace/modules/cloud/sdk"
)

// Config says which bucket.
type Config struct {
	COS    sdk.COS
	Bucket string
	Prefix string // of all keys; may be empty
	// Stall is how long a transfer may stay below 4 KiB/s, and a call without an answer; default 30 s.
	Stall time.Duration
	// AutoCreate makes a bucket that is not there.
	AutoCreate bool
	// Unlisted opens a bucket that the credentials may not list, as those of a single job often may not.
	Unlisted bool
	// Foreign lists keys as well that no store takes: who reads a bucket of others must know what he does not get.
	Foreign bool
}

// A Store keeps objects in a bucket, under a prefix.
type Store struct{ *bucket.Store }

var (
	_ blob.Store = (*Store)(nil)
	_ blob.Mover = (*Store)(nil)
)

// Open makes one cheap call, so that a wrong name, wrong credentials and a wrong endpoint show at once, as a *cloud.Error.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Bucket == "" {
		return nil, errors.New("no bucket is given; a store is one like cos://bucket/prefix")
	}
	client, err := c.COS.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open store cos://%s: %w", c.Bucket, err)
	}
	d := &api{client, aws.String(c.Bucket)}
	s, err := bucket.Open(ctx, bucket.Config{
		SDK: d, Parts: d, Sign: d.presign, Lend: d.presignGet, Name: "cos://" + c.Bucket, Prefix: c.Prefix, Stall: c.Stall, AutoCreate: c.AutoCreate, Unlisted: c.Unlisted, Foreign: c.Foreign,
	})
	if err != nil {
		return nil, err
	}
	return &Store{s}, nil
}
