package cosblob

import (
	"context"
	"strings"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/aws/request"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
)

// An api makes the calls of bucket.SDK and bucket.Parts.
type api struct {
	client *s3.S3
	bucket *string
}

var (
	_ bucket.SDK   = (*api)(nil)
	_ bucket.Parts = (*api)(nil)
)

// Create sets the header itself: this SDK has no field for it.
func (s *api) Create(ctx context.Context, key string, b *bucket.Body) error {
	_, err := s.client.PutObjectWithContext(ctx, &s3.PutObjectInput{Bucket: s.bucket, Key: &key, Body: b},
		request.WithSetRequestHeaders(map[string]string{"If-None-Match": "*"}))
	return err
}

func (s *api) Put(ctx context.Context, key string, b *bucket.Body, o blob.PutOptions) (string, error) {
	out, err := s.client.PutObjectWithContext(ctx, &s3.PutObjectInput{
		Bucket: s.bucket, Key: &key, Body: b,
		ContentType: orNil(o.ContentType), CacheControl: orNil(o.CacheControl), Metadata: aws.StringMap(bucket.ToHeaders(o.Metadata)),
		ACL: orNil(o.ACL), StorageClass: orNil(o.StorageClass),
	})
	if err != nil {
		return "", err
	}
	return unquoted(out.ETag), nil
}

func (s *api) Get(ctx context.Context, key string, w bucket.Want) (*bucket.Object, error) {
	in := &s3.GetObjectInput{Bucket: s.bucket, Key: &key, Range: orNil(w.Range())}
	if w.Version != "" {
		in.IfMatch = aws.String(`"` + w.Version + `"`)
	}
	out, err := s.client.GetObjectWithContext(ctx, in)
	if err != nil {
		return nil, err
	}
	o := bucket.Answer{
		Length: out.ContentLength, Range: out.ContentRange, Modified: out.LastModified, ETag: out.ETag,
		ContentType: out.ContentType, Metadata: aws.StringValueMap(out.Metadata),
	}.Object()
	o.Body = out.Body
	return o, nil
}

func (s *api) Stat(ctx context.Context, key string) (*bucket.Object, error) {
	out, err := s.client.HeadObjectWithContext(ctx, &s3.HeadObjectInput{Bucket: s.bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	o := bucket.Answer{
		Length: out.ContentLength, Modified: out.LastModified, ETag: out.ETag, ContentType: out.ContentType, Metadata: aws.StringValueMap(out.Metadata),
	}.Object()
	return o, nil
}

func (s *api) Delete(ctx context.Context, key string) error {
	_, err := s.client.DeleteObjectWithContext(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: &key})
	return err
}

// List asks for keys in URLs' encoding.
func (s *api) List(ctx context.Context, prefix, after string, most int) ([]blob.Info, bool, error) {
	in := &s3.ListObjectsV2Input{
		Bucket: s.bucket, Prefix: &prefix, MaxKeys: aws.Int64(int64(most)), EncodingType: aws.String(s3.EncodingTypeUrl),
		StartAfter: orNil(after),
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

func (s *api) MakeBucket(ctx context.Context) error {
	_, err := s.client.CreateBucketWithContext(ctx, &s3.CreateBucketInput{Bucket: s.bucket})
	return err
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func unquoted(etag *string) string { return strings.Trim(aws.StringValue(etag), `"`) }
