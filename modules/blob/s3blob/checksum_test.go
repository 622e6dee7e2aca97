package s3blob

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/bucket"
	"github.com/millrace/millrace/modules/fault"
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
			store, err := bucket.Open(t.Context(), bucket.Config{SDK: &sdk{client: client, bucket: aws.String("b")}, Name: "s3://b"})
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
