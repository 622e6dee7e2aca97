// Package s3blob keeps objects in a bucket of Amazon S3, or of a server that speaks as it does and has conditional
// writes: blob.Probe tells.
package s3blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
	"github.com/millrace/millrace/modules/cloud"
)

// Config says which bucket.
type Config struct {
	AWS    cloud.AWS
	Bucket string
	Prefix string // of all keys; may be empty
	// Stall is how long a transfer may stay below 4 KiB/s, and a call without an answer; default 30 s.
	Stall time.Duration
}

// A Store keeps objects in a bucket, under a prefix.
type Store struct{ *bucket.Store }

var _ blob.Store = (*Store)(nil)

// Open makes one cheap call, so that a wrong name, wrong credentials and a wrong endpoint show at once, as a *cloud.Error.
// A bucket that is in another region is looked for there, where S3 says which that is.
// The identity needs s3:ListBucket: without it S3 says of an object that is not there that it is forbidden.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Bucket == "" {
		return nil, errors.New("no bucket is given; a store is one like s3://bucket/prefix")
	}
	conf, err := c.AWS.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("open store s3://%s: %w", c.Bucket, err)
	}
	s, err := open(ctx, c, conf)
	if region := cloud.Region(err); region != "" && region != conf.Region {
		conf.Region = region
		s, err = open(ctx, c, conf)
	}
	if err != nil {
		return nil, err
	}
	return &Store{s}, nil
}

func open(ctx context.Context, c Config, conf aws.Config) (*bucket.Store, error) {
	client := s3.NewFromConfig(conf, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true
		if o.BaseEndpoint == nil {
			return
		}
		// Not AWS's own: such servers may know no host name for each bucket, and no checksums at a body's end.
		o.UsePathStyle = true
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	return bucket.Open(ctx, bucket.Config{
		SDK: &sdk{client, aws.String(c.Bucket)}, Name: "s3://" + c.Bucket, Prefix: c.Prefix, Stall: c.Stall,
	})
}

// An sdk makes the calls of bucket.SDK.
type sdk struct {
	client *s3.Client
	bucket *string
}

var _ bucket.SDK = (*sdk)(nil)

func (s *sdk) Create(ctx context.Context, key string, b []byte) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: s.bucket, Key: &key, Body: bytes.NewReader(b), IfNoneMatch: aws.String("*"),
	})
	return err
}

func (s *sdk) Put(ctx context.Context, key string, b []byte) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: s.bucket, Key: &key, Body: bytes.NewReader(b)})
	return err
}

func (s *sdk) Get(ctx context.Context, key string, from int64, etag string) (*bucket.Object, error) {
	in := &s3.GetObjectInput{Bucket: s.bucket, Key: &key}
	if from > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", from))
	}
	if etag != "" {
		in.IfMatch = &etag
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return nil, err
	}
	info := blob.Info{Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified)}
	return &bucket.Object{Info: info, ETag: aws.ToString(out.ETag), Body: out.Body}, nil
}

func (s *sdk) Delete(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: &key})
	return err
}

func (s *sdk) List(ctx context.Context, prefix, after string, most int) ([]blob.Info, bool, error) {
	in := &s3.ListObjectsV2Input{
		Bucket: s.bucket, Prefix: &prefix, MaxKeys: aws.Int32(int32(most)), EncodingType: types.EncodingTypeUrl,
	}
	if after != "" {
		in.StartAfter = &after
	}
	out, err := s.client.ListObjectsV2(ctx, in)
	if err != nil {
		return nil, false, err
	}
	page := make([]blob.Info, len(out.Contents))
	for i, o := range out.Contents {
		key := bucket.Plain(aws.ToString(o.Key), string(out.EncodingType))
		page[i] = blob.Info{Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}
	}
	return page, aws.ToBool(out.IsTruncated), nil
}

func (s *sdk) Begin(ctx context.Context, key string) (string, error) {
	out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: s.bucket, Key: &key})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.UploadId), nil
}

func (s *sdk) Part(ctx context.Context, key, upload string, n int, b []byte) (string, error) {
	out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: s.bucket, Key: &key, UploadId: &upload, PartNumber: aws.Int32(int32(n)), Body: bytes.NewReader(b),
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ETag), nil
}

func (s *sdk) Complete(ctx context.Context, key, upload string, etags []string) error {
	parts := make([]types.CompletedPart, len(etags))
	for i := range etags {
		parts[i] = types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: &etags[i]}
	}
	_, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: s.bucket, Key: &key, UploadId: &upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

func (s *sdk) Abort(ctx context.Context, key, upload string) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: s.bucket, Key: &key, UploadId: &upload})
	return err
}
