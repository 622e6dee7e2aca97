package pods_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/keda/kubernetes"
	"github.com/millrace/millrace/keda/pods"
	"github.com/millrace/millrace/keda/podstest"
)

const (
	cost  = "controller.kubernetes.io/pod-deletion-cost"
	keep  = "karpenter.sh/do-not-disrupt"
	evict = "cluster-autoscaler.kubernetes.io/safe-to-evict"
)

// watch knows the pods of a cluster until the test ends.
func watch(t *testing.T, c *podstest.Cluster) *pods.Watch {
	t.Helper()
	w, err := pods.New(pods.Config{API: kubernetes.API{URL: c.URL}, Namespace: podstest.Namespace})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { w.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return w
}

// census asks for one, and marks pods by it.
func census(t *testing.T, w *pods.Watch, class string) pods.Census {
	t.Helper()
	c, mark := w.Census(t.Context(), class)
	mark(t.Context())
	return c
}

// comes asks for a census until it is want: the API server tells of a pod when it likes.
func comes(t *testing.T, w *pods.Watch, class string, want pods.Census) {
	t.Helper()
	var got pods.Census
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if got = census(t, w, class); got == want {
			return
		}
	}
	require.Equal(t, want, got)
}

func TestACensusCountsBusyPodsAndSilentOnes(t *testing.T) {
	c := podstest.New(t)
	idle, busy, silent, leaving := podstest.NewWorker(t), podstest.NewWorker(t), podstest.NewWorker(t), podstest.NewWorker(t)
	busy.Has(3, time.Minute)
	leaving.Has(4, time.Minute)
	silent.Says("")
	c.Add("gpu", idle)
	c.Add("gpu", busy)
	w := watch(t, c)
	comes(t, w, "gpu", pods.Census{Complete: true, Pods: 2, Busy: 1, Jobs: 3})
	c.Add("gpu", silent) // from here on the watch tells
	c.Add("gpu", nil)    // has not started: it can't have a job
	going := c.Add("gpu", leaving)
	c.Add("light", podstest.NewWorker(t))
	comes(t, w, "gpu", pods.Census{Complete: true, Pods: 4, Busy: 2, Jobs: 7, Silent: 1})
	c.Stop(going)
	comes(t, w, "gpu", pods.Census{Complete: true, Pods: 3, Busy: 1, Jobs: 3, Silent: 1})
	c.Remove(going)
	comes(t, w, "light", pods.Census{Complete: true, Pods: 1})
	require.Equal(t, 1, c.Requests("list"), "all the rest the watch has told")
}

func TestAnswersThatCannotBeTrueAreNone(t *testing.T) {
	c := podstest.New(t)
	worker := podstest.NewWorker(t)
	c.Add("gpu", worker)
	w := watch(t, c)
	for _, says := range []string{`{"slots":4,"busy":-1}`, `{"slots":4,"busy":1000000}`, `{"slots":-1}`, `{"slots":1000000}`, `{"busy":"all"}`, "<html>", strings.Repeat(" ", 8<<10) + "{}"} {
		worker.Says(says)
		comes(t, w, "gpu", pods.Census{Complete: true, Pods: 1, Silent: 1})
	}
}

func TestAPodLeadsNowhereElse(t *testing.T) {
	c := podstest.New(t)
	worker := podstest.NewWorker(t)
	c.Add("gpu", worker)
	w := watch(t, c)
	var asked atomic.Int64
	for name, as := range map[string]http.HandlerFunc{
		"it refuses":   func(rw http.ResponseWriter, r *http.Request) { http.Error(rw, `{"slots":4}`, http.StatusForbidden) },
		"it redirects": func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/busy", http.StatusFound) },
		"a long header": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X-Long", strings.Repeat("x", 32<<10))
			fmt.Fprint(rw, `{"slots":4}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			worker.Answers(func(rw http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				as(rw, r)
			})
			comes(t, w, "gpu", pods.Census{Complete: true, Pods: 1, Silent: 1})
			asked.Store(0)
			census(t, w, "gpu")
			require.EqualValues(t, 1, asked.Load())
		})
	}
}

func TestAPodCountsWhileAContainerOfItRuns(t *testing.T) {
	c := podstest.New(t)
	name := c.Add("gpu", podstest.NewWorker(t))
	w := watch(t, c)
	for phase, n := range map[string]int{"Pending": 1, "Unknown": 1, "Failed": 0, "Succeeded": 0} {
		c.Phase(name, phase)
		comes(t, w, "gpu", pods.Census{Complete: true, Pods: n})
	}
}

func TestABusyPodIsMarkedAndAnIdleOneIsMarkedNoMore(t *testing.T) {
	c := podstest.New(t)
	worker, idle := podstest.NewWorker(t), podstest.NewWorker(t)
	name, other := c.Add("gpu", worker), c.Add("gpu", idle)
	w, second := watch(t, c), watch(t, c) // two scalers
	worker.Has(1, 30*time.Minute)
	want := pods.Census{Complete: true, Pods: 2, Busy: 1, Jobs: 1}
	comes(t, w, "gpu", want)
	marked := map[string]string{cost: "1030", keep: "true", evict: "false", "millrace/busy": "true"}
	require.Equal(t, marked, c.Annotations(name))
	require.Empty(t, c.Annotations(other), "nothing is written to a pod that was never busy")

	comes(t, second, "gpu", want)
	for range 20 {
		census(t, w, "gpu")
		census(t, second, "gpu")
	}
	require.LessOrEqual(t, c.Requests("patch"), 2, "each wrote once at most, and they agree")

	worker.Has(1, 45*time.Minute)
	census(t, w, "gpu")
	require.Equal(t, "1045", c.Annotations(name)[cost], "the longer it runs, the dearer it is")
	worker.Has(2, 100*24*time.Hour)
	census(t, w, "gpu")
	require.Equal(t, "2440", c.Annotations(name)[cost])
	worker.Has(2, -time.Hour) // its clock is ahead
	census(t, w, "gpu")
	require.Equal(t, "1000", c.Annotations(name)[cost])
	worker.Has(0, 0)
	census(t, w, "gpu")
	require.Equal(t, map[string]string{cost: "0"}, c.Annotations(name))
}

func TestWhatStoodThereBeforeAPodWasMarkedStays(t *testing.T) {
	c := podstest.New(t)
	worker := podstest.NewWorker(t)
	name := c.Add("gpu", worker)
	theirs := map[string]string{keep: "true", evict: "true", cost: "7"}
	c.Annotate(name, theirs)
	for range 2 { // the second time by a scaler that knows of the first what the pod says
		w := watch(t, c)
		worker.Has(1, time.Minute)
		comes(t, w, "gpu", pods.Census{Complete: true, Pods: 1, Busy: 1, Jobs: 1})
		require.Equal(t, map[string]string{
			keep: "true", evict: "true", cost: "1001", "millrace/busy": "true," + keep + "," + evict,
		}, c.Annotations(name))
		patches := c.Requests("patch")
		census(t, w, "gpu")
		require.Equal(t, patches, c.Requests("patch"))
		worker.Has(0, 0)
		census(t, watch(t, c), "gpu")
		comes(t, w, "gpu", pods.Census{Complete: true, Pods: 1})
		require.Equal(t, map[string]string{keep: "true", evict: "true", cost: "0"}, c.Annotations(name))
	}
}

func TestAPodThatHasNotStartedIsSilentForNoJob(t *testing.T) {
	c := podstest.New(t)
	worker := podstest.NewWorker(t)
	name := c.Add("gpu", worker)
	worker.Says("")
	w := watch(t, c)
	comes(t, w, "gpu", pods.Census{Complete: true, Pods: 1, Silent: 1})
	c.Starting(name)
	comes(t, w, "gpu", pods.Census{Complete: true, Pods: 1})
	worker.Has(1, 0)
	comes(t, w, "gpu", pods.Census{Complete: true, Pods: 1, Busy: 1, Jobs: 1})
}

func TestAScalerWithoutTheRightToMarkCountsAllTheSame(t *testing.T) {
	c := podstest.New(t)
	worker := podstest.NewWorker(t)
	worker.Has(1, 0)
	c.Add("gpu", worker)
	c.Refuse("patch", http.StatusForbidden)
	w := watch(t, c)
	comes(t, w, "gpu", pods.Census{Complete: true, Pods: 1, Busy: 1, Jobs: 1})
	for range 10 {
		census(t, w, "gpu")
	}
	require.Equal(t, 1, c.Requests("patch"), "it is tried again once a minute")
	require.EqualValues(t, 1, w.Errors())
}

func TestPodsAreKnownAgainAfterTheAPIServerHasForgottenAWatch(t *testing.T) {
	c := podstest.New(t)
	first := c.Add("gpu", podstest.NewWorker(t))
	w := watch(t, c)
	comes(t, w, "gpu", pods.Census{Complete: true, Pods: 1})
	c.Refuse("watch", http.StatusInternalServerError)
	c.Remove(first)
	c.Add("gpu", podstest.NewWorker(t))
	c.Add("gpu", podstest.NewWorker(t))
	c.Forget()
	c.Refuse("watch", 0)
	comes(t, w, "gpu", pods.Census{Complete: true, Pods: 2})
}

func TestAnAPIServerThatHasForgottenHasNotFailed(t *testing.T) {
	c := podstest.New(t)
	c.Refuse("watch", http.StatusGone)
	w := watch(t, c)
	c.Await(t, func() bool { return c.Requests("list") == 2 })
	require.Zero(t, w.Errors())
}

func TestWithoutTheAPIServerACensusIsNotComplete(t *testing.T) {
	c := podstest.New(t)
	c.Add("gpu", podstest.NewWorker(t))
	c.Refuse("list", http.StatusForbidden)
	w := watch(t, c)
	c.Await(t, func() bool { return c.Requests("list") > 0 })
	require.Equal(t, pods.Census{}, census(t, w, "gpu"))
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	_, err := pods.New(pods.Config{API: kubernetes.API{URL: "cluster"}, Namespace: "jobs"})
	require.ErrorContains(t, err, `"cluster" is not the URL of a Kubernetes API server`)
	_, err = pods.New(pods.Config{API: kubernetes.API{URL: "https://10.0.0.1"}})
	require.ErrorContains(t, err, "no namespace is given")
	_, err = pods.New(pods.Config{API: kubernetes.API{URL: "https://10.0.0.1", CAFile: "/nowhere"}, Namespace: "jobs"})
	require.ErrorContains(t, err, "read the certificates of the Kubernetes API server")
}

func TestTheTokenIsReadAnewAndTheCertificateIsTheClusters(t *testing.T) {
	dir := t.TempDir()
	token, ca := filepath.Join(dir, "token"), filepath.Join(dir, "ca.crt")
	said := make(chan string)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case said <- r.Header.Get("Authorization"):
			http.Error(w, "", http.StatusUnauthorized)
		case <-t.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	require.NoError(t, os.WriteFile(token, []byte("first\n"), 0o600))
	w, err := pods.New(pods.Config{API: kubernetes.API{URL: s.URL, TokenFile: token, CAFile: ca}, Namespace: "jobs"})
	require.NoError(t, err)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wg.Go(func() { w.Run(ctx) })
	require.Equal(t, "Bearer first", <-said)
	require.NoError(t, os.WriteFile(token, []byte("second\n"), 0o600))
	require.Equal(t, "Bearer second", <-said)
}
