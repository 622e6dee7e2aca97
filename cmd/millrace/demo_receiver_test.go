package main

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

const (
	ours   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	theirs = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

func TestTheDemosReceiverBelievesNoUnsignedCallback(t *testing.T) {
	r, err := newReceiver(ours)
	require.NoError(t, err)
	defer r.close()
	post := func(id, secret, body string) int {
		w, err := standardwebhooks.NewWebhook(secret)
		require.NoError(t, err)
		now := time.Now()
		signature, err := w.Sign(id, now, []byte(`{"type":"job.succeeded","data":{"id":"7"}}`))
		require.NoError(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url(), strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("webhook-id", id)
		req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
		req.Header.Set("webhook-signature", signature)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	signed := `{"type":"job.succeeded","data":{"id":"7"}}`
	require.Equal(t, http.StatusUnauthorized, post("msg_1", theirs, signed), "another secret")
	require.Equal(t, http.StatusUnauthorized, post("msg_2", ours, strings.Replace(signed, "7", "8", 1)), "another body")
	require.Error(t, r.of("8").err)
	require.Equal(t, http.StatusNoContent, post("msg_3", ours, signed))
	require.Equal(t, http.StatusNoContent, post("msg_3", ours, signed), "sent again")
	require.Len(t, r.news, 3, "each id once")
	require.Error(t, r.of("9").err, "nothing came for it")
}
