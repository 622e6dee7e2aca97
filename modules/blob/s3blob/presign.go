package s3blob

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// presign is a bucket.Signer. Length, type and condition are among the headers that are signed.
func (s *api) presign(ctx context.Context, key string, size int64, contentType string, expires time.Duration) (string, http.Header, error) {
	in := &s3.PutObjectInput{Bucket: s.bucket, Key: &key, ContentLength: &size, ContentType: &contentType, IfNoneMatch: aws.String("*")}
	out, err := s3.NewPresignClient(s.client).PresignPutObject(ctx, in, s3.WithPresignExpires(expires))
	if err != nil {
		return "", nil, err
	}
	return out.URL, out.SignedHeader, nil
}

// presignGet is a bucket.Lender.
func (s *api) presignGet(ctx context.Context, key, contentType, disposition string, expires time.Duration) (string, error) {
	in := &s3.GetObjectInput{Bucket: s.bucket, Key: &key, ResponseContentType: &contentType, ResponseContentDisposition: &disposition}
	out, err := s3.NewPresignClient(s.client).PresignGetObject(ctx, in, s3.WithPresignExpires(expires))
	if err != nil {
		return "", err
	}
	return out.URL, nil
}
