package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// askFor is how long a pod may take to say how busy it is, and askAllFor all pods of a class together.
	askFor    = 2 * time.Second
	askAllFor = 2 * askFor
	// atOnce is how many pods are asked, or marked, at once: of four times as many the last are still asked where none answers.
	atOnce = 128
	// maxSlots is more than a worker can have.
	maxSlots = 1024
)

// A Census is what the pods of one class say.
type Census struct {
	Complete bool // all pods are known; false too where nobody looks for them
	Pods     int  // whose containers run, and that are not being stopped
	Busy     int  // of them, pods that have a job
	Jobs     int  // that those have
	Silent   int  // of the pods, those that have started and do not answer: any of them may have as many jobs as it has slots
}

// A state is what a worker says at /busy.
type state struct {
	Slots  int       `json:"slots"`
	Busy   int       `json:"busy"`
	Oldest time.Time `json:"oldest"` // start of the oldest job; zero when idle
}

// Census asks all pods of a class. mark marks those that have a job as ones that should be stopped last, which takes a while
// where the API server is slow.
func (w *Watch) Census(ctx context.Context, class string) (c Census, mark func(context.Context)) {
	ps, complete := w.of(class)
	states := make([]*state, len(ps))
	asking, cancel := context.WithTimeout(ctx, askAllFor)
	defer cancel()
	each(len(ps), func(i int) {
		s, err := w.ask(asking, ps[i])
		if err != nil {
			w.log.DebugContext(ctx, "pod does not answer", "pod", ps[i].Metadata.Name, "err", err)
			return
		}
		states[i] = &s
	})
	c = Census{Complete: complete, Pods: len(ps)}
	for i, s := range states {
		switch {
		case s == nil && ps[i].started():
			c.Silent++
		case s != nil && s.Busy > 0:
			c.Busy, c.Jobs = c.Busy+1, c.Jobs+s.Busy
		}
	}
	return c, func(ctx context.Context) {
		each(len(ps), func(i int) {
			if states[i] != nil {
				w.mark(ctx, ps[i], *states[i])
			}
		})
	}
}

// each calls f for 0 to n-1, for some of them at once.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	defer wg.Wait()
	free := make(chan struct{}, atOnce)
	for i := range n {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			f(i)
		})
	}
}

// newAsker returns a client for pods: they are reached by their address, never by a proxy, and lead nowhere else.
func newAsker() *http.Client {
	return &http.Client{
		Timeout:       askFor,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: askFor}).DialContext, MaxIdleConnsPerHost: 1, MaxIdleConns: 256, IdleConnTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: 16 << 10, ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10,
		},
	}
}

// ask asks one pod. What it says is believed within bounds: it is a worker's, and jobs run beside it.
func (w *Watch) ask(ctx context.Context, p *pod) (state, error) {
	var s state
	url := "http://" + net.JoinHostPort(p.Status.IP, strconv.Itoa(p.port())) + "/busy"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return s, err
	}
	resp, err := w.busy.Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s answers %s", url, resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 4<<10)).Decode(&s); err != nil {
		return s, fmt.Errorf("read what %s says: %w", url, err)
	}
	if s.Busy < 0 || s.Busy > maxSlots || s.Slots < 0 || s.Slots > maxSlots {
		return s, fmt.Errorf("%s says that %d of %d slots are busy", url, s.Busy, s.Slots)
	}
	return s, nil
}
