package gateway

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAFormsFieldsCountAsBodiesInMemory(t *testing.T) {
	t.Parallel()
	d := newDock(t, nil)
	form := []part{{"pipeline", "", "p"}, {"state.long", "", strings.Repeat("x", 50<<10)}, {"f", "a", "x"}}
	d.g.held.Store(allBodies - 40<<10)
	require.Equal(t, http.StatusServiceUnavailable, d.form("/v1/uploads", form...).Status)
	require.Equal(t, int64(allBodies-40<<10), d.g.held.Load(), "what was refused holds nothing")
	d.g.held.Store(0)
	require.Equal(t, http.StatusAccepted, d.form("/v1/uploads", form...).Status)
	require.Zero(t, d.g.held.Load())
}

func TestAFormThatIsCutOffBetweenTwoPartsMakesNoJob(t *testing.T) {
	t.Parallel()
	d := newDock(t, nil)
	whole := "--b\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=f; filename=b\r\n\r\ny\r\n--b--\r\n"
	header := http.Header{"Content-Type": {"multipart/form-data; boundary=b"}}
	for n := range len(whole) - len("--\r\n") {
		got := d.do(http.MethodPost, "/v1/uploads?pipeline=p", header, strings.NewReader(whole[:n]))
		require.Equal(t, http.StatusBadRequest, got.Status, "%d: %q", n, whole[:n])
	}
	require.Empty(t, d.sent())
	require.Empty(t, d.uploads())
	for n, end := range []string{"", "\r\n", "\r\nepilogue"} {
		got := d.do(http.MethodPost, "/v1/uploads?pipeline=p", header, strings.NewReader(strings.TrimSpace(whole)+end))
		require.Equal(t, http.StatusAccepted, got.Status, got.Detail)
		require.Len(t, d.sent()[n].Inputs, 2)
	}
}

// drops is a body that comes steadily, and never ends.
type drops struct{}

func (drops) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return min(len(p), 4<<10), nil
}

func (drops) Close() error { return nil }

func TestAnUploadHasATimeToEndIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, err := io.Copy(io.Discard, &paced{ReadCloser: drops{}, control: http.NewResponseController(httptest.NewRecorder())})
		p, ok := errors.AsType[*Problem](err)
		require.True(t, ok)
		require.Equal(t, http.StatusRequestTimeout, p.Status)
		require.InDelta(t, longestUpload.Hours(), time.Since(begun).Hours(), 0.1)
	})
}
