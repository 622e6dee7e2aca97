package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
	"github.com/millrace/millrace/worker/job"
)

func TestASignedURLTakesTheFileThatItIsFor(t *testing.T) {
	t.Parallel()
	d := newDock(t, keyed(Key{Customer: "acme"}))
	ask := func(body string) reply { return d.post("/v1/uploads/presign", body) }
	require.Equal(t, 400, ask(`{"name": "a.stl", "size": 5, "fields": {"pipe": "x"}}`).Status)
	require.Equal(t, 422, ask(`{"name": "a.stl", "size": 5}`).Status)
	require.Equal(t, 413, ask(`{"name": "a.stl", "size": 99999999999999, "fields": {"pipeline": "p"}}`).Status)
	require.Equal(t, 400, ask(`{"name": "a.stl", "size": 5, "customer": "other", "fields": {"pipeline": "p"}}`).Status)

	got := ask(`{"name": "../ä b.stl", "size": 5, "type": "model/stl", "id": "j", "fields": {"pipeline": "hello", "state": {"n": 9007199254740993}}}`)
	require.Equal(t, http.StatusCreated, got.Status, got.Detail)
	require.Equal(t, "acme.j", got.ID)
	require.Equal(t, http.StatusConflict, d.post(got.Complete, "").Status, "the file is not there")
	require.Equal(t, http.StatusConflict, ask(`{"name": "a", "size": 1, "id": "j", "fields": {"pipeline": "hello"}}`).Status)

	header := http.Header{}
	for k, v := range got.Headers {
		header.Set(k, v)
	}
	for name, at := range map[string]string{
		"another name":   strings.Replace(got.URL, "%C3%A4", "o", 1),
		"another upload": strings.Replace(got.URL, "acme.j", "acme.k", 1),
		"a later end":    strings.Replace(got.URL, "expires=", "expires=1", 1),
		"another size":   strings.Replace(got.URL, "size=5", "size=50", 1),
		"no signature":   got.URL[:strings.Index(got.URL, "&signature")],
	} {
		require.Equal(t, http.StatusForbidden, d.do(got.Method, at, header, strings.NewReader("hello")).Status, name)
	}
	require.Equal(t, http.StatusBadRequest, d.do(got.Method, got.URL, header, strings.NewReader("more than five")).Status)
	ranged := http.Header{"Content-Range": {"bytes 0-4/10"}}
	require.Equal(t, http.StatusBadRequest, d.do(got.Method, got.URL, ranged, strings.NewReader("hello")).Status)
	require.Equal(t, http.StatusNoContent, d.do(got.Method, got.URL, header, strings.NewReader("hello")).Status)
	done := d.post(got.Complete, "")
	require.Equal(t, http.StatusAccepted, done.Status, done.Detail)
	j := d.sent()[0]
	require.Equal(t, "acme.j", j.ID)
	require.Equal(t, "acme", j.Customer)
	require.Equal(t, int64(9007199254740993), j.State["n"])
	require.Equal(t, []job.Input{{Key: d.own("acme.j") + "ä b.stl", Name: "ä b.stl"}}, j.Inputs)
	require.Equal(t, http.StatusAccepted, d.post(got.Complete, "").Status, "who has no answer asks again")
	require.Equal(t, j, d.sent()[1])
	there := d.uploads()
	require.Equal(t, http.StatusConflict, d.do(got.Method, got.URL, header, strings.NewReader("HELLO")).Status, "the job may have it by now")
	require.Equal(t, http.StatusNoContent, d.do(got.Method, got.URL, header, strings.NewReader("hello")).Status, "who has no answer sends it again")
	require.Equal(t, there, d.uploads())
	b, err := blob.ReadAll(t.Context(), d.store, j.Inputs[0].Key, 100)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))

	for _, method := range []string{http.MethodOptions, http.MethodPut} { // as a page's browser asks, and then sends
		r, err := http.NewRequestWithContext(t.Context(), method, got.URL, strings.NewReader("hello"))
		require.NoError(t, err)
		r.Header.Set("Origin", "https://shop.example")
		res, err := d.Client().Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusNoContent, res.StatusCode, method)
		require.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"), method)
		require.Empty(t, res.Header.Get("Access-Control-Allow-Credentials"), method)
	}
	require.Equal(t, http.StatusMethodNotAllowed, d.do(http.MethodOptions, "/v1/uploads", nil, nil).Status, "no page sends with a key")

	short := ask(`{"name": "a", "size": 1, "expires": "1s", "fields": {"pipeline": "hello"}}`)
	require.Equal(t, http.StatusCreated, short.Status)
	other := newDock(t, keyed(Key{Customer: "other"}))
	require.Equal(t, http.StatusNotFound, other.post("/v1/uploads/acme.j/complete", "").Status)
	past := strconv.FormatInt(time.Now().Unix()-1, 10)
	g := &Gateway{cfg: Config{Store: d.store}}
	secret, err := g.secret(t.Context())
	require.NoError(t, err)
	at := "/v1/uploads/acme.j/inputs/a?size=1&expires=" + past + "&signature=" + signature(secret, "acme.j", "a", 1, past)
	require.Contains(t, d.do(http.MethodPut, at, nil, strings.NewReader("x")).Detail, "has expired")
}

func TestALongMessageIsKeptUntilItsFileIsThere(t *testing.T) {
	t.Parallel()
	d := newDock(t, nil)
	got := d.post("/v1/uploads/presign", `{"name": "a", "size": 1, "fields": {"pipeline": "p", "message": "{\"name\": \"`+strings.Repeat("x", 900<<10)+`\"}"}}`)
	require.Equal(t, http.StatusCreated, got.Status, got.Detail)
	require.Equal(t, http.StatusNoContent, d.do(got.Method, got.URL, nil, strings.NewReader("x")).Status)
	done := d.post(got.Complete, "")
	require.Equal(t, http.StatusAccepted, done.Status, done.Detail)
}
