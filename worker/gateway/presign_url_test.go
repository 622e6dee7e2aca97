package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASignedURLIsOneThatTheWorldReaches(t *testing.T) {
	t.Parallel()
	const ask = `{"name": "a", "size": 1, "fields": {"pipeline": "p"}}`
	behind := http.Header{"X-Forwarded-Proto": {"https"}, "Content-Type": {"application/json"}}
	d := newDock(t, nil)
	host := strings.TrimPrefix(d.URL, "http://")
	known := newDock(t, func(c *Config) { c.Uploads.URL = "https://millrace.example.com/mill/" })
	for _, tt := range []struct {
		name   string
		dock   *dock
		header http.Header
		base   string
	}{
		{"of the gateway itself", d, nil, d.URL},
		{"of the proxy that ends TLS", d, behind, "https://" + host},
		{"that the operator names", known, behind, "https://millrace.example.com/mill"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.dock.do(http.MethodPost, "/v1/uploads/presign", tt.header, strings.NewReader(ask))
			require.Equal(t, http.StatusCreated, got.Status, got.Detail)
			require.True(t, strings.HasPrefix(got.URL, tt.base+"/v1/uploads/"), got.URL)
			require.Equal(t, tt.base+"/v1/uploads/"+got.ID+"/complete", got.Complete)
		})
	}
}

func TestASignedURLCanBePastedFromTheAnswer(t *testing.T) {
	t.Parallel()
	d := newDock(t, nil)
	res, err := http.Post(d.URL+"/v1/uploads/presign", "application/json", strings.NewReader(`{"name": "a", "size": 1, "fields": {"pipeline": "p"}}`))
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "&size=1")
}
