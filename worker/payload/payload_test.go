package payload_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/modules/blob/dirblob"
	"github.com/millrace/millrace/modules/fault"
	"github.com/millrace/millrace/worker/payload"
	"github.com/millrace/millrace/worker/queue"
)

const job = `{"pipeline": "hello", "state": {"name": "Ada"}}`

func pack(t *testing.T, name, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := io.WriteCloser(gzip.NewWriter(&b))
	if name == "zlib" {
		w = zlib.NewWriter(&b)
	}
	_, err := io.WriteString(w, body)
	require.NoError(t, errors.Join(err, w.Close()))
	return b.String()
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func pointerTo(bucket, key string) string {
	b, _ := json.Marshal([]any{"software.amazon.payloadoffloading.PayloadS3Pointer", map[string]string{"s3BucketName": bucket, "s3Key": key}})
	return string(b)
}

// resolver follows pointers into a folder that stands for the bucket "models".
func resolver(t *testing.T, objects map[string]string) payload.Resolver {
	t.Helper()
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { store.Close() })
	for key, body := range objects {
		require.NoError(t, store.Create(t.Context(), key, []byte(body)))
	}
	return payload.Resolver{Buckets: []string{"models/in/"}, Fetch: func(ctx context.Context, bucket, key string, max int64) ([]byte, error) {
		if bucket != "models" {
			return nil, errors.New("another bucket was asked")
		}
		return payload.Read(ctx, store, key, max)
	}}
}

func TestAMessageIsUnpacked(t *testing.T) {
	r := resolver(t, map[string]string{
		"in/plain": job, "in/gzip": pack(t, "gzip", job), "in/text": base64Of(pack(t, "zlib", job)),
	})
	for _, tt := range []struct {
		name, body string
		attributes map[string]string
	}{
		{"that is plain", job, nil},
		{"in gzip", base64Of(pack(t, "gzip", job)), map[string]string{"content-encoding": "gzip"}},
		{"in zlib", base64Of(pack(t, "zlib", job)), map[string]string{"Content-Encoding": "ZLIB"}},
		{"by its attribute in one word", base64Of(pack(t, "gzip", job)), map[string]string{"contentEncoding": "gzip"}},
		{"without the padding of base64", strings.TrimRight(base64Of(pack(t, "gzip", job)), "="), map[string]string{"content-encoding": "gzip"}},
		{"in lines of base64", base64Of(pack(t, "gzip", job))[:40] + "\r\n" + base64Of(pack(t, "gzip", job))[40:] + "\n", map[string]string{"content-encoding": "gzip"}},
		{"that says it is plain", job, map[string]string{"content-encoding": "identity"}},
		{"from a bucket", pointerTo("models", "in/plain"), map[string]string{"ExtendedPayloadSize": "47"}},
		{"from a bucket without an attribute", pointerTo("models", "in/plain"), nil},
		{
			"from a bucket by the old class",
			`["com.amazon.sqs.javamessaging.MessageS3Pointer", {"s3BucketName": "models", "s3Key": "in/plain"}]`,
			map[string]string{"SQSLargePayloadSize": "47"},
		},
		{"from a bucket in gzip", pointerTo("models", "in/gzip"), map[string]string{"content-encoding": "gzip", "ExtendedPayloadSize": "1"}},
		{"from a bucket in base64", pointerTo("models", "in/text"), map[string]string{"content-encoding": "zlib"}},
		{"whose compressed body points to a bucket", base64Of(pack(t, "gzip", pointerTo("models", "in/plain"))), map[string]string{"content-encoding": "gzip"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			given := queue.Message{ID: "m", Body: []byte(tt.body), Attributes: map[string]string{"cid": "c-1"}}
			for k, v := range tt.attributes {
				given.Attributes[k] = v
			}
			m, err := r.Resolve(t.Context(), given)
			require.NoError(t, err)
			require.Equal(t, job, string(m.Body))
			require.Equal(t, map[string]string{"cid": "c-1"}, m.Attributes)
			require.Equal(t, tt.body, string(given.Body))
			require.Len(t, given.Attributes, 1+len(tt.attributes), "the message that was given is as it was")
		})
	}
}

// F33 is among these: what says it is small and is not.
func TestAMessageThatCannotBeUnpackedIsRefusedForGood(t *testing.T) {
	bomb := strings.Repeat("a", 6<<20)
	r := resolver(t, map[string]string{
		"in/plain": job, "in/big": strings.Repeat("a", 5<<20+1), "elsewhere/plain": job, "inner": job,
		"in/pointer": pointerTo("models", "in/pointer"),
	})
	gz := map[string]string{"content-encoding": "gzip"}
	for _, tt := range []struct {
		name, body string
		attributes map[string]string
		want       string
	}{
		{"a bomb", base64Of(pack(t, "gzip", bomb)), gz, "more than 5242880 bytes unpacked (MILLRACE_PAYLOAD_MAX)"},
		{"a body in the bucket that is too large", pointerTo("models", "in/big"), nil, "more than 5242880 bytes"},
		{"no base64", "{}", gz, "is not gzip in base64"},
		{"no gzip", base64Of(job), gz, "is not gzip in base64"},
		{"half of it", base64Of(pack(t, "gzip", job)[:30]), gz, "is not gzip in base64"},
		{"an unknown encoding", "x", map[string]string{"content-encoding": "br"}, `content-encoding is "br": gzip and zlib are taken`},
		{"packed three times", base64Of(pack(t, "gzip", pointerTo("models", "in/pointer"))), gz, "packed more than 2 times"},
		{"a pointer to itself", pointerTo("models", "in/pointer"), nil, "packed more than 2 times"},
		{"another bucket", pointerTo("secrets", "in/plain"), nil, `bucket "secrets", which is not listed`},
		{"another folder of the bucket", pointerTo("models", "elsewhere/plain"), nil, "not listed for this key"},
		{"a folder that begins alike", pointerTo("models", "inner"), nil, "not listed for this key"},
		{"a way out of the folder", pointerTo("models", "in/../elsewhere/plain"), nil, "the message points to a body"},
		{"an object that is gone", pointerTo("models", "in/gone"), nil, `not in bucket "models" under "in/gone" any more`},
		{"no pointer at all", job, map[string]string{"ExtendedPayloadSize": "47"}, "meant as a pointer to a body in S3"},
		{"a pointer without a key", `["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "models"}]`, nil, "meant as a pointer"},
		{"a pointer of three parts", `["software.amazon.payloadoffloading.PayloadS3Pointer", {}, 1]`, nil, "meant as a pointer"},
		{"a pointer to two lines", pointerTo("models", "in/\n"), nil, "meant as a pointer"},
		{"another class", `["com.example.S3Pointer", {"s3BucketName": "models", "s3Key": "in/plain"}]`, map[string]string{"ExtendedPayloadSize": "1"}, "meant as a pointer"},
		{"a pointer that is large", "[" + strings.Repeat(" ", 20<<10) + "]", map[string]string{"ExtendedPayloadSize": "1"}, "meant as a pointer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := r.Resolve(t.Context(), queue.Message{ID: "m", Body: []byte(tt.body), Attributes: tt.attributes})
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, fault.Permanent, fault.Of(err))
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 400)
		})
	}
}

func TestABucketThatCannotBeReadIsNotTheMessagesFault(t *testing.T) {
	r := payload.Resolver{Buckets: []string{"models"}, Fetch: func(context.Context, string, string, int64) ([]byte, error) {
		return nil, fault.After(5*time.Second, errors.New("the credentials have expired"))
	}}
	_, err := r.Resolve(t.Context(), queue.Message{Body: []byte(pointerTo("models", "k"))})
	require.ErrorContains(t, err, "fetch the message's body: the credentials have expired")
	require.Equal(t, fault.Transient, fault.Of(err))
	require.Equal(t, 5*time.Second, fault.Delay(err))
}

func TestNoPointerIsFollowedUnlessBucketsAreListed(t *testing.T) {
	_, err := payload.Resolver{}.Resolve(t.Context(), queue.Message{Body: []byte(pointerTo("models", "k"))})
	require.ErrorContains(t, err, "MILLRACE_PAYLOAD_BUCKETS")
	m, err := payload.Resolver{}.Resolve(t.Context(), queue.Message{
		Body: []byte(base64Of(pack(t, "gzip", job))), Attributes: map[string]string{"content-encoding": "gzip"},
	})
	require.NoError(t, err)
	require.Equal(t, job, string(m.Body))
}

// A pointer to an object that is too large.
func TestF33ReadStopsAtItsBoundAndNamesWhatIsMissing(t *testing.T) {
	store, err := dirblob.Open(t.TempDir())
	require.NoError(t, err)
	defer store.Close()
	require.NoError(t, store.Create(t.Context(), "k", []byte("12345")))
	b, err := payload.Read(t.Context(), store, "k", 5)
	require.NoError(t, err)
	require.Equal(t, "12345", string(b))
	_, err = payload.Read(t.Context(), store, "k", 4)
	require.ErrorIs(t, err, payload.ErrTooLarge)
	_, err = payload.Read(t.Context(), store, "gone", 4)
	require.ErrorIs(t, err, blob.ErrNotFound)
}

// What comes out is never packed, never larger than it may be, and never from a bucket that is not listed.
func FuzzResolve(f *testing.F) {
	f.Add([]byte(pointerTo("models", "in/x")), "ExtendedPayloadSize", "1")
	f.Add([]byte("H4sIAAAAAAAA/0rPBwQAAP//2ZdnHgIAAAA="), "content-encoding", "gzip")
	f.Add([]byte("eJzKSM3JyQcEAAD//wYsAhU="), "Content_Encoding", "zlib")
	f.Add([]byte(`["com.amazon.sqs.javamessaging.MessageS3Pointer", {"s3Key": "in/\u0000", "s3BucketName": "models"}]`), "a", "b")
	f.Fuzz(func(t *testing.T, body []byte, name, value string) {
		r := payload.Resolver{Max: 1 << 10, Buckets: []string{"models/in"}, Fetch: func(_ context.Context, bucket, key string, _ int64) ([]byte, error) {
			require.Equal(t, "models", bucket)
			require.True(t, strings.HasPrefix(key, "in/"))
			return []byte("fetched"), nil
		}}
		given := queue.Message{Body: body, Attributes: map[string]string{name: value}}
		m, err := r.Resolve(t.Context(), given)
		switch {
		case err != nil:
			require.Equal(t, fault.Permanent, fault.Of(err))
			require.NotContains(t, err.Error(), "\n")
		case payload.Packed(given):
			require.LessOrEqual(t, len(m.Body), 1<<10)
			require.False(t, payload.Packed(m))
		default:
			require.Equal(t, given, m)
		}
	})
}
