package s3blob

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
)

func (s *api) Begin(ctx context.Context, key string, o blob.PutOptions) (string, error) {
	in := &s3.CreateMultipartUploadInput{
		Bucket: s.bucket, Key: &key,
		ContentType: orNil(o.ContentType), CacheControl: orNil(o.CacheControl), Metadata: bucket.ToHeaders(o.Metadata),
		ACL: types.ObjectCannedACL(o.ACL), StorageClass: types.StorageClass(o.StorageClass),
	}
	if s.sums {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject
	}
	out, err := s.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.UploadId), nil
}

func (s *api) Part(ctx context.Context, key, upload string, n int, b *bucket.Body) (bucket.Part, error) {
	sum, err := s.sum(b)
	if err != nil {
		return bucket.Part{}, err
	}
	out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: s.bucket, Key: &key, UploadId: &upload, PartNumber: aws.Int32(int32(n)),
		Body: b, ContentLength: aws.Int64(b.Size()), ChecksumCRC32C: sum,
	}, s.sign)
	if err != nil {
		return bucket.Part{}, err
	}
	return bucket.Part{ETag: unquoted(out.ETag), Sum: aws.ToString(sum)}, nil
}

func (s *api) Complete(ctx context.Context, key, upload string, put []bucket.Part) (string, error) {
	parts := make([]types.CompletedPart, len(put))
	for i, p := range put {
		parts[i] = types.CompletedPart{
			PartNumber: aws.Int32(int32(i + 1)), ETag: aws.String(`"` + p.ETag + `"`), ChecksumCRC32C: orNil(p.Sum),
		}
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: s.bucket, Key: &key, UploadId: &upload, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	}
	if s.sums {
		in.ChecksumType = types.ChecksumTypeFullObject
	}
	out, err := s.client.CompleteMultipartUpload(ctx, in)
	if err != nil {
		return "", err
	}
	return unquoted(out.ETag), nil
}

func (s *api) Abort(ctx context.Context, key, upload string) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: s.bucket, Key: &key, UploadId: &upload})
	return err
}
