package fault_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules/fault"
)

func TestACallIsTriedAgainWhileItsErrorCanPass(t *testing.T) {
	down := errors.New("down")
	for _, tt := range []struct {
		name  string
		errs  []error
		calls int
		took  time.Duration
		want  error
	}{
		{"until it is done", []error{fault.As(fault.Transient, down), nil}, 2, time.Second, nil},
		{"with pauses that double", []error{fault.As(fault.Transient, down)}, 4, 7 * time.Second, down},
		{"as late as the error asks", []error{fault.After(10*time.Second, down), nil}, 2, 10 * time.Second, nil},
		{"but not after more than a minute", []error{fault.After(time.Hour, down)}, 1, 0, down},
		{"nor where it is for good", []error{fault.As(fault.Permanent, down)}, 1, 0, down},
		{"nor where that is not known", []error{down}, 1, 0, down},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said strings.Builder
				calls, start := 0, time.Now()
				err := fault.Tries{More: 3, Sleep: time.Second, Say: &said}.Do(t.Context(), func(context.Context) error {
					calls++
					return tt.errs[min(calls, len(tt.errs))-1]
				})
				require.ErrorIs(t, err, tt.want)
				require.Equal(t, tt.calls, calls)
				require.Equal(t, tt.took, time.Since(start))
				require.Equal(t, calls-1, strings.Count(said.String(), "trying again in"))
			})
		})
	}
}

func TestAPauseBetweenTriesEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("lease lost")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, lost)
		defer cancel()
		tries := fault.Tries{More: 3, Sleep: time.Minute, Say: &strings.Builder{}}
		err := tries.Do(ctx, func(context.Context) error { return fault.As(fault.Transient, errors.New("down")) })
		require.ErrorIs(t, err, lost)
	})
}
