package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/gateway/hook"
)

// post sends a body by a secret, with no connection below.
func (f *front) post(path, secret string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, body)
	r.Header.Set("Authorization", "Bearer "+secret)
	w := httptest.NewRecorder()
	f.g.ServeHTTP(w, r)
	return w
}

func TestWhereBodiesTakeAllTheirMemoryLargeOnesAreToldToComeLaterAndSmallOnesAreTaken(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	const token = "0123456789abcdef"
	table, err := hook.Config{Env: func(string) string { return token }}.Parse("hooks.yaml", []byte("sources: {s: {kind: token, secrets: [{env: TOKEN}]}}"))
	require.NoError(t, err)
	f.g.cfg.Hooks = func(context.Context) *hook.Table { return table }
	small, large := `{"pipeline":"hello_world"}`, `{"pipeline":"hello_world","state":{"a":"`+strings.Repeat("x", firstRoom)+`"}}`
	for _, tt := range []struct {
		name, path, secret string
		held               *atomic.Int64
		most               int64
	}{
		{"of those with a key", "/v1/jobs", "boss", &f.g.held, allBodies},
		{"of webhooks", "/v1/hooks/s", token, &f.g.strange, strangeBodies},
	} {
		tt.held.Store(tt.most)
		w := f.post(tt.path, tt.secret, strings.NewReader(large))
		require.Equal(t, http.StatusServiceUnavailable, w.Code, tt.name)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Contains(t, decode[Problem](t, w.Body.String()).Detail, "too many large bodies")
		w = f.post(tt.path, tt.secret, strings.NewReader(small))
		require.Equal(t, http.StatusAccepted, w.Code, w.Body)
		require.Equal(t, tt.most, tt.held.Load(), tt.name)
		tt.held.Store(0)
		w = f.post(tt.path, tt.secret, strings.NewReader(large))
		require.Equal(t, http.StatusAccepted, w.Code, w.Body)
	}
}

func TestAllMemoryOfABodyIsGivenBackWhateverBecameOfIt(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	large := strings.Repeat("x", 10*firstRoom)
	for name, body := range map[string]io.Reader{
		"no job":      strings.NewReader(large),
		"too long":    iotest.HalfReader(strings.NewReader(strings.Repeat("x", defaultBody+1))),
		"breaks off":  io.MultiReader(strings.NewReader(large), iotest.ErrReader(errors.New("reset"))),
		"comes later": io.MultiReader(strings.NewReader(large), iotest.ErrReader(os.ErrDeadlineExceeded)),
	} {
		require.GreaterOrEqual(t, f.post("/v1/jobs", "boss", body).Code, http.StatusBadRequest, name)
		require.Zero(t, f.g.held.Load(), name)
	}
}
