package cosblob

import (
	"context"
	"net/http"
	"time"

	"github.com/IBM/ibm-cos-sdk-go/aws/request"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"
)

// presign is a bucket.Signer. Length, type and condition are among the headers that are signed. It takes HMAC keys: what IAM
// gives can't sign.
func (s *api) presign(ctx context.Context, key string, size int64, contentType string, expires time.Duration) (string, http.Header, error) {
	r, _ := s.client.PutObjectRequest(&s3.PutObjectInput{Bucket: s.bucket, Key: &key, ContentLength: &size, ContentType: &contentType})
	r.SetContext(ctx)
	r.ApplyOptions(request.WithSetRequestHeaders(map[string]string{"If-None-Match": "*"})) // this SDK has no field for it
	return r.PresignRequest(expires)
}

// presignGet is a bucket.Lender. It takes HMAC keys, too.
func (s *api) presignGet(ctx context.Context, key, contentType, disposition string, expires time.Duration) (string, error) {
	r, _ := s.client.GetObjectRequest(&s3.GetObjectInput{
		Bucket: s.bucket, Key: &key, ResponseContentType: &contentType, ResponseContentDisposition: &disposition,
	})
	r.SetContext(ctx)
	return r.Presign(expires)
}
