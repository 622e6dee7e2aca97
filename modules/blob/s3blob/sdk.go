package s3blob

import (
	"context"
	"encoding/base64"
	"hash/crc32"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
)

// An api makes the calls of bucket.SDK and bucket.Parts.
type api struct {
	client *s3.Client
	bucket *string
	region string
	// sums sends a CRC32C with what is put, and asks for checksums. Amazon S3 keeps and compares them; servers of others may
	// refuse them.
	sums bool
	// unsigned leaves the SHA-256 of bodies out of signatures: TLS guards them, and the CRC32C.
	unsigned bool
}

var (
	_ bucket.SDK   = (*api)(nil)
	_ bucket.Parts = (*api)(nil)
)

func (s *api) Create(ctx context.Context, key string, b *bucket.Body) error {
	in := &s3.PutObjectInput{Bucket: s.bucket, Key: &key, Body: b, ContentLength: aws.Int64(b.Size()), IfNoneMatch: aws.String("*")}
	_, err := s.put(ctx, in, b)
	return err
}

func (s *api) Put(ctx context.Context, key string, b *bucket.Body, o blob.PutOptions) (string, error) {
	in := &s3.PutObjectInput{
		Bucket: s.bucket, Key: &key, Body: b, ContentLength: aws.Int64(b.Size()),
		ContentType: orNil(o.ContentType), CacheControl: orNil(o.CacheControl), Metadata: bucket.ToHeaders(o.Metadata),
		ACL: types.ObjectCannedACL(o.ACL), StorageClass: types.StorageClass(o.StorageClass),
	}
	return s.put(ctx, in, b)
}

func (s *api) put(ctx context.Context, in *s3.PutObjectInput, b *bucket.Body) (etag string, err error) {
	if in.ChecksumCRC32C, err = s.sum(b); err != nil {
		return "", err
	}
	out, err := s.client.PutObject(ctx, in, s.sign)
	if err != nil {
		return "", err
	}
	return unquoted(out.ETag), nil
}

// sum is the CRC32C of what will be sent, as a header takes it; nil where none is sent.
func (s *api) sum(b *bucket.Body) (*string, error) {
	if !s.sums {
		return nil, nil
	}
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(h, b); err != nil {
		return nil, err
	}
	_, err := b.Seek(0, io.SeekStart)
	return aws.String(base64.StdEncoding.EncodeToString(h.Sum(nil))), err
}

// sign sets how a call with a body is signed.
func (s *api) sign(o *s3.Options) {
	if s.unsigned {
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	}
}

func (s *api) Get(ctx context.Context, key string, w bucket.Want) (*bucket.Object, error) {
	in := &s3.GetObjectInput{Bucket: s.bucket, Key: &key, Range: orNil(w.Range())}
	if w.Version != "" {
		in.IfMatch = aws.String(`"` + w.Version + `"`)
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return nil, err
	}
	o := bucket.Answer{
		Length: out.ContentLength, Range: out.ContentRange, Modified: out.LastModified, ETag: out.ETag,
		ContentType: out.ContentType, Metadata: out.Metadata,
	}.Object()
	o.Body = out.Body
	return o, nil
}

func (s *api) Stat(ctx context.Context, key string) (*bucket.Object, error) {
	in := &s3.HeadObjectInput{Bucket: s.bucket, Key: &key}
	if s.sums {
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	out, err := s.client.HeadObject(ctx, in)
	if err != nil {
		return nil, err
	}
	o := bucket.Answer{
		Length: out.ContentLength, Modified: out.LastModified, ETag: out.ETag, ContentType: out.ContentType, Metadata: out.Metadata,
	}.Object()
	o.Sum = sumOf(out)
	return o, nil
}

// sumOf is the checksum that the service has of a whole object. One of the checksums of its parts is of no use: nothing says
// where they end.
func sumOf(out *s3.HeadObjectOutput) bucket.Sum {
	if out.ChecksumType == types.ChecksumTypeComposite {
		return bucket.Sum{}
	}
	for _, sum := range []struct {
		kind  bucket.SumKind
		text  *string
		bytes int
	}{
		{bucket.CRC32C, out.ChecksumCRC32C, 4},
		{bucket.CRC32, out.ChecksumCRC32, 4},
		{bucket.CRC64NVME, out.ChecksumCRC64NVME, 8},
	} {
		b, err := base64.StdEncoding.DecodeString(aws.ToString(sum.text))
		if err != nil || len(b) != sum.bytes {
			continue
		}
		var v uint64
		for _, c := range b {
			v = v<<8 | uint64(c)
		}
		return bucket.Sum{Kind: sum.kind, Value: v}
	}
	return bucket.Sum{}
}

func (s *api) Delete(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: &key})
	return err
}

// List asks for keys in URLs' encoding.
func (s *api) List(ctx context.Context, prefix, after string, most int) ([]blob.Info, bool, error) {
	in := &s3.ListObjectsV2Input{
		Bucket: s.bucket, Prefix: &prefix, MaxKeys: aws.Int32(int32(most)), EncodingType: types.EncodingTypeUrl, StartAfter: orNil(after),
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

// MakeBucket makes it where the client calls: us-east-1 is the region that S3 wants not to be named.
func (s *api) MakeBucket(ctx context.Context) error {
	in := &s3.CreateBucketInput{Bucket: s.bucket}
	if s.sums && s.region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(s.region)}
	}
	_, err := s.client.CreateBucket(ctx, in)
	return err
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func unquoted(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }
