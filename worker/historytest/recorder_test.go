package historytest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker/historytest"
)

// ask sends a request on its own connection and returns the status, or what went wrong.
func ask(t *testing.T, verb, url, body string, header ...string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), verb, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode, err
}

func wire(t *testing.T, h *historytest.History, server http.HandlerFunc) *historytest.Wire {
	t.Helper()
	s := httptest.NewServer(server)
	t.Cleanup(s.Close)
	w := historytest.NewWire(t, h, "a", s.URL)
	t.Cleanup(w.Close)
	return w
}

func TestARecorderReadsWhatIsSaidToAQueue(t *testing.T) {
	h := &historytest.History{Secrets: []string{secret}}
	w := wire(t, h, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Amz-Target") {
		case "AmazonSQS.ReceiveMessage":
			_, _ = io.WriteString(w, `{"Messages":[{"MessageId":"m","ReceiptHandle":"r","Body":"{\"id\":\"job\"}"}]}`)
		case "AmazonSQS.DeleteMessageBatch":
			_, _ = io.WriteString(w, `{"Successful":[{"Id":"0"}],"Failed":[{"Id":"1","Code":"ReceiptHandleIsInvalid"}]}`)
		}
	})
	say := func(verb, body string) {
		status, err := ask(t, http.MethodPost, w.Endpoint, body, "X-Amz-Target", "AmazonSQS."+verb)
		require.NoError(t, err)
		require.Equal(t, 200, status)
	}
	say("ReceiveMessage", `{"QueueUrl":"http://h/0/q","WaitTimeSeconds":20,"VisibilityTimeout":2}`)
	say("ChangeMessageVisibility", `{"QueueUrl":"http://h/0/q","ReceiptHandle":"r","VisibilityTimeout":3}`)
	say("DeleteMessageBatch", `{"QueueUrl":"http://h/0/q","Entries":[{"Id":"0","ReceiptHandle":"r"},{"Id":"1","ReceiptHandle":"s"}],"x":"`+secret+`"}`)

	calls := h.Calls()
	require.Len(t, calls, 3)
	require.Equal(t, "q", calls[0].Queue)
	require.Equal(t, "a", calls[0].Worker)
	require.Equal(t, []historytest.Delivery{{ID: "m", Jobs: []string{"job"}, Receipt: "r"}}, calls[0].Messages)
	require.Equal(t, 20*time.Second, calls[0].Wait)
	require.Equal(t, 2*time.Second, calls[0].Hidden)
	require.Equal(t, 3*time.Second, calls[1].Changes[0].Hidden)
	require.True(t, calls[1].Changes[0].Done)
	require.True(t, calls[2].Changes[0].Delete && calls[2].Changes[0].Done)
	require.False(t, calls[2].Changes[1].Done)
	require.True(t, calls[2].Leak)
	require.False(t, calls[1].Leak)
}

func TestARecorderReadsWhatIsSaidToABucket(t *testing.T) {
	h := &historytest.History{}
	w := wire(t, h, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodPut && string(body) != "abc" || r.URL.RawQuery != "" && r.URL.Query().Get("prefix") != "p/" {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	_, err := ask(t, http.MethodPut, w.Endpoint+"/b/p/jobs/5e/j/final", "abc", "If-None-Match", "*")
	require.NoError(t, err)
	_, err = ask(t, http.MethodGet, w.Endpoint+"/b?list-type=2&prefix=p/", "")
	require.NoError(t, err)
	calls := h.Calls()
	require.Len(t, calls, 2)
	require.Equal(t, "b", calls[0].Bucket)
	require.Equal(t, "p/jobs/5e/j/final", calls[0].Key)
	require.True(t, calls[0].Create && calls[0].Passed())
	require.Equal(t, "LIST", calls[1].Verb)
	require.Equal(t, "p/", calls[1].Key)
	require.True(t, calls[1].Passed())
}

func TestARecorderStopsBeforeTheServerAndAfterIt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		moment historytest.Moment
		served int
	}{{"before", historytest.Came, 0}, {"after", historytest.Answered, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			h, served := &historytest.History{}, 0
			w := wire(t, h, func(http.ResponseWriter, *http.Request) { served++ })
			w.On(func(_ historytest.Call, m historytest.Moment) *historytest.Fault {
				if m == tt.moment {
					return &historytest.Fault{}
				}
				return nil
			})
			_, err := ask(t, http.MethodPut, w.Endpoint+"/b/k", "abc")
			require.Error(t, err, "the worker never knows")
			require.Equal(t, tt.served, served)
			require.Equal(t, tt.served == 1, h.Calls()[0].Passed())

			w.On(func(historytest.Call, historytest.Moment) *historytest.Fault {
				return &historytest.Fault{Status: 503, Code: "SlowDown"}
			})
			status, err := ask(t, http.MethodPut, w.Endpoint+"/b/k", "abc")
			require.NoError(t, err)
			require.Equal(t, 503, status)
			require.Equal(t, tt.served, served)
			require.False(t, h.Calls()[1].Passed())
		})
	}
}

func TestAWireBreaksAndHeals(t *testing.T) {
	h := &historytest.History{}
	w := wire(t, h, func(http.ResponseWriter, *http.Request) {})
	for name, cut := range map[string]func(){
		"reset": func() { w.Break(historytest.Resets) }, "cut": w.Cut,
	} {
		cut()
		_, err := ask(t, http.MethodGet, w.Endpoint+"/b/k", "")
		require.Error(t, err, name)
		w.Heal()
		status, err := ask(t, http.MethodGet, w.Endpoint+"/b/k", "")
		require.NoError(t, err, name)
		require.Equal(t, 200, status)
	}
}
