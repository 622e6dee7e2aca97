package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/blob"
)

// bytesOf is what the first input of a job that was sent holds now.
func (d *dock) bytesOf(job int) string {
	d.t.Helper()
	b, err := blob.ReadAll(d.t.Context(), d.store, d.sent()[job].Inputs[0].Key, 100)
	require.NoError(d.t, err)
	return string(b)
}

func TestWhatAJobWasSentForIsNeverReplaced(t *testing.T) {
	t.Parallel()
	d := newDock(t, nil)
	const at = "/v1/uploads?name=a&pipeline=p&id=j"
	body, w := io.Pipe()
	slow := make(chan reply)
	go func() { slow <- d.do(http.MethodPost, at, nil, body) }()
	_, err := w.Write([]byte("ot")) // it is on its way when the other is taken
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, d.post(at, "first").Status)
	there := d.uploads()
	_, err = w.Write([]byte("her"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	late := <-slow
	require.Equal(t, http.StatusConflict, late.Status)
	require.Contains(t, late.Detail, "with other files")
	require.Equal(t, there, d.uploads(), "nothing of it is kept")
	require.Equal(t, "first", d.bytesOf(0))

	for _, tt := range []struct{ name, path, body string }{
		{"another name", "/v1/uploads?name=b&pipeline=p&id=j", "first"},
		{"other bytes of that length", at, "tsrif"},
	} {
		require.Equal(t, http.StatusConflict, d.post(tt.path, tt.body).Status, tt.name)
		require.Equal(t, there, d.uploads(), tt.name)
	}
	header := http.Header{"Idempotency-Key": {"k"}}
	require.Equal(t, http.StatusAccepted, d.do(http.MethodPost, "/v1/uploads?name=a&pipeline=p", header, strings.NewReader("x")).Status)
	require.Equal(t, http.StatusConflict, d.do(http.MethodPost, "/v1/uploads?name=a&pipeline=p", header, strings.NewReader("y")).Status)
	require.Equal(t, "x", d.bytesOf(1))
	require.Len(t, d.sent(), 2)
}

// The sender has no answer, so that it sends it again, as a whole and with the same ID.
func TestTheSameUploadMayBeSentAgain(t *testing.T) {
	t.Parallel()
	d := newDock(t, nil)
	form := []part{{"id", "", "j"}, {"pipeline", "", "p"}, {"f", "a", "x"}, {"f", "b", "y"}}
	for range 2 {
		got := d.form("/v1/uploads", form...)
		require.Equal(t, http.StatusAccepted, got.Status, got.Detail)
	}
	first, again := d.sent()[0], d.sent()[1]
	require.Equal(t, first.ID, again.ID, "it runs once")
	require.Equal(t, "x", d.bytesOf(0))
	require.Equal(t, "x", d.bytesOf(1))
	form[2], form[3] = form[3], form[2]
	require.Equal(t, http.StatusConflict, d.form("/v1/uploads", form...).Status, "another file is the first now")
}
