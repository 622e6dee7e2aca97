package gpu

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// bench is a machine whose GPUs a test sets.
type bench struct {
	mu      sync.Mutex
	devices []Report
	hang    chan struct{} // not nil: the driver answers when it is closed
	listen  func() (*events, error)
}

func newBench(devices ...Report) *bench {
	for i := range devices {
		devices[i].Index = i
		devices[i].UUID = "GPU-" + string(rune('a'+i))
		devices[i].Name = "L4"
	}
	return &bench{devices: devices, listen: func() (*events, error) { return nil, errors.New("no events") }}
}

func (b *bench) change(f func(devices []Report)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b.devices)
}

func (b *bench) look() (Machine, error) {
	if b.hang != nil {
		<-b.hang
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return Machine{Driver: LeastDriver, Devices: slices.Clone(b.devices)}, nil
}

func (b *bench) pool(c Config) *Pool {
	c.open = func() (*driver, error) {
		return &driver{b.look, b.listen, func() {}}, nil
	}
	return NewPool(c)
}

// asks leases in the background.
func asks(t *testing.T, p *Pool, n Need) <-chan *Lease {
	got := make(chan *Lease, 1)
	go func() {
		l, err := p.Lease(t.Context(), n, func(error) {})
		if err != nil {
			t.Errorf("lease %s: %v", n, err)
		}
		got <- l
	}()
	synctest.Wait()
	return got
}

var one = Need{Use: Required}

// big is a GPU of 24 GiB.
func big(free int64) Report { return Report{Device: Device{Memory: 24 << 30, Free: free}} }

func TestV55NobodyWhoNeedsNoGPUTouchesADriver(t *testing.T) {
	p := NewPool(Config{open: func() (*driver, error) {
		t.Error("the driver was loaded")
		return nil, ErrNoDriver
	}})
	require.NoError(t, p.Fits(t.Context(), Need{}))
	require.NoError(t, p.Fits(t.Context(), Need{Use: None, Count: 3}))
	require.Empty(t, p.Failures())
	p.Close()
}

func TestWhoComesFirstIsServedFirstAndNobodyWaitsForWhatHeCanNotUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBench(big(24<<30), big(24<<30), big(2<<30)).pool(Config{})
		defer p.Close()
		first := <-asks(t, p, Need{Use: Required, Memory: 8 << 30})
		require.Equal(t, "GPU-a", first.Devices[0].UUID)
		both := asks(t, p, Need{Use: Required, Count: 2, Memory: 8 << 30})
		require.Empty(t, both)
		for range maxPassed {
			require.True(t, p.Free(t.Context(), Need{Use: Required, Memory: 8 << 30}))
			(<-asks(t, p, Need{Use: Required, Memory: 8 << 30})).Release()
		}
		require.False(t, p.Free(t.Context(), Need{Use: Required, Memory: 8 << 30}))
		late := asks(t, p, Need{Use: Required, Memory: 8 << 30})
		require.Empty(t, late, "one more took what the first in line waits for")
		small := <-asks(t, p, Need{Use: Required})
		require.Equal(t, "GPU-c", small.Devices[0].UUID)

		first.Release()
		pair := <-both
		require.Len(t, pair.Devices, 2)
		synctest.Wait()
		require.Empty(t, late)
		pair.Release()
		require.Equal(t, "GPU-a", (<-late).Devices[0].UUID)
	})
}

func TestTwoThatNeedEveryGPUDoNotBlockEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBench(big(1), big(1)).pool(Config{})
		defer p.Close()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				l, err := p.Lease(t.Context(), Need{Use: Required, Count: 2}, func(error) {})
				if err != nil {
					t.Error(err)
					return
				}
				l.Release()
			})
		}
		wg.Wait()
	})
}

func TestAGPUIsLookedAtRightBeforeItIsGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(big(24 << 30))
		p := b.pool(Config{})
		defer p.Close()
		first := <-asks(t, p, one)
		refused := make(chan error, 1)
		go func() {
			_, err := p.Lease(t.Context(), one, func(error) {})
			refused <- err
		}()
		synctest.Wait()
		b.change(func(d []Report) { d[0].Unfit = "it is hot" })
		first.Release()
		require.ErrorContains(t, <-refused, "this machine can't give a GPU: GPU 0 (L4) is out of service: it is hot")
		b.change(func(d []Report) { d[0].Unfit = "" })
		require.NotNil(t, <-asks(t, p, one), "what was mended is back in service")
	})
}

func TestMemoryThatATaskHasIsWaitedForAndMemoryOfOthersIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(big(24 << 30))
		p := b.pool(Config{})
		defer p.Close()
		n := Need{Use: Required, Memory: 16 << 30}
		l := <-asks(t, p, n)
		b.change(func(d []Report) { d[0].Free = 1 << 30 })
		require.NoError(t, p.Fits(t.Context(), n))
		l.Release()
		require.ErrorContains(t, p.Fits(t.Context(), n), "GPU 0 (L4) has 1024 MiB of memory free, others have the rest")
		require.ErrorContains(t, p.Fits(t.Context(), Need{Use: Required, Memory: 32 << 30}), "GPU 0 (L4) has 24576 MiB of memory")
	})
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBench(big(1)).pool(Config{})
		defer p.Close()
		held := <-asks(t, p, one)
		shutdown := errors.New("shutdown")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, shutdown)
		defer cancel()
		_, err := p.Lease(ctx, one, func(error) {})
		require.Equal(t, shutdown, err)
		held.Release()
		require.NotNil(t, <-asks(t, p, one), "who left keeps nothing")
	})
}

func TestAFailureThatComesWithTheReleaseIsNotTold(t *testing.T) {
	p := newBench(big(1)).pool(Config{})
	defer p.Close()
	l, err := p.Lease(t.Context(), one, func(err error) { t.Errorf("told of %v", err) })
	require.NoError(t, err)
	l.Release()
	l.fail(errors.New("late")) // as the watch does that has found the lease before it was released
}

func TestWhatMayPassIsToldFromWhatDoesNot(t *testing.T) {
	for _, tt := range []struct {
		health Health
		passes bool
	}{
		{Health{Slowdown: 90, Temperature: 95}, true},
		{Health{Prohibited: true}, true},
		{Health{Uncorrected: 1, Slowdown: 90, Temperature: 95}, false},
		{Health{RemapFailed: true}, false},
	} {
		r := big(1)
		r.Health = tt.health
		m := Machine{Driver: LeastDriver, Devices: []Report{r}}
		m.judge()
		err := m.fits(one)
		require.Error(t, err)
		require.Equal(t, tt.passes, errors.Is(err, ErrPasses), "%+v", tt.health)
	}
	require.ErrorIs(t, errHangs, ErrPasses)
}

func TestWhoWouldRatherDoWithoutDoesNotWaitLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBench(big(1)).pool(Config{Encode: func(context.Context, Device) error {
			time.Sleep(20 * time.Second)
			return nil
		}})
		defer p.Close()
		l, err := p.LeaseWithin(t.Context(), film, 5*time.Second, func(error) {})
		require.NoError(t, err, "nobody has it: what the trial takes does not count")
		start := time.Now()
		_, err = p.LeaseWithin(t.Context(), one, 5*time.Second, func(error) {})
		require.Equal(t, ErrBusy, err)
		require.Equal(t, 5*time.Second, time.Since(start))
		l.Release()
	})
}

func TestOnlyVisibleGPUsAreLeased(t *testing.T) {
	devices := []Report{big(1), big(1), big(1)}
	for _, tt := range []struct {
		name    string
		visible []string
		want    []string
	}{
		{"by UUID", []string{"GPU-b"}, []string{"GPU-b"}},
		{"by index", []string{"2", "0"}, []string{"GPU-a", "GPU-c"}},
		{"by the beginning of all", []string{"GPU-"}, []string{"GPU-a", "GPU-b", "GPU-c"}},
		{"none", nil, nil},
		{"nonsense", []string{"", "G", "-1", "NoDevFiles"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newBench(devices...).pool(Config{Visible: tt.visible, Restricted: true})
			defer p.Close()
			m, err := p.Passport(t.Context())
			require.NoError(t, err)
			var fit []string
			for _, r := range m.Devices {
				if r.Unfit == "" {
					fit = append(fit, r.UUID)
				}
			}
			require.Equal(t, tt.want, fit)
			if tt.want == nil {
				require.ErrorContains(t, p.Fits(t.Context(), one), "the worker's CUDA_VISIBLE_DEVICES does not name it")
			}
		})
	}
}

func TestAnErrorTellsOfAFewGPUsOnly(t *testing.T) {
	p := newBench(slices.Repeat([]Report{{Device: Device{Capability: "7.5"}}}, 6)...).pool(Config{})
	defer p.Close()
	err := p.Fits(t.Context(), Need{Use: Required, Capability: "8.0"})
	require.ErrorContains(t, err, "GPU 3 (L4) has compute capability 7.5; and so on for 2 more")
	require.NotContains(t, err.Error(), "GPU 4")
	empty := newBench().pool(Config{})
	defer empty.Close()
	require.ErrorIs(t, empty.Fits(t.Context(), one), ErrNoDevice)
}
