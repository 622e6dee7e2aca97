package gpu

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADriverThatHangsIsSaidToHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(big(1))
		b.hang = make(chan struct{})
		p := b.pool(Config{})
		for range 2 { // the second one does not ask again
			err := p.Fits(t.Context(), one)
			unfit := new(UnfitError)
			require.ErrorAs(t, err, &unfit)
			require.Equal(t, errHangs.Error(), unfit.Why)
		}
		start := time.Now()
		p.Close()
		require.Equal(t, 5*time.Second, time.Since(start), "Close gave up on it")
		close(b.hang)
		synctest.Wait()
		require.ErrorContains(t, p.Fits(t.Context(), one), errClosed.Error())
	})
}

func TestManyWhoAskAreOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, looks := newBench(big(1)), 0
		p := b.pool(Config{})
		p.cfg.open = func() (*driver, error) {
			return &driver{func() (Machine, error) {
				looks++
				time.Sleep(patience - time.Second) // it is slow, and answers
				return b.look()
			}, func() (*events, error) { return nil, errors.New("no events") }, func() {}}, nil
		}
		defer p.Close()
		var wg sync.WaitGroup
		for range 256 {
			wg.Go(func() {
				if err := p.Fits(t.Context(), one); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		require.NoError(t, p.Fits(t.Context(), one), "who comes late waits for the answer before his, and that counts for nothing")
		wg.Wait()
		require.LessOrEqual(t, looks, 2)
	})
}

func TestADriverThatAnswersAgainIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(big(1))
		b.hang = make(chan struct{})
		p := b.pool(Config{})
		defer p.Close()
		late := make(chan error, 1)
		go func() {
			time.Sleep(patience / 2)
			late <- p.Fits(t.Context(), one)
		}()
		require.ErrorContains(t, p.Fits(t.Context(), one), errHangs.Error())
		require.ErrorContains(t, <-late, errHangs.Error())
		close(b.hang)
		synctest.Wait()
		require.NoError(t, p.Fits(t.Context(), one))
	})
}
