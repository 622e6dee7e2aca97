package curl

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/modules/fault"
)

// watch returns a body that is given up, by cancel, when it brings less than o's speed-limit over a whole speed-time.
// Call release when it has been read.
func watch(body io.Reader, o options, cancel context.CancelCauseFunc) (watched io.Reader, release func()) {
	if o.speedLimit == 0 || o.speedTime == 0 {
		return body, func() {}
	}
	m := &meter{from: body}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(o.speedTime)
		defer tick.Stop()
		for last := int64(0); ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			n := m.read.Load()
			if float64(n-last) < float64(o.speedLimit)*o.speedTime.Seconds() {
				cancel(fault.As(fault.Transient, fmt.Errorf("%d bytes came in %s, less than %d a second (speed-limit)", n-last, o.speedTime, o.speedLimit)))
				return
			}
			last = n
		}
	})
	return m, func() {
		close(done)
		wg.Wait()
	}
}

// A meter counts what is read.
type meter struct {
	from io.Reader
	read atomic.Int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	m.read.Add(int64(n))
	return n, err
}
