package pods

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAListIsReadWholeOrNotAtAll(t *testing.T) {
	const list = `{"kind":"PodList","items":[{"metadata":{"name":"a"},"spec":{"x":[{}]}},{"metadata":{"name":"b"}}],"metadata":{"resourceVersion":"7"},"more":{"x":[1]}}`
	pods, version, err := readList(strings.NewReader(list))
	require.NoError(t, err)
	require.Equal(t, "7", version)
	require.Len(t, pods, 2)
	require.Equal(t, "b", pods["b"].Metadata.Name)
	for n := range list {
		_, _, err := readList(strings.NewReader(list[:n]))
		require.Error(t, err, list[:n])
	}
	for _, other := range []string{"[]", `"items"`, `{"items":{"metadata":{"name":"a"}}}`, `{"items":["a"]}`, `{"items":"a"}`, `{"metadata":7}`, "<html>"} {
		_, _, err := readList(strings.NewReader(other))
		require.Error(t, err, other)
	}
	pods, _, err = readList(strings.NewReader(`{"items":null,"metadata":{"resourceVersion":"7"}}`))
	require.NoError(t, err)
	require.Empty(t, pods)
}

func TestOfAPodLittleIsKept(t *testing.T) {
	w := knows(t, 0, io.Discard, hangs)
	p := &pod{}
	p.Metadata.Name = "a"
	p.Metadata.Labels = map[string]string{ClassLabel: "gpu", "other": "x"}
	p.Metadata.Annotations = map[string]string{busyMark: "true", "last-applied": "x"}
	w.keep("ADDED", p)
	require.Equal(t, map[string]string{ClassLabel: "gpu"}, w.pods["a"].Metadata.Labels)
	require.Equal(t, map[string]string{busyMark: "true"}, w.pods["a"].Metadata.Annotations)
}

func TestAnAPIServerThatFailsIsAskedRarelyAndBelievedForHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		w := knows(t, 1, io.Discard, func(*http.Request) (*http.Response, error) {
			asked++
			return nil, errors.New("no route to host")
		})
		w.busy.Transport = wire(func(*http.Request) (*http.Response, error) { return says(`{}`) })
		complete := func() bool {
			c, _ := w.Census(t.Context(), "gpu")
			return c.Complete
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { w.Run(ctx) })
		synctest.Wait()
		require.True(t, complete())
		time.Sleep(patience)
		require.False(t, complete())
		time.Sleep(time.Hour)
		cancel()
		wg.Wait()
		require.InDelta(t, 125, asked, 5)
		w.heard(nil)
		require.True(t, complete())
	})
}
