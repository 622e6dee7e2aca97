package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnArtifactIsServedByItsRecordAlone(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	files := map[string]string{
		"model.glb": "glTF 0123456789", "pages/a b?ü%2F.html": "<script>alert(1)</script>", "image.svg": "<svg/>", "report.html": "<h1>report</h1>", "notes.txt": "x",
	}
	r := f.run("acme.done", time.Now(), files)
	_, body := f.ask("acme", http.MethodGet, "/v1/jobs/acme.done/artifacts")
	list := decode[ArtifactList](t, body)
	require.Len(t, list.Artifacts, len(files))
	here, err := url.Parse("/v1/jobs/acme.done/artifacts")
	require.NoError(t, err)
	for _, a := range list.Artifacts {
		there, err := here.Parse(a.URL)
		require.NoError(t, err)
		res, body := f.ask("acme", http.MethodGet, there.String())
		require.Equal(t, http.StatusOK, res.StatusCode, a.URL)
		require.Equal(t, files[a.Path], body)
		require.Equal(t, `"`+a.SHA256+`"`, res.Header.Get("ETag"))
		sandbox, policy, _ := strings.Cut(res.Header.Get("Content-Security-Policy"), ";")
		require.Contains(t, policy, "default-src 'none'; img-src 'self'")
		want := "sandbox"
		if a.Path == "report.html" {
			want = "sandbox allow-same-origin allow-downloads" // its pictures, and what it leads to
		}
		require.Equal(t, want, sandbox, a.Path)
		saved := a.Path != "model.glb" && a.Path != "report.html" && a.Path != "notes.txt"
		require.Equal(t, saved, strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment"), a.Path)
		res, _ = f.ask("acme", http.MethodGet, there.String(), "If-None-Match", res.Header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, res.StatusCode)
	}
	for asked, want := range map[string]string{"bytes=5-8": "0123", "bytes=-2": "89", "bytes=5-": "0123456789", "bytes=0-0,2-2": "glTF 0123456789"} {
		_, body := f.ask("acme", http.MethodGet, "/v1/jobs/acme.done/artifacts/model.glb", "Range", asked)
		require.Equal(t, want, body, asked)
	}
	res, body := f.ask("acme", http.MethodHead, "/v1/jobs/acme.done/artifacts/model.glb")
	require.Equal(t, []any{int64(15), ""}, []any{res.ContentLength, body})
	res, _ = f.ask("acme", http.MethodGet, "/v1/jobs/acme.done/report")
	require.Equal(t, []any{http.StatusSeeOther, "artifacts/report.html"}, []any{res.StatusCode, res.Header.Get("Location")})
	_, body = f.ask("acme", http.MethodGet, "/v1/jobs/acme.done/artifacts/model.glb?redirect=true")
	require.Equal(t, files["model.glb"], body, "a folder lends nothing")
	f.g.cfg.Lend = func(_ context.Context, key, kind, disposition string, _ time.Duration) (string, error) {
		return "https://bucket.example/" + key + "?" + url.Values{"type": {kind}, "as": {disposition}}.Encode(), nil
	}
	res, _ = f.ask("acme", http.MethodGet, "/v1/jobs/acme.done/artifacts/image.svg?redirect=true")
	require.Equal(t, http.StatusTemporaryRedirect, res.StatusCode)
	at, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	require.Equal(t, "/artifacts/acme.done/1/image.svg", at.Path)
	require.Equal(t, url.Values{"type": {"application/octet-stream"}, "as": {"attachment; filename=image.svg"}}, at.Query())
	res, _ = f.ask("evil", http.MethodGet, "/v1/jobs/acme.done/artifacts/image.svg?redirect=true")
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	for _, trick := range []string{
		"..%2F..%2Fqueue.db", "%2e%2e/%2e%2e/queue.db", "model.glb%00", "%2Fetc%2Fpasswd", "./model.glb", "model.glb/", url.PathEscape(r.Artifacts[0].Key),
		escapePath(r.Artifacts[0].Key), "attempt-1", "",
	} {
		res, body := f.ask("acme", http.MethodGet, "/v1/jobs/acme.done/artifacts/"+trick)
		require.Equal(t, http.StatusNotFound, res.StatusCode, "%q: %s", trick, body)
	}
	require.NoError(t, f.g.cfg.Store.Delete(t.Context(), r.Artifacts[0].Key))
	res, _ = f.ask("acme", http.MethodGet, "/v1/jobs/acme.done/artifacts/"+escapePath(r.Artifacts[0].Path))
	require.Equal(t, http.StatusGone, res.StatusCode)
}

// What a store can't seek in is read from its beginning, and again where a range lies before.
func TestAnObjectThatCanNotBeSoughtInIsReadAgain(t *testing.T) {
	const text = "0123456789"
	opened := 0
	open := func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(io.MultiReader(strings.NewReader(text))), nil
	}
	body, err := open()
	require.NoError(t, err)
	o := &object{open: open, body: body, size: int64(len(text))}
	defer o.close()
	for _, from := range []int64{3, 7, 2} {
		_, err := o.Seek(from, io.SeekStart)
		require.NoError(t, err)
		b := make([]byte, 3)
		_, err = io.ReadFull(o, b)
		require.NoError(t, err)
		require.Equal(t, text[from:from+3], string(b))
	}
	require.Equal(t, 2, opened)
	o.size++
	_, err = o.Seek(0, io.SeekStart)
	require.NoError(t, err)
	_, err = io.ReadAll(o)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "an object that ends early does not look like a whole one")
}

// However a path is written, a customer's key gets nothing of another's, and no failure of ours.
func FuzzPathsLeadToTheKeysOwnJobsAlone(f *testing.F) {
	fr := newFront(f)
	fr.run("acme.done", time.Now(), map[string]string{"out/secret.txt": "the secret"})
	fr.run("evil.done", time.Now(), map[string]string{"own.txt": "its own"})
	for _, seed := range []string{
		"acme.done", "evil.done/artifacts/own.txt", "evil.done/../acme.done", "evil.done%2F..%2Facme.done", "%2e%2e/acme.done", "evil.done/artifacts/%2e%2e%2f%2e%2e%2facme.done%2f1%2fout%2fsecret.txt",
		"evil.%00acme.done", "evil.done/artifacts/" + strings.Repeat("a/", 2000), "acme.done/logs", "//", "acme.done?x=1", "evil.done;acme.done", "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		req, err := http.NewRequest(http.MethodGet, "http://gateway/v1/jobs/"+path, nil)
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer evil")
		w := httptest.NewRecorder()
		fr.g.ServeHTTP(w, req)
		if w.Code >= 500 || strings.Contains(w.Body.String(), "the secret") || strings.Contains(w.Body.String(), "line of acme") {
			t.Fatalf("%q: %d %s", path, w.Code, w.Body)
		}
	})
}
