package gpu

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLostGPUsAreCountedAndTheirFailuresToldOnce(t *testing.T) {
	var told []uint64
	b := newBench(big(1), big(1), big(1))
	p := b.pool(Config{Failed: func(e *LostError) { told = append(told, e.XID) }})
	defer p.Close()
	require.NoError(t, p.Fits(t.Context(), one))
	for _, xid := range []uint64{79, 48, 79} {
		p.fail(*event{gpu: "GPU-a", xid: xid}.failure())
	}
	require.Equal(t, []uint64{79, 48}, told, "whether a task had it or not")
	require.Equal(t, 1, p.Lost())
	b.change(func(d []Report) { d[0].UUID = "GPU-d" })
	require.NoError(t, p.Fits(t.Context(), one))
	require.Equal(t, 1, p.Lost(), "the driver does not list it any more")
	p.fail(*event{gpu: "GPU-b", xid: 79}.failure())
	require.Equal(t, 2, p.Lost())
	p.fail(*event{xid: 62}.failure())
	require.Equal(t, 4, p.Lost(), "three that are there, and one that is not")
}

func TestWhyFailuresAreNotToldIsToldOnce(t *testing.T) {
	told := make(chan string, 2)
	p := newBench(big(1)).pool(Config{Blind: func(why string) { told <- why }})
	defer p.Close()
	for range 2 {
		require.NoError(t, p.Fits(t.Context(), one))
	}
	require.Equal(t, "no events", <-told)
	require.Empty(t, told)
}

func TestAMachineWhoseFailuresAreNotToldIsAskedForThemAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(big(1), big(1))
		some, all := make(chan event, 1), make(chan event, 1)
		var freed atomic.Int32
		told := func(of chan event, blind string) *events {
			return &events{blind: blind, free: func() { freed.Add(1) }, next: func() (event, bool, error) {
				select {
				case e := <-of:
					return e, true, nil
				case <-time.After(100 * time.Millisecond):
					return event{}, false, nil
				}
			}}
		}
		asked := 0
		b.listen = func() (*events, error) {
			asked++
			switch {
			case asked <= 3:
				return nil, errors.New("not now")
			case asked <= 5:
				return told(some, "GPU 0 tells of no failures"), nil
			}
			return told(all, ""), nil
		}
		var blind []string
		p := b.pool(Config{Blind: func(why string) { blind = append(blind, why) }})
		unwatched := func() string {
			m, err := p.Passport(t.Context())
			require.NoError(t, err)
			return m.Unwatched
		}
		require.Equal(t, "not now", unwatched())
		time.Sleep(time.Second + 2*time.Second + 4*time.Second + time.Second)
		require.Equal(t, "GPU 0 tells of no failures", unwatched())
		some <- event{gpu: "GPU-b", xid: 48}
		time.Sleep(time.Second)
		require.Len(t, p.Failures(), 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, unwatched())
		require.Equal(t, 6, asked)
		require.Equal(t, []string{"not now", "GPU 0 tells of no failures"}, blind)
		all <- event{gpu: "GPU-a", xid: 48}
		time.Sleep(time.Second)
		require.Len(t, p.Failures(), 2)
		require.EqualValues(t, 1, freed.Load(), "what tells no more than another is not listened to")
		p.Close()
		require.EqualValues(t, 3, freed.Load(), "each that was listened to")
	})
}

func TestNobodyWaitsForFailuresOnceAPoolIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBench(big(1)).pool(Config{})
		require.NoError(t, p.Fits(context.Background(), one))
		start := time.Now()
		p.Close()
		require.Equal(t, start, time.Now())
	})
}
