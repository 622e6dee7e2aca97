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

// saysPod is the answer to a patch.
func saysPod(r *http.Request) (*http.Response, error) {
	return says(`{"metadata":{"name":"` + path.Base(r.URL.Path) + `","labels":{"millrace/class":"gpu"}},
		"status":{"podIP":"10.0.0.1","containerStatuses":[{"state":{"running":{}}}]}}`)
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
		api := wire(func(r *http.Request) (*http.Response, error) {
			name := path.Base(r.URL.Path)
			mu.Lock()
			asked[name]++
			mu.Unlock()
			if name == "0" {
				return hangs(r)
			}
			return saysPod(r)
		})
		w := knows(t, 3, &log, func(r *http.Request) (*http.Response, error) { return api(r) })
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

		api = wire(saysPod)
		time.Sleep(deniedRest)
		look()
		require.Empty(t, w.denied)
		api = wire(hangs)
		look()
		require.Len(t, w.denied, 3)
		require.Equal(t, 2, strings.Count(log.String(), "busy pod not marked"), log.String())

		w.keep("DELETED", w.pods["0"])
		w.notMarked(t.Context(), &pod{}, context.DeadlineExceeded)
		require.Len(t, w.denied, 2, "nothing is kept of a pod that is gone")
		api = wire(func(*http.Request) (*http.Response, error) { return says(`{"items":[{"metadata":{"name":"1"}}]}`) })
		_, err := w.list(t.Context())
		require.NoError(t, err)
		require.Len(t, w.denied, 1)
	})
}

func TestPodsThatDoNotAnswerHoldUpACensusForSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := knows(t, 5*atOnce, io.Discard, hangs)
		began := time.Now()
		c, _ := w.Census(t.Context(), "gpu")
		require.Equal(t, Census{Complete: true, Pods: 5 * atOnce, Silent: 5 * atOnce}, c)
		require.Equal(t, askAllFor, time.Since(began))

		began = time.Now()
		knows(t, 1, io.Discard, hangs).Census(t.Context(), "gpu")
		require.Equal(t, askFor, time.Since(began))
	})
}

func TestAPodThatHasGoneIsMarkedNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []int{http.StatusNotFound, http.StatusConflict} {
			w := knows(t, 1, io.Discard, func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Body: http.NoBody}, nil
			})
			w.busy.Transport = wire(func(*http.Request) (*http.Response, error) { return says(`{"busy":1}`) })
			_, mark := w.Census(t.Context(), "gpu")
			mark(t.Context())
			require.Zero(t, w.Errors())
			require.Empty(t, w.denied)
		}
	})
}

func TestWhatTheWatchSaysIsNewerThanWhatAMarkDid(t *testing.T) {
	w := knows(t, 1, io.Discard, hangs)
	was, newer, now := w.pods["0"], &pod{}, &pod{}
	newer.Metadata.Name = "0"
	w.keep("MODIFIED", newer)
	w.marked(was, now)
	require.Same(t, newer, w.pods["0"])
	w.marked(newer, now)
	require.Same(t, now, w.pods["0"])
}
