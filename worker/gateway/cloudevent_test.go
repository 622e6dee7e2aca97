package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestACloudEventIsTheSameJobInEveryMode(t *testing.T) {
	d := newDock(t, nil)
	binary := func(source string) http.Header {
		return http.Header{
			"Content-Type": {"application/json"}, "Ce-Specversion": {"1.0"}, "Ce-Id": {"e-1"}, "Ce-Source": {source}, "Ce-Type": {"com.example.job.submit"},
		}
	}
	const data = `{"pipeline": "other"}`
	ids := map[string]bool{}
	for _, tt := range []struct {
		body   string
		header http.Header
	}{
		{`{"specversion":"1.0","id":"e-1","source":"/Küche 100%","type":"com.example.job.submit","data":` + data + `}`, http.Header{"Content-Type": {"application/cloudevents+json"}}},
		{`[{"specversion":"1.0","id":"e-1","source":"/Küche 100%","type":"com.example.job.submit","data":` + data + `}]`, http.Header{"Content-Type": {"application/cloudevents-batch+json"}}},
		{data, binary("/K%C3%BCche%20100%25")},
		{data, binary("/Küche 100%")}, // of a client that encodes nothing
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL+"/v1/jobs", strings.NewReader(tt.body))
		require.NoError(t, err)
		req.Header = tt.header
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		var done Submitted
		require.NoError(t, json.NewDecoder(res.Body).Decode(&done))
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusAccepted, res.StatusCode, "%s", tt.body)
		require.Len(t, done.Jobs, 1)
		ids[done.Jobs[0].ID] = true
	}
	require.Len(t, ids, 1, "%v", ids)
}
