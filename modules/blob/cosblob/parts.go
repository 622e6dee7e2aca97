package cosblob

import (
	"context"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
)

func (s *api) Begin(ctx context.Context, key string, o blob.PutOptions) (string, error) {
	out, err := s.client.CreateMultipartUploadWithContext(ctx, &s3.CreateMultipartUploadInput{
		Bucket: s.bucket, Key: &key,
		ContentType: orNil(o.ContentType), CacheControl: orNil(o.CacheControl), Metadata: aws.StringMap(bucket.ToHeaders(o.Metadata)),
		ACL: orNil(o.ACL), StorageClass: orNil(o.StorageClass),
	})
	if err != nil {
		return "", err
	}
	return aws.StringValue(out.UploadId), nil
}

func (s *api) Part(ctx context.Context, key, upload string, n int, b *bucket.Body) (bucket.Part, error) {
	out, err := s.client.UploadPartWithContext(ctx, &s3.UploadPartInput{
		Bucket: s.bucket, Key: &key, UploadId: &upload, PartNumber: aws.Int64(int64(n)), Body: b,
	})
	if err != nil {
		return bucket.Part{}, err
	}
	return bucket.Part{ETag: unquoted(out.ETag)}, nil
}

func (s *api) Complete(ctx context.Context, key, upload string, put []bucket.Part) (string, error) {
	parts := make([]*s3.CompletedPart, len(put))
	for i, p := range put {
		parts[i] = &s3.CompletedPart{PartNumber: aws.Int64(int64(i + 1)), ETag: aws.String(`"` + p.ETag + `"`)}
	}
	out, err := s.client.CompleteMultipartUploadWithContext(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: s.bucket, Key: &key, UploadId: &upload, MultipartUpload: &s3.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		return "", err
	}
	return unquoted(out.ETag), nil
}

func (s *api) Abort(ctx context.Context, key, upload string) error {
	_, err := s.client.AbortMultipartUploadWithContext(ctx, &s3.AbortMultipartUploadInput{Bucket: s.bucket, Key: &key, UploadId: &upload})
	return err
}
