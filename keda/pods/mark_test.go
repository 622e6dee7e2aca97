package pods

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/keda/kubernetes"
)

// A wire is a network of which a test says how it answers.
type wire func(*http.Request) (*http.Response, error)

func (f wire) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func says(text string) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text))}, nil
}

// hangs answers when nobody waits any more.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// knows is a watch, in a bubble, of n pods of class gpu; none is heard of.
func knows(t *testing.T, n int, log io.Writer, api wire) *Watch {
	t.Helper()
	w, err := New(Config{API: kubernetes.API{URL: "http://api", Transport: api}, Namespace: "jobs", Log: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	w.listed = true
	w.busy.Transport = wire(hangs)
	for i := range n {
		p := &pod{}
		p.Metadata.Name, p.Metadata.Labels = strconv.Itoa(i), map[string]string{ClassLabel: "gpu"}
		p.Status.Phase, p.Status.IP = "Running", "10.0.0.1"
		p.Status.Containers = append(p.Status.Containers, containerStatus{})
		p.Status.Containers[0].State.Running = &struct{}{}
		w.pods[p.Metadata.Name] = p
	}
	return w
}

func TestAPodThatCannotBeMarkedKeepsNoOtherFromIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var mu sync.Mutex
		asked := map[string]int{} // guarded by mu: patches of pods by name
		w := knows(t, 3, &log, func(r *http.Request) (*http.Response, error) {
			name := path.Base(r.URL.Path)
			mu.Lock()
			asked[name]++
			mu.Unlock()
			if name == "0" {
				return hangs(r)
			}
			return says(`{"metadata":{"name":"` + name + `"}}`)
		})
		w.busy.Transport = wire(func(*http.Request) (*http.Response, error) { return says(`{"slots":1,"busy":1}`) })
		look := func() time.Duration {
			began := time.Now()
			_, mark := w.Census(t.Context(), "gpu")
			mark(t.Context())
			return time.Since(began)
		}
		require.Equal(t, markFor, look())
		require.Equal(t, map[string]int{"0": 1, "1": 1, "2": 1}, asked)
		require.EqualValues(t, 1, w.Errors())
		require.Zero(t, look(), "it is left alone for a minute")
		require.Equal(t, 1, asked["0"])
		time.Sleep(deniedRest)
		look()
		require.Equal(t, 2, asked["0"])
		require.Equal(t, 1, strings.Count(log.String(), "busy pod not marked"), log.String())

		w.keep("DELETED", w.pods["0"])
		require.Empty(t, w.denied)
		w.notMarked(t.Context(), &pod{}, context.DeadlineExceeded)
		require.Empty(t, w.denied, "nothing is kept of a pod that is gone")
	})
}

func TestPodsThatDoNotAnswerHoldUpACensusForSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := knows(t, 5*atOnce, io.Discard, hangs)
		began := time.Now()
		c, _ := w.Census(t.Context(), "gpu")
		require.Equal(t, Census{Complete: true, Pods: 5 * atOnce, Silent: 5 * atOnce}, c)
		require.Equal(t, askAllFor, time.Since(began))
	})
}
