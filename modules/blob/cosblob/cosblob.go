// Package cosblob keeps objects in a bucket of IBM Cloud Object Storage, by HMAC keys or IAM, or of a server that speaks
// as it does.
package cosblob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/aws/request"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
	"github.com/millrace/millrace/modules/cloud"
)

// Config says which bucket.
type Config struct {
	COS    cloud.COS
	Bucket string
	Prefix string // of all keys; may be empty
	// Stall is how long a transfer may stay below 4 KiB/s, and a call without an answer; default 30 s.
	Stall time.Duration
}

// A Store keeps objects in a bucket, under a prefix.
type Store struct{ *bucket.Store }

var _ blob.Store = (*Store)(nil)

// Open makes one cheap call, so that a wrong name, wrong credentials and a wrong endpoint show at once, as a *cloud.Error.
func Open(ctx context.Context, c Config) (*Store, error) {
	if c.Bucket == "" {
		return nil, errors.New("no bucket is given; a store is one like cos://bucket/prefix")
	}
	client, err := c.COS.Open()
	if err != nil {
		return nil, fmt.Errorf("open store cos://%s: %w", c.Bucket, err)
	}
	s, err := bucket.Open(ctx, bucket.Config{
		SDK: &sdk{client, aws.String(c.Bucket)}, Name: "cos://" + c.Bucket, Prefix: c.Prefix, Stall: c.Stall,
	})
	if err != nil {
		return nil, err
	}
	return &Store{s}, nil
}

// An sdk makes the calls of bucket.SDK.
type sdk struct {
	client *s3.S3
	bucket *string
}

var _ bucket.SDK = (*sdk)(nil)

// Create sets the header itself: this SDK has no field for it.
func (s *sdk) Create(ctx context.Context, key string, b []byte) error {
	_, err := s.client.PutObjectWithContext(ctx, &s3.PutObjectInput{Bucket: s.bucket, Key: &key, Body: bytes.NewReader(b)},
		request.WithSetRequestHeaders(map[string]string{"If-None-Match": "*"}))
	return err
}

func (s *sdk) Put(ctx context.Context, key string, b []byte) error {
	_, err := s.client.PutObjectWithContext(ctx, &s3.PutObjectInput{Bucket: s.bucket, Key: &key, Body: bytes.NewReader(b)})
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
	out, err := s.client.GetObjectWithContext(ctx, in)
	if err != nil {
		return nil, err
	}
	info := blob.Info{Size: aws.Int64Value(out.ContentLength), Modified: aws.TimeValue(out.LastModified)}
	return &bucket.Object{Info: info, ETag: aws.StringValue(out.ETag), Body: out.Body}, nil
}

func (s *sdk) Delete(ctx context.Context, key string) error {
	_, err := s.client.DeleteObjectWithContext(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: &key})
	return err
}

func (s *sdk) List(ctx context.Context, prefix, after string, most int) ([]blob.Info, bool, error) {
	in := &s3.ListObjectsV2Input{
		Bucket: s.bucket, Prefix: &prefix, MaxKeys: aws.Int64(int64(most)), EncodingType: aws.String(s3.EncodingTypeUrl),
	}
	if after != "" {
		in.StartAfter = &after
	}
	out, err := s.client.ListObjectsV2WithContext(ctx, in)
	if err != nil {
		return nil, false, err
	}
	page := make([]blob.Info, len(out.Contents))
	for i, o := range out.Contents {
		key := bucket.Plain(aws.StringValue(o.Key), aws.StringValue(out.EncodingType))
		page[i] = blob.Info{Key: key, Size: aws.Int64Value(o.Size), Modified: aws.TimeValue(o.LastModified)}
	}
	return page, aws.BoolValue(out.IsTruncated), nil
}

func (s *sdk) Begin(ctx context.Context, key string) (string, error) {
	out, err := s.client.CreateMultipartUploadWithContext(ctx, &s3.CreateMultipartUploadInput{Bucket: s.bucket, Key: &key})
	if err != nil {
		return "", err
	}
	return aws.StringValue(out.UploadId), nil
}

func (s *sdk) Part(ctx context.Context, key, upload string, n int, b []byte) (string, error) {
	out, err := s.client.UploadPartWithContext(ctx, &s3.UploadPartInput{
		Bucket: s.bucket, Key: &key, UploadId: &upload, PartNumber: aws.Int64(int64(n)), Body: bytes.NewReader(b),
	})
	if err != nil {
		return "", err
	}
	return aws.StringValue(out.ETag), nil
}

func (s *sdk) Complete(ctx context.Context, key, upload string, etags []string) error {
	parts := make([]*s3.CompletedPart, len(etags))
	for i := range etags {
		parts[i] = &s3.CompletedPart{PartNumber: aws.Int64(int64(i + 1)), ETag: &etags[i]}
	}
	_, err := s.client.CompleteMultipartUploadWithContext(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: s.bucket, Key: &key, UploadId: &upload, MultipartUpload: &s3.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

func (s *sdk) Abort(ctx context.Context, key, upload string) error {
	_, err := s.client.AbortMultipartUploadWithContext(ctx, &s3.AbortMultipartUploadInput{Bucket: s.bucket, Key: &key, UploadId: &upload})
	return err
}
