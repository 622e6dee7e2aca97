package s3blob

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/blobtest"
	"github.com/millrace/millrace/modules/blob/bucket"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/modules/servertest"
)

// TestAnObjectThatIsDamagedOnItsWayIsNotRead asks as Amazon S3 is asked: with checksums, which other servers are not.
func TestAnObjectThatIsDamagedOnItsWayIsNotRead(t *testing.T) {
	const sum = "DUoRhQ==" // CRC32 of "hello world"
	for _, tt := range []struct {
		name, body string
		damaged    bool
	}{
		{"as it was put", "hello world", false},
		{"a byte is another", "hellX world", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Has("list-type") {
					fmt.Fprint(w, "<ListBucketResult></ListBucketResult>")
					return
				}
				w.Header().Set("x-amz-checksum-crc32", sum)
				fmt.Fprint(w, tt.body)
			}))
			defer s.Close()
			client := s3.New(s3.Options{
				Region: "us-east-1", BaseEndpoint: &s.URL, UsePathStyle: true,
				Credentials:                credentials.NewStaticCredentialsProvider("a", "b", ""),
				ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported, // the default of a loaded configuration
			})
			store, err := bucket.Open(t.Context(), bucket.Config{SDK: &api{client: client, bucket: aws.String("b")}, Name: "s3://b"})
			require.NoError(t, err)
			b, err := blob.ReadAll(t.Context(), store, "k", 100)
			if !tt.damaged {
				require.NoError(t, err)
				require.Equal(t, tt.body, string(b))
				return
			}
			require.ErrorContains(t, err, "read object k: it came damaged from s3://b: ")
			require.NotContains(t, err.Error(), "check the endpoint", "the network is not to blame")
			require.Equal(t, fault.Transient, fault.Of(err))
		})
	}
}

// TestSumsGoWithWhatIsPutAndAreComparedWithWhatComes asks a server that keeps checksums as Amazon S3 is asked.
func TestSumsGoWithWhatIsPutAndAreComparedWithWhatComes(t *testing.T) {
	endpoint := servertest.Versitygw(t)
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	var damage atomic.Bool
	through := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error {
			if damage.Load() && r.Request.Method == http.MethodGet {
				r.Body = &damaged{r.Body}
			}
			return nil
		},
	}
	proxy := httptest.NewServer(through)
	t.Cleanup(proxy.Close)
	name := blobtest.Bucket(t, endpoint)
	d := &api{client: blobtest.Client(proxy.URL), bucket: &name, sums: true, unsigned: true}
	s, err := bucket.Open(t.Context(), bucket.Config{SDK: d, Parts: d, Name: "s3://" + name})
	require.NoError(t, err)
	for _, size := range []int64{0, 1000, 40 << 20} {
		damage.Store(false)
		f, back := blobtest.File(t, size), blobtest.File(t, 1)
		_, err = s.Upload(t.Context(), f, "k", blob.PutOptions{})
		require.NoError(t, err)
		o, err := d.Stat(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, bucket.CRC32C, o.Sum.Kind, "of the whole, though it came in parts")
		_, err = s.Download(t.Context(), "k", back, math.MaxInt64)
		require.NoError(t, err)
		require.Equal(t, blobtest.Sum(t, f), blobtest.Sum(t, back))
		if size == 0 {
			continue
		}
		damage.Store(true)
		_, err = s.Download(t.Context(), "k", back, math.MaxInt64)
		require.ErrorContains(t, err, "download object k: it came damaged from s3://")
		require.Equal(t, fault.Transient, fault.Of(err))
	}
}

// damaged has another first byte in each piece that is read.
type damaged struct{ io.ReadCloser }

func (d *damaged) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if n > 0 {
		p[0] ^= 1
	}
	return n, err
}
