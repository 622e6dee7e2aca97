package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPushWakesTheQueueWhateverItSays(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	woken := make(chan struct{}, 10)
	stop, err := serveWake(t.Context(), addr, func() { woken <- struct{}{} }, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for _, body := range []string{"", `{"bucket": "jobs"}`, strings.Repeat("x", 1<<20)} {
		resp, err := http.Post("http://"+addr+"/", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
		<-woken
	}
	resp, err := http.Get("http://" + addr + "/")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	require.Empty(t, woken)
	stop()
	_, err = http.Post("http://"+addr+"/", "", nil)
	require.Error(t, err)
}

func TestPushesAreHeardOnThisMachineAloneUnlessAHostIsNamed(t *testing.T) {
	for addr, want := range map[string]string{"": "", ":8080": "127.0.0.1:8080", "0.0.0.0:80": "0.0.0.0:80"} {
		got, err := checkAddress(addr)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := checkAddress("8080")
	require.ErrorContains(t, err, "write :8080")
}
