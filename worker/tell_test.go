package worker_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/worker"
)

// told has the plant note what its worker tells of attempts.
func (p *plant) told() func() []worker.Settlement {
	var mu sync.Mutex
	var all []worker.Settlement
	p.cfg.Settled = func(s worker.Settlement) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, s)
	}
	return func() []worker.Settlement {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// G14: a job that is over is counted as one when the store and the broker have taken it.
func TestWhatBecameOfAnAttemptIsToldOnceItIsSo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		set  func(p *plant)
		want []string
	}{
		{"all took it", func(*plant) {}, []string{"p succeeded over"}},
		{"the store did not take the outcome", func(p *plant) { p.onFlaky(-1, finals) }, []string{"p interrupted"}},
		{"nor the callback that failed", func(p *plant) {
			p.onFlaky(-1, func(key string) bool { return strings.Contains(key, "/owed-") || strings.HasSuffix(key, "/callback") })
			p.cfg.CallbackURL = "http://127.0.0.1:1/"
		}, []string{"p interrupted"}},
		{"the broker took the answer for another's", func(p *plant) {
			p.cfg.Feed = feedOn(t, voided{p.driver, new(sync.Once)})
			p.cfg.ExitWhenIdle = 2 * time.Second // past the lease, which nobody extends any more
		}, []string{"p lost", "p succeeded over"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlant(t, succeed)
			tt.set(p)
			told := p.told()
			p.send(map[string]any{"pipeline": "p"})
			p.run()
			var got []string
			for _, s := range told() {
				text := s.Pipeline + " " + s.Outcome
				if s.Latency > 0 {
					text += " over"
				}
				got = append(got, text)
			}
			require.Equal(t, tt.want, got)
		})
	}
}
