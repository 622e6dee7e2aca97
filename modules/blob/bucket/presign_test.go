package bucket_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
)

func TestASignedURLTakesOneObjectOfItsSize(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		s := open(t, onVersitygw(t))
		signer, ok := s.(interface {
			Presign(ctx context.Context, key string, size int64, contentType string, expires time.Duration) (string, http.Header, error)
		})
		require.True(t, ok)
		url, header, err := signer.Presign(t.Context(), "uploads/a/Räder +1.stl", 5, "model/stl", time.Minute)
		require.NoError(t, err)
		put := func(url, body string) int {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, strings.NewReader(body))
			require.NoError(t, err)
			for k, v := range header {
				r.Header[k] = v
			}
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			return res.StatusCode
		}
		require.GreaterOrEqual(t, put(url, "more than five"), 400)
		require.GreaterOrEqual(t, put(strings.Replace(url, "uploads/a", "uploads/b", 1), "hello"), 400)
		for _, key := range []string{"uploads/a/Räder +1.stl", "uploads/b/Räder +1.stl"} {
			_, err := blob.Stat(t.Context(), s, key)
			require.ErrorIs(t, err, blob.ErrNotFound)
		}
		require.Equal(t, http.StatusOK, put(url, "hello"))
		in, err := blob.Stat(t.Context(), s, "uploads/a/Räder +1.stl")
		require.NoError(t, err)
		require.Equal(t, int64(5), in.Size)
		require.Equal(t, http.StatusPreconditionFailed, put(url, "HELLO"), "what is there may be a job's by now")
		delete(header, "If-None-Match")
		require.GreaterOrEqual(t, put(url, "HELLO"), 400, "that can't be left out")
		require.Equal(t, "model/stl", in.ContentType)
	})
}

func TestASignedURLFetchesOneObjectAsItIsTold(t *testing.T) {
	each(t, func(t *testing.T, open func(*testing.T, place) blob.Store) {
		s := open(t, onVersitygw(t))
		lender, ok := s.(interface {
			PresignGet(ctx context.Context, key, contentType, disposition string, expires time.Duration) (string, error)
		})
		require.True(t, ok)
		put(t, s, "artifacts/j/1/Räder +1.html", []byte("hello"))
		put(t, s, "artifacts/j/1/other", []byte("secret"))
		url, err := lender.PresignGet(t.Context(), "artifacts/j/1/Räder +1.html", "application/octet-stream", `attachment; filename=x`, time.Minute)
		require.NoError(t, err)
		get := func(url string) (*http.Response, string) {
			res, err := http.Get(url)
			require.NoError(t, err)
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return res, string(b)
		}
		res, body := get(url)
		require.Equal(t, []any{http.StatusOK, "hello"}, []any{res.StatusCode, body})
		require.Equal(t, "application/octet-stream", res.Header.Get("Content-Type"))
		require.Equal(t, `attachment; filename=x`, res.Header.Get("Content-Disposition"))
		res, _ = get(strings.Replace(url, "R%C3%A4der%20%2B1.html", "other", 1))
		require.GreaterOrEqual(t, res.StatusCode, 400)
	})
}
