package warm_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/warm"
)

// A program is one that does nothing.
type program struct {
	env         []string
	gone, ended bool
}

func (p *program) Gone() bool { return p.gone }
func (p *program) End()       { p.ended = true }

// A hall has a place, and remembers what stood there.
type hall struct {
	place *warm.Place[*program]
	all   []*program
}

func newHall(most int) *hall { return &hall{place: warm.New[*program](most)} }

func (h *hall) use(ctx context.Context, env []string, work func(*program) error) error {
	start := func(context.Context) (*program, error) {
		h.all = append(h.all, &program{env: env})
		return h.all[len(h.all)-1], nil
	}
	return h.place.Use(ctx, env, start, work)
}

func nothing(*program) error { return nil }

func TestAProgramIsKept(t *testing.T) {
	h := newHall(3)
	for range 3 {
		require.NoError(t, h.use(t.Context(), nil, nothing))
	}
	require.Len(t, h.all, 1)
	require.NoError(t, h.use(t.Context(), nil, nothing))
	require.Len(t, h.all, 2, "it has had its uses")
	require.True(t, h.all[0].ended)
	h.all[1].gone = true
	require.NoError(t, h.use(t.Context(), nil, nothing))
	require.Len(t, h.all, 3, "it was gone")
	require.EqualError(t, h.use(t.Context(), nil, func(*program) error { return errors.New("broken") }), "broken")
	require.True(t, h.all[2].ended)
	require.NoError(t, h.use(t.Context(), nil, nothing))
	require.Len(t, h.all, 4, "it has failed")
	require.False(t, h.all[3].ended)
	h.place.Close()
	require.True(t, h.all[3].ended)
}

func TestAProgramIsNotKeptForAnotherEnvironmentThanItsJobs(t *testing.T) {
	h := newHall(10)
	for _, env := range [][]string{{"CID=a", "CUDA_VISIBLE_DEVICES=", "HOME=/a"}, {"HOME=/a", "CUDA_VISIBLE_DEVICES=", "JOB_ID=1"}} {
		require.NoError(t, h.use(t.Context(), env, nothing))
	}
	require.Len(t, h.all, 1, "which job it is for is not known when it is started")
	require.NoError(t, h.use(t.Context(), []string{"HOME=/a", "CUDA_VISIBLE_DEVICES=GPU-a"}, nothing))
	require.Len(t, h.all, 2, "it must see its own GPUs")
	require.True(t, h.all[0].ended)
}

func TestUsesWaitForEachOtherAndNotForever(t *testing.T) {
	h := newHall(10)
	var wg sync.WaitGroup
	under, over := make(chan struct{}), make(chan struct{})
	wg.Go(func() {
		_ = h.use(t.Context(), nil, func(*program) error {
			close(under)
			<-over
			return nil
		})
	})
	<-under
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	require.EqualError(t, h.use(ctx, nil, nothing), "enough")
	close(over)
	wg.Wait()
	require.NoError(t, h.use(t.Context(), nil, nothing))
	require.Len(t, h.all, 1)
}

func TestWhatCannotBeStartedIsTriedAgain(t *testing.T) {
	p := warm.New[*program](1)
	broken := func(context.Context) (*program, error) { return nil, errors.New("missing") }
	for range 2 {
		require.EqualError(t, p.Use(t.Context(), nil, broken, nothing), "missing")
	}
	require.NoError(t, p.Use(t.Context(), nil, func(ctx context.Context) (*program, error) { return &program{}, ctx.Err() }, nothing))
}
